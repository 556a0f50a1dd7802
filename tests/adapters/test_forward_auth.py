"""Which request is judged: one family from a trusted peer, or the path we were asked on; never a mixture."""

import json

import pytest

from phantomgate.adapters.forward_auth import read_decide, read_exchange, write_allow, write_exchange
from phantomgate.adapters.refusal import write_refusal
from phantomgate.core.errors import Reason
from phantomgate.core.model import Allow, HeaderChange, Headers, Refuse, Route, Token
from tokens import NOW, jwt

ORIGINAL = (("X-Original-Method", "POST"), ("X-Original-URI", "/orders/1?x=%41"))
FORWARDED = (
    ("X-Forwarded-Method", "PUT"),
    ("X-Forwarded-Uri", "/items"),
    ("X-Forwarded-Host", "api.example"),
    ("X-Forwarded-Proto", "https"),
)


def read(*fields, source="auto", target="", trusted=True, method="GET", reader=read_decide):
    return reader(source)(method.encode(), target.encode(), Headers.of(fields), trusted, "127.0.0.1")


def test_original_fields_name_the_request():
    request = read(*ORIGINAL)

    assert (request.method, request.path, request.query, request.problem) == ("POST", "/orders/1", "x=%41", None)


def test_forwarded_fields_name_the_request_host_and_scheme():
    request = read(*FORWARDED)

    assert (request.method, request.path, request.host, request.scheme) == ("PUT", "/items", "api.example", "https")


def test_a_path_below_decide_is_judged_with_the_calls_own_method():
    request = read(target="/orders/1?x=1", method="DELETE")

    assert (request.method, request.path, request.query) == ("DELETE", "/orders/1", "x=1")


def test_with_nothing_at_all_there_is_no_path_to_match():
    assert read().path == ""


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ((*ORIGINAL, *FORWARDED), ""),
        (ORIGINAL, "/x"),
        (FORWARDED, "/x"),
        (ORIGINAL[:1], ""),
        (ORIGINAL[1:], ""),
        (FORWARDED[:1], ""),
        (FORWARDED[1:], ""),
        ((*ORIGINAL, ORIGINAL[1]), ""),
        ((*ORIGINAL, ("x-original-uri", "/public")), ""),
        ((*FORWARDED, ("X-Forwarded-Method", "GET")), ""),
        ((*FORWARDED, ("X-Forwarded-Host", "evil")), ""),
        ((("X-Original-Method", ""), ("X-Original-URI", "/")), ""),
    ],
)
def test_a_mixture_a_half_or_a_repetition_is_malformed(fields, target):
    problem = read(*fields, target=target).problem

    assert problem is not None
    assert problem.reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize(
    ("source", "method", "path"),
    [("original", "POST", "/orders/1"), ("forwarded", "PUT", "/items"), ("path", "GET", "/own")],
)
def test_a_named_source_ignores_the_others(source, method, path):
    request = read(*ORIGINAL, *FORWARDED, source=source, target="/own")

    assert (request.method, request.path, request.problem) == (method, path, None)


@pytest.mark.parametrize("source", ["original", "forwarded"])
def test_a_named_source_that_is_not_there_is_malformed(source):
    assert read(source=source, target="/own").problem is not None
    assert read(*ORIGINAL, *FORWARDED, source=source, trusted=False).problem is not None


def test_an_untrusted_peers_fields_are_ignored_and_noted():
    request = read(*ORIGINAL, target="/own", trusted=False)

    assert (request.method, request.path) == ("GET", "/own")
    assert "ignored" in request.note
    assert read(target="/own", trusted=False).note == ""
    assert read(*ORIGINAL).note == ""
    assert read(*ORIGINAL, target="/own", source="path").note == ""


@pytest.mark.parametrize(
    "field",
    [
        ("X-Forwarded-Prefix", "/public"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-Url", "/x"),
        ("X_Original_URI", "/x"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("x-envoy-original-path", "/x"),
    ],
)
def test_other_fields_change_nothing(field):
    request = read(*ORIGINAL, field)

    assert (request.method, request.path, request.problem) == ("POST", "/orders/1", None)


@pytest.mark.parametrize(
    "value",
    ["Authorization", "keep-alive, authorization", "X-Forwarded-Uri", "close,X-Original-URI ", "Cookie", "X-User"],
)
def test_a_connection_that_names_what_we_judge_by_or_set_is_malformed(value):
    assert read(*ORIGINAL, ("Connection", value)).problem is not None
    assert read(("Connection", value), reader=read_exchange).problem is not None


@pytest.mark.parametrize("value", ["close", "keep-alive", "Upgrade", "Keep-Alive", "close, TE", ""])
def test_a_connection_that_names_fields_of_one_hop_is_fine(value):
    assert read(*ORIGINAL, ("Connection", value)).problem is None


def test_an_upgrade_to_h2c_is_refused_and_a_websocket_is_not():
    problem = read(*ORIGINAL, ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "H2C")).problem

    assert problem is not None
    assert problem.reason.status == 403
    assert read(*ORIGINAL, ("Connection", "Upgrade"), ("Upgrade", "websocket")).problem is None


def test_an_exchange_is_routed_only_when_it_names_a_request():
    assert read(reader=read_exchange).routed is False
    assert read(*ORIGINAL, reader=read_exchange).path == "/orders/1"
    assert read(*ORIGINAL, reader=read_exchange).routed is True
    assert read(ORIGINAL[0], reader=read_exchange).problem is not None


def test_an_exchange_is_judged_by_fields_where_decide_reads_its_path():
    assert read(*ORIGINAL, source="path", target="/other", reader=read_exchange).path == "/orders/1"
    assert read(*ORIGINAL, reader=read_exchange, trusted=False).routed is False


def allow(route=None):
    change = HeaderChange((("Authorization", f"Bearer {jwt()}"), ("X-User", "")), frozenset(), jwt())
    return Allow(Token(jwt(), {}, frozenset(), NOW + 60.0, 60.0), route or Route("r"), change)


def test_an_allow_says_nginx_first_how_long_it_holds():
    fields = write_allow(allow(), 42, Headers())

    assert fields == [
        ("Authorization", f"Bearer {jwt()}"),
        ("X-User", ""),
        ("X-Accel-Expires", "42"),
        ("Cache-Control", "private, max-age=42"),
    ]


def test_an_allow_by_routes_says_that_the_token_alone_was_not_enough():
    assert ("Vary", "*") in write_allow(allow(Route("GET /a", of_table=True)), 42, Headers())


def test_an_exchange_gives_the_jwt_as_a_token_response():
    fields, body = write_exchange(allow(), 42)

    assert json.loads(body) == {"token_type": "Bearer", "access_token": jwt(), "expires_in": 42}
    assert ("Cache-Control", "private, max-age=42") in fields


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.label)
def test_every_refusal_has_the_contracts_form(reason):
    status, headers, body = write_refusal(Refuse(reason, "id-1", "CANARY", retry_after=7), "api")
    fields = dict(headers)

    assert status == reason.status
    assert fields["Content-Type"] == "application/json"
    assert fields["Cache-Control"] == "no-store"
    assert fields["Retry-After"] == "7"
    assert ("WWW-Authenticate" in fields) == (status in (400, 401) or reason is Reason.INSUFFICIENT_SCOPE)
    assert json.loads(body) == {"error": reason.error, "error_description": reason.description, "decision": "id-1"}
    assert b"CANARY" not in body
    if 'error="' in fields.get("WWW-Authenticate", ""):
        assert f'error="{reason.error}"' in fields["WWW-Authenticate"]


def test_for_nginx_400_is_401_and_says_what_it_was():
    status, headers, body = write_refusal(Refuse(Reason.MALFORMED_REQUEST, "id"), "api", nginx=True)

    assert status == 401
    assert 'error="invalid_request"' in dict(headers)["WWW-Authenticate"]
    assert json.loads(body)["error"] == "invalid_request"
    assert write_refusal(Refuse(Reason.UNAVAILABLE, "id"), "api", nginx=True).status == 503


def test_nginx_gets_a_refusals_body_in_a_header_too_since_it_drops_bodies():
    refusal = write_refusal(Refuse(Reason.INSUFFICIENT_SCOPE, "id-1", scope="read"), "api", nginx=True)

    assert ("X-Phantomgate-Refusal", refusal.body.decode()) in refusal.headers


def test_nobody_else_gets_it():
    names = [name for name, _ in write_refusal(Refuse(Reason.INACTIVE, "id-1"), "api").headers]

    assert "X-Phantomgate-Refusal" not in names
