"""Tokens, introspection, revocation and the documents: what the development server answers, and what it refuses."""

from __future__ import annotations

import re
from http.client import RemoteDisconnected

import pytest

from demo.conftest import CLIENTS, PAGE, ask
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.demo.ledger import MOST_TOKENS
from phantomgate.demo.tokens import verify

GATEWAY = ("gateway", "gateway-secret")
SERVICE = ("service", "pa:ss %")
TOKEN = {"grant_type": "client_credentials"}


def introspect(issuer, token, accept="application/jwt", basic=GATEWAY):
    return ask(issuer + "/introspect", {"token": token}, basic=basic, Accept=accept)


def test_client_credentials_give_an_opaque_token_and_all_the_scopes_of_the_client(issuer):
    answer = ask(issuer + "/token", TOKEN, basic=SERVICE)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert tuple(answer.json[k] for k in ("token_type", "expires_in", "scope")) == ("Bearer", 300, "orders:write read")
    assert re.fullmatch(r"[A-Za-z0-9._~+/-]{40,}=*", answer.json["access_token"])
    assert answer.json["access_token"].count(".") == 0


def test_client_credentials_in_the_body_work_too_and_give_the_scope_that_is_asked_for(issuer):
    form = {**TOKEN, "scope": "read", "client_id": "service", "client_secret": "pa:ss %"}
    assert ask(issuer + "/token", form).json["scope"] == "read"


@pytest.mark.parametrize(
    ("form", "basic", "status", "error"),
    [
        (TOKEN, ("service", "wrong"), 401, "invalid_client"),
        (TOKEN, ("nobody", "x"), 401, "invalid_client"),
        (TOKEN, (), 401, "invalid_client"),
        ({**TOKEN, "client_id": "service"}, (), 401, "invalid_client"),
        ({**TOKEN, "client_id": "page", "client_secret": ""}, (), 401, "invalid_client"),
        ({**TOKEN, "client_id": "page"}, (), 400, "unauthorized_client"),
        ({**TOKEN, "client_secret": "pa:ss %"}, SERVICE, 400, "invalid_request"),
        ({**TOKEN, "client_id": "page"}, SERVICE, 400, "invalid_request"),
        ({**TOKEN, "scope": "read admin"}, SERVICE, 400, "invalid_scope"),
        ({**TOKEN, "scope": "read  orders:write"}, SERVICE, 400, "invalid_scope"),
        ({"grant_type": "password"}, SERVICE, 400, "unsupported_grant_type"),
        ({}, SERVICE, 400, "unsupported_grant_type"),
        ([("scope", "read"), ("scope", "read"), *TOKEN.items()], SERVICE, 400, "invalid_request"),
    ],
)
def test_a_token_request_is_refused_in_the_words_of_rfc_6749(issuer, form, basic, status, error):
    answer = ask(issuer + "/token", form, basic=basic)
    assert (status, error) == (answer.status, answer.json["error"])
    assert answer.headers["cache-control"] == "no-store"
    assert (status == 401) == ("www-authenticate" in answer.headers)


def test_credentials_that_are_not_basic_are_an_unknown_client(issuer):
    for value in ("Basic ???", "Bearer eA==", "Basic bm9jb2xvbg=="):
        answer = ask(issuer + "/token", TOKEN, Authorization=value)
        assert (answer.status, answer.json["error"]) == (401, "invalid_client"), value


def test_two_authorization_fields_are_one_too_many(issuer):
    answer = ask(issuer + "/token", TOKEN, basic=SERVICE, Authorization="Basic eDp5")
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


def test_a_body_that_is_not_a_form_is_refused(issuer):
    form = "application/x-www-form-urlencoded"
    for media_type, body in (
        ("application/json", b"grant_type=client_credentials"),
        (form, b"%ff=%ff"),
        (form, b"a&b"),
        (form, b"\xff=1"),
    ):
        answer = ask(issuer + "/token", body=body, Content_Type=media_type)
        assert (answer.status, answer.json["error"]) == (400, "invalid_request"), body


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_introspection_gives_the_access_token_as_a_signed_jwt(algorithm):
    server = DevelopmentServer(CLIENTS, algorithm=algorithm, audience="orders", cache_control="max-age=7")
    with server.running_in_thread() as issuer:
        token = server.issue("service", "read", subject="ann", department="spirits")
        answer = introspect(issuer, token)
        assert (
            answer.status,
            answer.headers["content-type"],
            answer.headers["cache-control"],
        ) == (200, "application/jwt", "max-age=7")
        keys = ask(issuer + "/jwks").json
    assert "d" not in keys["keys"][0]
    jwt = verify(answer.body.decode(), keys, issuer=issuer, audience="orders", now=0)
    assert (algorithm, "at+jwt") == (jwt.header["alg"], jwt.header["typ"])
    assert tuple(jwt.claims[name] for name in ("sub", "client_id", "scope", "department")) == (
        "ann",
        "service",
        "read",
        "spirits",
    )
    assert jwt.claims["exp"] - jwt.claims["iat"] == 300
    assert token not in str(jwt.claims)


def test_introspection_gives_plain_facts_when_json_is_wanted(server, issuer):
    answer = introspect(issuer, server.issue("service", "read"), accept="application/json")
    assert tuple(answer.json[name] for name in ("active", "client_id", "scope")) == (True, "service", "read")
    assert "phantom_token" not in answer.json
    assert answer.headers["cache-control"] == "max-age=7"


def test_the_json_answer_carries_the_jwt_when_it_is_told_to():
    server = DevelopmentServer(CLIENTS, phantom_token_member=True)
    with server.running_in_thread() as issuer:
        answer = introspect(issuer, server.issue("service", "read"), accept="application/json")
    assert len(answer.json["phantom_token"].split(".")) == 3
    assert "cache-control" not in answer.headers


def test_unknown_revoked_and_expired_tokens_all_look_the_same(server, issuer):
    revoked = server.issue("service", "read")
    server.revoke(revoked)
    for token in ("unknown", revoked, server.issue("service", "read", seconds=0)):
        as_jwt, as_json = introspect(issuer, token), introspect(issuer, token, accept="application/json")
        assert (as_jwt.status, as_jwt.body, as_jwt.headers["cache-control"]) == (204, b"", "no-store")
        assert (as_json.status, as_json.json, as_json.headers["cache-control"]) == (200, {"active": False}, "no-store")
        assert server.jwt(token) is None


@pytest.mark.parametrize(
    ("basic", "status", "error"),
    [
        (("gateway", "wrong"), 401, "invalid_client"),
        (("nobody", "x"), 401, "invalid_client"),
        ((), 401, "invalid_client"),
        (SERVICE, 403, "unauthorized_client"),
    ],
)
def test_only_a_client_that_may_introspect_is_told_anything(server, issuer, basic, status, error):
    answer = introspect(issuer, server.issue("service", "read"), basic=basic)
    assert (status, error) == (answer.status, answer.json["error"])


def test_introspection_without_a_token_or_with_two_is_refused(issuer):
    for form in ([], [("token", "a"), ("token", "b")]):
        answer = ask(issuer + "/introspect", form, basic=GATEWAY)
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert ask(issuer + "/introspect?token=a").status == 405


def test_a_client_revokes_its_own_token_and_nobody_elses(server, issuer):
    token = server.issue("service", "read")
    for basic, form, left in (
        (GATEWAY, {"token": token}, True),
        ((), {"token": token, "client_id": "page"}, True),
        (SERVICE, {"token": "unknown"}, True),
        (SERVICE, {"token": token, "token_type_hint": "refresh_token"}, False),
    ):
        assert ask(issuer + "/revoke", form, basic=basic).status == 200
        assert left == (server.jwt(token) is not None)
    assert ask(issuer + "/revoke", {"token": token}).status == 401


def test_a_browser_is_let_in_from_the_allowed_origin_only(issuer):
    for path in ("/token", "/revoke"):
        friend = ask(issuer + path, TOKEN, basic=SERVICE, Origin=PAGE).headers
        assert (friend["access-control-allow-origin"], friend["vary"]) == (PAGE, "Origin")
        assert "access-control-allow-origin" not in ask(issuer + path, TOKEN, Origin="http://127.0.0.1:1").headers
    assert "access-control-allow-origin" not in ask(issuer + "/introspect", TOKEN, Origin=PAGE).headers


def test_both_discovery_documents_name_endpoints_that_are_there(issuer):
    documents = [
        ask(f"{issuer}/.well-known/{name}").json for name in ("oauth-authorization-server", "openid-configuration")
    ]
    assert documents[0] == documents[1]
    assert issuer == documents[0]["issuer"]
    for name, url in documents[0].items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert ask(url).status != 404, name


def test_every_page_says_that_it_is_for_development_only(issuer):
    for path in ("/", "/authorize"):
        assert "Development only" in ask(issuer + path).body.decode()
    assert ask(issuer + "/jwks").headers["server"] == "phantomgate (development only)"


def test_it_listens_on_loopback_only(server):
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.com", ""):  # noqa: S104 - the address it must refuse
        with pytest.raises(ValueError, match="development only"), server.running_in_thread(host=host):
            pass


def test_a_name_that_was_made_to_point_here_is_refused(issuer):
    assert ask(issuer + "/jwks", Host="rebound.example").status == 400


def test_the_knobs_make_it_slow_wrong_and_gone_and_it_counts_what_arrived(server, issuer):
    token = server.issue("service", "read")
    server.delay, server.status = 0.001, 503
    assert introspect(issuer, token).status == 503
    server.status, server.down = None, True
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        introspect(issuer, token)
    server.down = False
    assert introspect(issuer, token).status == 200
    assert server.introspections == 3


def test_the_oldest_token_goes_when_the_table_is_full(server):
    first, second, *others = (server.issue("service", "read") for _ in range(MOST_TOKENS + 1))
    assert (server.jwt(first), bool(server.jwt(second)), bool(server.jwt(others[-1]))) == (None, True, True)


def test_a_client_may_have_tokens_that_last_as_long_as_it_says():
    quick = Client("quick", "secret", scopes=frozenset({"read"}), access_token_seconds=30)
    slow = Client("slow", "secret", scopes=frozenset({"read"}))
    server = DevelopmentServer([quick, slow], access_token_seconds=300)
    with server.running_in_thread() as issuer:
        for client, seconds in ((quick, 30), (slow, 300)):
            form = {"grant_type": "client_credentials"}
            said = ask(issuer + "/token", form, basic=(client.client_id, "secret")).json
            issued = server._ledger.find(said["access_token"])
            assert (seconds, seconds) == (said["expires_in"], round(issued.expires_at - issued.issued_at))


def test_the_tokens_of_one_client_are_over_when_it_is_told_so(server):
    mine, other = server.issue("service", "read"), server.issue("page", "read")
    server.expire("service")
    assert (None, True) == (server.jwt(mine), server.jwt(other) is not None)
