"""Sessions through nginx, with the files that `init nginx` writes for `[session]`, not one byte changed."""

from __future__ import annotations

import pytest

from attacks.authority import Authority
from interop import echo_api
from interop.asking import ask
from interop.nginx_server import nginx
from interop.node_v1 import node_seals
from interop.phantomgate_server import ENVIRON, phantomgate
from phantomgate.session.cookies import CookieNames, set_cookie
from phantomgate.session.csrf import SessionToken, seal_token
from sealed import ISSUER, KEY, Numbered, ring

pytestmark = pytest.mark.interop

ORIGIN = "https://www.example.com"
SETTINGS = """
[introspection]
endpoint = "{endpoint}"
issuer = "https://as.example"
client_id = "gateway"
client_secret = "env:GATEWAY_SECRET"
[policy]
scopes = ["read"]
[forward]
claims = {{ "X-User" = "sub" }}
[session]
keys = ["env:SESSION_KEY"]
trusted_web_origins = ["https://www.example.com"]
cookie_prefix = "example"
cors = {cors}
cors_expose = ["X-Id"]
host_prefix = {host_prefix}
"""
NAMES = CookieNames("example")
random = Numbered()
GOOD, POOR = "token-good", "token-poor"


def cookie(at, csrf="csrf-token", session=b"s" * 16):
    """The Cookie field of a browser with a session for the token *at*, and with another cookie."""
    values = [
        (kind, seal_token(ring(), NAMES.name(kind), ISSUER, SessionToken(session, value), random=random))
        for kind, value in (("at", at), ("csrf", csrf))
    ]
    chunks = [field.partition(";")[0] for kind, value in values for field in set_cookie(NAMES, kind, value)]
    return "Cookie", "; ".join(["theme=dark", *chunks, "lang=en"])


@pytest.fixture(scope="module")
def authority():
    authority = Authority()
    authority.issue(GOOD, sub="alice", scope="read", exp=4_000_000_000, iss="https://as.example")
    authority.issue(POOR, sub="bob", scope="other", exp=4_000_000_000, iss="https://as.example")
    authority.issue("x" * 4000, sub="carol", scope="read", exp=4_000_000_000, iss="https://as.example")
    yield authority
    authority.close()


def run(authority, folder, cors, host_prefix="true"):
    settings = SETTINGS.format(endpoint=authority.url, cors=cors, host_prefix=host_prefix)
    return phantomgate(folder, settings, environ={**ENVIRON, "SESSION_KEY": KEY})


@pytest.fixture(scope="module")
def gateway(authority, tmp_path_factory):
    """(phantomgate, echo API, nginx), with CORS."""
    with (
        run(authority, tmp_path_factory.mktemp("cors"), "true") as gate,
        echo_api.running() as api,
        nginx(gate.settings, api.port) as server,
    ):
        yield gate, api, server


@pytest.fixture
def everything(gateway):
    gateway[1].requests.clear()
    return gateway


def told(answer):
    names = ("allow-origin", "allow-credentials", "expose-headers")
    return [*(value for name in names for value in answer.all(f"access-control-{name}")), *answer.all("vary")]


READABLE = [ORIGIN, "true", "X-Id", "Origin"]


def arrived(api):
    """The fields of the one request that reached the API."""
    [(_, _, fields, _)] = api.requests
    return dict(fields)


def test_a_get_of_a_session_reaches_the_api_with_a_jwt_and_without_the_session(everything):
    _, api, server = everything
    answer = ask(server.port, "/orders?x=1", cookie(GOOD), ("Origin", ORIGIN))

    fields = arrived(api)
    assert (200, READABLE) == (answer.status, told(answer))
    assert ("theme=dark; lang=en", "alice") == (fields["cookie"], fields["x-user"])
    assert fields["authorization"].startswith("Bearer ey")
    assert not api.contains("__Host-")


def test_a_session_without_other_cookies_leaves_no_cookie_field(everything):
    _, api, server = everything
    name, value = cookie(GOOD)
    ask(server.port, "/", (name, value.removeprefix("theme=dark; ").removesuffix("; lang=en")), ("Origin", ORIGIN))

    assert "cookie" not in arrived(api)


def test_a_post_needs_the_csrf_token_and_the_api_never_sees_it(everything):
    _, api, server = everything
    csrf = ("x-example-csrf", "csrf-token")
    answer = ask(server.port, "/orders", cookie(GOOD), ("Origin", ORIGIN), csrf, method="POST", body=b"one")

    assert (200, READABLE) == (answer.status, told(answer))
    assert "x-example-csrf" not in arrived(api)
    assert not api.contains("csrf-token")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("fields", "readable"),
    [
        ([("Origin", ORIGIN)], True),
        ([("Origin", ORIGIN), ("x-example-csrf", "wrong")], True),
        ([("Origin", ORIGIN), ("x-example-csrf", "csrf-token"), ("Sec-Fetch-Site", "cross-site")], True),
        ([("x-example-csrf", "csrf-token")], False),
        ([("Origin", "https://evil.example"), ("x-example-csrf", "csrf-token")], False),
        ([("Origin", "null"), ("x-example-csrf", "csrf-token")], False),
    ],
)
def test_a_forged_request_goes_nowhere_and_only_our_pages_can_read_why(method, fields, readable, everything):
    _, api, server = everything
    answer = ask(server.port, "/orders", cookie(GOOD), *fields, method=method, body=b"one")

    assert (403, "forged_request", []) == (answer.status, answer.json["error"], api.requests)
    assert (READABLE if readable else ["Origin"]) == told(answer)


def test_a_pair_of_another_session_is_forged(everything):
    _, api, server = everything
    ours, theirs = cookie(GOOD)[1].split("; "), cookie(GOOD, session=b"e" * 16)[1].split("; ")
    fields = [("Cookie", "; ".join([ours[1], theirs[2]])), ("Origin", ORIGIN), ("x-example-csrf", "csrf-token")]

    assert 403 == ask(server.port, "/orders", *fields, method="POST", body=b"").status
    assert [] == api.requests


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ([], 401, "missing_credential"),
        ([("Cookie", "__Host-example-at=AA")], 401, "invalid_token"),
        ([cookie("revoked")], 401, "invalid_token"),
        ([cookie(POOR)], 403, "insufficient_scope"),
        ([cookie(GOOD), ("Authorization", "Bearer x")], 401, "invalid_request"),
    ],
)
def test_a_page_of_ours_can_read_every_refusal(fields, status, error, everything):
    gate, api, server = everything
    answer = ask(server.port, "/orders", ("Origin", ORIGIN), *fields)

    assert (status, error, []) == (answer.status, answer.json["error"], api.requests)
    assert READABLE == told(answer)
    line = gate.said(answer.json["decision"])
    assert not any(value in str(line) for name, value in fields if name == "Cookie")
    assert ["Origin"] == told(ask(server.port, "/orders", *fields, ("Origin", "https://evil.example")))


@pytest.mark.parametrize("path", ["/orders", "/", "/orders/1?a=b", "/a%2Fb"])
def test_a_preflight_is_answered_and_the_api_hears_nothing_of_it(path, everything):
    _, api, server = everything
    wanted = ("Access-Control-Request-Method", "POST")
    answer = ask(server.port, path, ("Origin", ORIGIN), wanted, method="OPTIONS")
    strange = ask(server.port, path, ("Origin", "https://evil.example"), wanted, method="OPTIONS")

    assert (204, b"", [ORIGIN, "true", "Origin"]) == (answer.status, answer.body, told(answer))
    assert "x-example-csrf" in (answer.one("access-control-allow-headers") or "")
    assert (204, ["Origin"], []) == (strange.status, told(strange), api.requests)


def test_an_options_that_is_no_preflight_is_judged(everything):
    _, api, server = everything
    assert 401 == ask(server.port, "/orders", ("Origin", ORIGIN), method="OPTIONS").status
    assert 401 == ask(server.port, "/", ("Access-Control-Request-Method", "GET"), method="OPTIONS").status
    assert [] == api.requests
    assert 200 == ask(server.port, "/orders", ("Origin", ORIGIN), cookie(GOOD), method="OPTIONS").status
    assert "OPTIONS" == api.requests[0][0]


def test_nothing_is_remembered_so_the_next_page_is_asked_again(everything):
    _, api, server = everything
    assert 200 == ask(server.port, "/orders", cookie(GOOD), ("Origin", ORIGIN)).status
    assert 403 == ask(server.port, "/orders", cookie(GOOD), ("Origin", "https://evil.example")).status
    assert 401 == ask(server.port, "/orders", ("Origin", ORIGIN)).status
    assert 1 == len(api.requests)


def test_a_bearer_token_still_works_beside_other_cookies(everything):
    _, api, server = everything
    answer = ask(server.port, "/orders", ("Cookie", "theme=dark; __Secure-example-auth=x"), token=GOOD)

    assert (200, "theme=dark") == (answer.status, arrived(api)["cookie"])


def test_a_long_token_in_chunks_fits_through(everything):
    _, api, server = everything
    assert 200 == ask(server.port, "/orders", cookie("x" * 4000), ("Origin", ORIGIN)).status
    assert "carol" == arrived(api)["x-user"]


def test_without_cors_a_page_of_the_same_origin_is_let_in_and_options_is_judged(authority, tmp_path):
    at, csrf = node_seals(KEY, GOOD, "csrf-token")
    old = ("Cookie", f"example-at={at}; example-csrf={csrf}")
    with (
        run(authority, tmp_path, "false", "false") as gate,
        echo_api.running() as api,
        nginx(gate.settings, api.port) as server,
    ):
        port = server.port
        assert 200 == ask(port, "/orders", old).status
        posted = ask(port, "/", old, ("Origin", ORIGIN), ("X-Example-CSRF", "csrf-token"), method="POST", body=b"")
        assert (200, []) == (posted.status, told(posted))
        assert 403 == ask(port, "/", old, ("X-Example-CSRF", "csrf-token"), method="POST", body=b"").status
        preflight = [("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")]
        assert 401 == ask(port, "/", *preflight, method="OPTIONS").status
        assert not api.contains("example-at")
