"""FWD: which request is judged, by which rule, and by whose word."""

from __future__ import annotations

import json

import pytest

from attacks.cases import attack, attacks
from attacks.harness import BEARER, FAMILIES, TOKEN, assert_allowed, assert_refused, forwarded
from phantomgate.cli.main import main
from phantomgate.config.loading import load_settings
from phantomgate.config.settings import Policy, RouteRule
from phantomgate.core.errors import Refused, SettingsError
from phantomgate.core.model import Allow, Headers, Request, Route
from phantomgate.gateway.routes import route_table
from phantomgate.servers.listener import trusted_peers

UNTIL = 1_800_000_300
OPEN_AND_CLOSED = [
    RouteRule(
        "/public/**",
        methods=(
            "GET",
            "POST",
        ),
    ),
    RouteRule("/public", methods=("GET",)),
    RouteRule(
        "/admin/**",
        methods=(
            "GET",
            "POST",
        ),
        scopes=("admin",),
    ),
]


@pytest.fixture
def token(authority):
    """A token that may read, and not administer."""
    return authority.issue(TOKEN, sub="alice", scope="read", groups=["staff"], exp=UNTIL)


@pytest.fixture
def gate(serve, token):
    return serve(routes=OPEN_AND_CLOSED)


# -- whose word counts -----------------------------------------------------------------------------------------------


@attack("FWD-001")
@pytest.mark.parametrize("by", FAMILIES)
def test_forwarded_fields_of_an_untrusted_peer_are_not_looked_at(case, by, serve, token):
    gate = serve(routes=OPEN_AND_CLOSED, trusted=("127.0.0.1/32",))
    lie = forwarded("GET", "/public/x", by=by)
    assert_refused(
        gate.ask(BEARER, *lie, target="/decide/admin/x", local="127.0.0.2"), 403, "insufficient_scope", scope="admin"
    )
    assert_refused(gate.ask(BEARER, *lie, local="127.0.0.2"), 400, "invalid_request")  # and no other path was named
    assert "untrusted peer" in gate.last.request.note
    assert_allowed(gate.ask(BEARER, *lie, local="127.0.0.1"), token)


@attack("FWD-001")
@pytest.mark.parametrize("source", ["forwarded", "original"])
def test_an_untrusted_peer_can_name_no_request_at_all_when_fields_are_the_source(case, source, serve, token):
    gate = serve(routes=OPEN_AND_CLOSED, trusted=(), source=source)
    lie = forwarded("GET", "/public/x", by=source)
    assert_refused(gate.ask(BEARER, *lie, target="/decide/public/x"), 400, "invalid_request")


@attack("FWD-001")
def test_nobody_is_trusted_when_nobody_is_named(case, serve, token):
    gate = serve(routes=OPEN_AND_CLOSED, trusted=())
    assert_refused(
        gate.ask(BEARER, *forwarded("GET", "/public/x"), target="/decide/admin"),
        403,
        "insufficient_scope",
        scope="admin",
    )


@attack("FWD-001")
def test_exchange_believes_no_untrusted_peer_either(case, serve, token):
    gate = serve(routes=OPEN_AND_CLOSED, policy=Policy(scopes=("admin",)), trusted=("127.0.0.1/32",))
    reply = gate.ask(BEARER, *forwarded("GET", "/public/x"), target="/exchange", local="127.0.0.2")
    assert_refused(reply, 403, "insufficient_scope", scope="admin")


SETTINGS = """
[serve]
listen = "0.0.0.0:9090"
trusted_proxies = {networks}
[introspection]
endpoint = "https://as.example/introspect"
client_id = "gateway"
client_secret = "env:SECRET"
"""


@attack("FWD-002")
@pytest.mark.parametrize(
    "networks",
    [
        ["0.0.0.0/0"],
        ["::/0"],
        ["10.0.0.0/8", "0.0.0.0/0"],
        ["0.0.0.0/1", "128.0.0.0/1"],
        ["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/1"],
        ["::ffff:0:0/96"],
        ["0.0.0.0/00"],
        ["0/0"],
        ["0.0.0.1/0"],
        ["*"],
        [""],
    ],
    ids=repr,
)
def test_to_trust_the_whole_world_is_no_setting(case, networks, tmp_path):
    file = tmp_path / "phantomgate.toml"
    file.write_text(SETTINGS.format(networks=json.dumps(networks)))
    with pytest.raises(SettingsError) as wrong:
        load_settings(file, {"SECRET": "s3cret"})
    assert {"serve.trusted_proxies"} == {problem.setting for problem in wrong.value.problems}
    assert 2 == main(["check", "--config", str(file)], {"SECRET": "s3cret"})


@attack("FWD-002")
def test_nobody_named_means_nobody_trusted(case, tmp_path):
    file = tmp_path / "phantomgate.toml"
    file.write_text(SETTINGS.format(networks="[]").replace("0.0.0.0:9090", "127.0.0.1:9090"))
    assert () == load_settings(file, {"SECRET": "s3cret"}).serve.trusted_proxies
    trusts = trusted_peers(())
    assert not any(map(trusts, ("127.0.0.1", "::1", "10.0.0.1", "", "localhost", "::ffff:127.0.0.1")))


# -- one request, named once -----------------------------------------------------------------------------------------


@attacks(
    ("fields", "target"),
    [
        ("FWD-003", [*forwarded("POST", "/admin/x", by="Original"), *forwarded("GET", "/public/x")], "/decide"),
        ("FWD-003", forwarded("GET", "/public/x"), "/decide/admin/x"),
        ("FWD-003", forwarded("GET", "/public/x", by="Original"), "/decide/admin/x"),
        ("FWD-003", [*forwarded("POST", "/public/x"), ("X-Forwarded-Method", "GET")], "/decide"),
        ("FWD-003", [*forwarded("GET", "/public/x"), ("X-Forwarded-Uri", "/admin/x")], "/decide"),
        ("FWD-003", [("X-Forwarded-Method", "GET")], "/decide"),
        ("FWD-003", [("X-Forwarded-Uri", "/public/x")], "/decide"),
        ("FWD-003", [("X-Original-Uri", "/public/x")], "/decide"),
        ("FWD-003", [("X-Original-Method", "GET"), ("X-Forwarded-Uri", "/public/x")], "/decide"),
        ("FWD-003", forwarded("", "/public/x"), "/decide"),
        ("FWD-014", [*forwarded("GET", "/public/x"), *[("X-Forwarded-Proto", "https")] * 2], "/decide"),
        ("FWD-014", [*forwarded("GET", "/public/x"), ("X-Forwarded-Host", "a"), ("X-Forwarded-Host", "b")], "/decide"),
        ("FWD-043", forwarded("GET", "public/x"), "/decide"),
        ("FWD-043", forwarded("GET", ""), "/decide"),
        ("FWD-043", forwarded("GET", "?/public/x"), "/decide"),
        ("FWD-043", forwarded("GET", "https://x/public/x"), "/decide"),
        ("FWD-043", forwarded("OPTIONS", "*"), "/decide"),
        ("FWD-043", forwarded("CONNECT", "public.example:443"), "/decide"),
        ("FWD-043", [], "/decide"),
        ("FWD-043", [], "/decide?/public/x"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("url", ["/decide", "/exchange"])
def test_a_request_that_is_named_twice_by_halves_or_not_at_all_is_refused(fields, target, url, gate, authority):
    if url == "/exchange":
        if target != "/decide" or not fields:
            return  # it has no path of its own
        target = url
    assert_refused(gate.ask(BEARER, *fields, target=target), 400, "invalid_request")
    assert [] == authority.asked


@attack("FWD-003")
def test_with_a_named_source_what_the_client_sends_under_the_other_is_not_looked_at(case, serve, token):
    """Behind nginx, X-Forwarded-Method is the client's own: a POST stays a POST."""
    only_get = [RouteRule("/public/**", methods=("GET",))]
    gate = serve(routes=only_get, source="original")
    truth = forwarded("POST", "/public/x", by="Original")
    assert_refused(gate.ask(BEARER, *truth, ("X-Forwarded-Method", "GET")), 403, "access_denied")
    assert_refused(gate.ask(BEARER, *truth, *forwarded("GET", "/public/x")), 403, "access_denied")
    assert "POST" == gate.last.request.method
    gate = serve(routes=only_get, source="path")
    assert_refused(gate.ask(BEARER, *forwarded("GET", "/public/x"), target="/decide/admin"), 403, "access_denied")
    assert_refused(
        gate.ask(BEARER, *forwarded("GET", "/public/x"), target="/decide/public/x", method="POST"), 403, "access_denied"
    )


OVERRIDES = ["X-HTTP-Method-Override", "X-Http-Method", "X-Method-Override", "x_http_method_override"]


@attack("FWD-003")
@pytest.mark.parametrize("name", OVERRIDES)
def test_a_method_override_changes_nothing_and_does_not_reach_the_api(case, name, gate, token):
    reply = gate.ask(BEARER, *forwarded("GET", "/public/x?_method=DELETE"), (name, "DELETE"))
    assert_allowed(reply, token)
    assert "GET" == gate.last.request.method
    decision = gate.last.decision
    assert isinstance(decision, Allow)
    assert decision.upstream.drops(name)
    assert_refused(gate.ask(BEARER, *forwarded("DELETE", "/public/x?_method=GET"), (name, "GET")), 403, "access_denied")


# -- paths -----------------------------------------------------------------------------------------------------------

AMBIGUOUS = [
    ("FWD-006", "/public/../admin"),
    ("FWD-006", "/public/.."),
    ("FWD-006", "/public/./x"),
    ("FWD-006", "/public/."),
    ("FWD-006", "/public/%2e%2e/admin"),
    ("FWD-006", "/public/%2E%2E%2Fadmin"),
    ("FWD-006", "/public/x%2fadmin"),
    ("FWD-006", "/public/..;/admin"),
    ("FWD-006", "/public/.%2e/admin"),
    ("FWD-006", "/public/%2e./admin"),
    ("FWD-006", "/public\\..\\admin"),
    ("FWD-006", "/public/x\\admin"),
    ("FWD-006", "/public/%5c..%5cadmin"),
    ("FWD-006", "/public/%5Cadmin"),
    ("FWD-006", "//public/x"),
    ("FWD-006", "/public//admin"),
    ("FWD-006", "/public/x//"),
    ("FWD-006", "/public/%00"),
    ("FWD-006", "/public/%0a"),
    ("FWD-006", "/public/%20"),
    ("FWD-006", "/public/%7f"),
    ("FWD-006", "/public/%23"),
    ("FWD-006", "/public/%3fx"),
    ("FWD-006", "/public/#/../admin"),
    ("FWD-006", "/public/x#y"),
    ("FWD-006", "/public/%"),
    ("FWD-006", "/public/%4"),
    ("FWD-006", "/public/%u002e"),
    ("FWD-006", "/public/%c0%ae%c0%ae/admin"),
    ("FWD-006", "/public/%E0%80%AE%E0%80%AE/admin"),
    ("FWD-006", "/public/%f0%80%80%af"),
    ("FWD-007", "/admin;jsessionid=1"),
    ("FWD-007", "/admin;/x"),
    ("FWD-007", "/a;b/../admin"),
    ("FWD-007", "/public;x=/../admin"),
    ("FWD-007", "/public/%3b/x"),
    ("FWD-007", "/public/%3Bx"),
    ("FWD-009", "/public/%252e%252e%252fadmin"),
    ("FWD-009", "/public/%25"),
    ("FWD-009", "/public/%252F"),
    ("FWD-009", "/public/%25%32%65"),
]


@attacks("path", AMBIGUOUS)
@pytest.mark.parametrize("by", [*FAMILIES, "path"])
def test_a_path_that_two_servers_may_read_in_two_ways_is_refused_before_it_is_matched(
    path, by, serve, token, authority
):
    gate = serve(routes=[*OPEN_AND_CLOSED, RouteRule("/**")])
    if by == "path":
        reply = gate.ask(BEARER, target=f"/decide{path}")
    else:
        reply = gate.ask(BEARER, *forwarded("GET", path, by=by))
    assert_refused(reply, 400, "invalid_request")
    assert [] == authority.asked


@attacks(
    ("template", "path", "fits"),
    [
        ("FWD-012", "/public", "/public", True),
        ("FWD-012", "/public", "/admin/public", False),
        ("FWD-012", "/public", "/public/admin", False),
        ("FWD-012", "/public", "/publicx", False),
        ("FWD-012", "/public/**", "/publicx", False),
        ("FWD-012", "/public/**", "/admin/public/x", False),
        ("FWD-012", "/public/*", "/public/a/b", False),
        ("FWD-012", "/public/*", "/public/", False),
        ("FWD-012", "/public/{id}", "/public/a/b", False),
        ("FWD-012", "/v1.0/x", "/v1.0/x", True),
        ("FWD-012", "/v1.0/x", "/v1a0/x", False),
        ("FWD-012", "/a+b/x", "/aab/x", False),
        ("FWD-012", "/a+b/x", "/a+b/x", True),
        ("FWD-012", "/(a)/x", "/a/x", False),
        ("FWD-012", "/public", "/PUBLIC", False),
        ("FWD-012", "/public", "/public/", False),
        ("FWD-012", "/public", "/%70ublic", False),
    ],
)
def test_a_template_fits_the_whole_path_literally(template, path, fits, serve, token):
    gate = serve(routes=[RouteRule(template)])
    reply = gate.ask(BEARER, target=f"/decide{path}")
    if fits:
        assert_allowed(reply, token)
    else:
        assert_refused(reply, 403, "access_denied")


@attack("FWD-043")
@pytest.mark.parametrize("query", ["", "?", "?x=/admin", "?/../admin", "?a=%2e%2e;//"])
def test_the_query_is_cut_off_before_the_path_is_matched(case, query, gate, token):
    for by in FAMILIES:
        assert_allowed(gate.ask(BEARER, *forwarded("GET", f"/public/x{query}", by=by)), token)
    assert_allowed(gate.ask(BEARER, target=f"/decide/public/x{query}"), token)
    assert "/public/x" == gate.last.request.path
    reply = gate.ask(BEARER, *forwarded("GET", f"/admin?/public/x{query}"))
    assert_refused(reply, 403, "insufficient_scope", scope="admin")


@attack("FWD-043")
def test_connect_is_no_way_around_the_path(case, gate):
    assert 200 != gate.ask(BEARER, method="CONNECT", target="public.example:443").status
    assert_refused(gate.ask(BEARER, *forwarded("CONNECT", "/public/x")), 403, "access_denied")


@attack("FWD-024")
@pytest.mark.parametrize(
    "method", ["QUERY", "PROPFIND", "FOO", "get", "GET ", "GETX", "DELETE", "TRACE", "HEAD", "OPTIONS", "GET,POST"]
)
@pytest.mark.parametrize("by", FAMILIES)
def test_a_method_that_no_rule_lists_is_denied(case, method, by, gate, authority):
    reply = gate.ask(BEARER, *forwarded(method.encode() + b"\x00" if method == "GET " else method, "/public/x", by=by))
    assert reply.status in (400, 403)
    assert [] == authority.asked


@attack("FWD-024")
@pytest.mark.parametrize("method", ["PROPFIND", "DELETE", "PATCH", "OPTIONS"])
def test_the_method_of_the_call_itself_counts_when_the_path_is_the_source(case, method, gate, authority):
    assert_refused(gate.ask(BEARER, target="/decide/public/x", method=method), 403, "access_denied")
    assert 200 != gate.ask(BEARER, target="/decide/public/x", method="QUERY").status
    assert [] == authority.asked


@attack("FWD-048")
@pytest.mark.parametrize("path", ["/", "/unknown", "/publi", "/adminx"])
def test_what_no_rule_is_for_is_denied(case, path, gate, authority):
    assert_refused(gate.ask(BEARER, target=f"/decide{path}"), 403, "access_denied")
    assert [] == authority.asked


@attack("FWD-048")
@pytest.mark.parametrize("path", ["/", "/public/x", "", "*"])
def test_an_empty_table_allows_nothing(case, path):
    with pytest.raises(Refused):
        route_table([], Route("policy"))(Request("GET", path, Headers()))


# -- fields that mean nothing to us ----------------------------------------------------------------------------------


@attacks(
    "field",
    [
        ("FWD-014", ("X-Forwarded-Proto", "http")),
        ("FWD-014", ("X-Forwarded-Proto", "https,http")),
        ("FWD-014", ("X-Forwarded-Scheme", "https")),
        ("FWD-015", ("X-Forwarded-Prefix", "/public")),
        ("FWD-015", ("X-Forwarded-Path", "/public/x")),
        ("FWD-015", ("X-Rewrite-Url", "/public/x")),
        ("FWD-015", ("X-Original-Url", "/public/x")),
        ("FWD-015", ("X-Script-Name", "/public")),
        ("FWD-031", ("X-Forwarded-For", "127.0.0.1")),
        ("FWD-031", ("X-Forwarded-For", '"><script>')),
        ("FWD-031", ("X-Forwarded-For", "unknown, _hidden, 127.0.0.1")),
        ("FWD-031", ("Forwarded", "for=127.0.0.1;proto=https;host=x")),
        ("FWD-031", ("X-Real-IP", "127.0.0.1")),
        ("FWD-044", ("x-envoy-original-path", "/public/x")),
        ("FWD-044", ("x-envoy-internal", "true")),
        ("FWD-044", ("x-envoy-external-address", "127.0.0.1")),
    ],
)
@pytest.mark.parametrize("local", ["127.0.0.1", "127.0.0.2"])
def test_a_field_that_we_do_not_judge_by_changes_no_judgment(field, local, serve, token):
    gate = serve(routes=OPEN_AND_CLOSED, trusted=("127.0.0.1/32",))
    denied = gate.ask(BEARER, field, target="/decide/admin/x", local=local)
    assert_refused(denied, 403, "insufficient_scope", scope="admin")
    assert "/admin/x" == gate.last.request.path
    assert local == gate.last.request.peer  # the socket's, whatever anybody says
    assert_allowed(gate.ask(BEARER, field, target="/decide/public/x", local=local), token)


@attack("FWD-014")
def test_the_scheme_is_what_a_trusted_peer_says_and_nobody_else(case, serve, token):
    gate = serve(routes=OPEN_AND_CLOSED, trusted=("127.0.0.1/32",))
    gate.ask(BEARER, *forwarded("GET", "/public/x"), ("X-Forwarded-Proto", "https"))
    assert "https" == gate.last.request.scheme
    gate.ask(BEARER, ("X-Forwarded-Proto", "https"), target="/decide/public/x", local="127.0.0.2")
    assert "" == gate.last.request.scheme


@attack("FWD-044")
def test_what_could_change_the_path_behind_us_does_not_reach_the_api(case, gate, token):
    gate.ask(BEARER, target="/decide/public/x")
    decision = gate.last.decision
    assert isinstance(decision, Allow)
    for name in ("x-envoy-original-path", "X-Original-URL", "X-Rewrite-URL", "X_Original_URL", "X-Original-Uri"):
        assert decision.upstream.drops(name), name


# -- hop by hop ------------------------------------------------------------------------------------------------------


@attack("FWD-018")
@pytest.mark.parametrize(
    "value",
    ["Authorization", "authorization", "close, authorization", "X-Forwarded-Uri, X-User", "x-forwarded-method",
     "keep-alive,\tX-Original-Uri", "X-Original-Method", "Cookie", "Host", "X-Forwarded-Host", "X-Forwarded-Proto",
     "X-User", "x-auth-scope", "close, x_user"],
)  # fmt: skip
def test_a_connection_field_that_names_what_we_judge_by_is_refused(case, value, gate, authority):
    reply = gate.ask(BEARER, *forwarded("GET", "/public/x"), ("Connection", value))
    assert_refused(reply, 400, "invalid_request")
    assert [] == authority.asked


@attack("FWD-018")
def test_it_is_found_in_every_connection_field(case, gate, authority):
    fields = [("Connection", "close"), ("Connection", "Authorization")]
    assert_refused(gate.ask(BEARER, *forwarded("GET", "/public/x"), *fields), 400, "invalid_request")


@attack("FWD-018")
@pytest.mark.parametrize("value", ["close", "Close, TE", "close, keep-alive"])
def test_a_connection_field_that_names_only_what_is_of_one_hop_is_harmless(case, value, gate, token):
    assert_allowed(gate.ask(BEARER, *forwarded("GET", "/public/x"), ("Connection", value)), token)


@attack("FWD-019")
@pytest.mark.parametrize("upgrade", ["h2c", "H2C", "websocket, h2c", "h2c, websocket", "h2c/1"])
def test_an_upgrade_to_h2c_is_denied(case, upgrade, gate, authority):
    fields = [("Upgrade", upgrade), ("HTTP2-Settings", "AAMAAABkAARAAAAA"), ("Connection", "Upgrade, HTTP2-Settings")]
    assert_refused(gate.ask(BEARER, *forwarded("GET", "/public/x"), *fields), 403, "access_denied")
    assert_refused(gate.ask(BEARER, *fields, target="/exchange"), 403, "access_denied")
    assert [] == authority.asked


@attack("FWD-019")
def test_nothing_that_follows_an_upgrade_is_answered(case, gate, token):
    request = b"GET /decide/public/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    request += f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
    smuggled = f"GET /decide/public/y HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    replies = gate.talk(request + smuggled)
    assert 1 == len(replies)
    assert 1 == len(gate.seen)
