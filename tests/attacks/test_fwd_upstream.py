"""FWD: what goes on to the API, what a client can't pass off as ours, and answers that every gateway can take."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from attacks.authority import Answer
from attacks.cases import attack
from attacks.harness import BEARER, CLAIMS, FAMILIES, TOKEN, assert_refused, forwarded
from phantomgate.config.settings import RouteRule
from phantomgate.core.model import Allow

UNTIL = 1_800_000_300
OPEN_AND_CLOSED = [
    RouteRule("/public/**", methods=("GET", "POST")),
    RouteRule("/admin/**", methods=("GET", "POST"), scopes=("admin",)),
]


@pytest.fixture
def token(authority):
    """A token that may read, and not administer."""
    return authority.issue(TOKEN, sub="alice", scope="read", groups=["staff"], exp=UNTIL)


@pytest.fixture
def gate(serve, token):
    return serve(routes=OPEN_AND_CLOSED)


@attack("FWD-017", "FWD-040")
@pytest.mark.parametrize(
    "claims", [{}, {"sub": None}, {"sub": ""}, {"sub": {"a": 1}}, {"sub": "alice", "scope": "read"}], ids=repr
)
def test_every_identity_header_is_always_set_and_every_spelling_of_it_dropped(case, claims, serve, authority):
    authority.issue(TOKEN, exp=UNTIL, **claims)
    gate = serve()
    lies = [("X-User", "admin"), ("X-Auth-Scope", "*"), ("X_User", "admin"), ("X.User", "admin"), ("x-user", "root")]
    reply = gate.bearer(TOKEN, *lies)
    assert 200 == reply.status
    for name in CLAIMS:
        assert 1 == len(reply.all(name)), name
    assert claims.get("sub", "") in (reply.one("x-user"), None, {"a": 1})
    assert "admin" not in reply.raw.decode()
    decision = gate.last.decision
    assert isinstance(decision, Allow)
    for name in ("X-User", "X_User", "X.User", "x-user", "X-AUTH_SCOPE", "x.auth.scope", "Authorization", "X_Groups"):
        assert decision.upstream.drops(name), name
    assert not decision.upstream.drops("X-Request-Id")


@attack("FWD-026")
@pytest.mark.parametrize("target", ["/decide", "/exchange"])
def test_the_opaque_token_goes_no_further(case, target, serve, token):
    gate = serve()
    for _ in range(2):  # fresh, and remembered
        reply = gate.bearer(target=target)
        assert 200 == reply.status
        assert TOKEN.encode() not in reply.raw
        assert token.encode() in reply.raw
        assert (1 if target == "/decide" else 0) == len(reply.all("authorization"))
    decision = gate.last.decision
    assert isinstance(decision, Allow)
    for name in ("Authorization", "Proxy-Authorization", "X-Forwarded-Authorization", "x_authorization"):
        assert decision.upstream.drops(name), name


HOSTILE = ["a\r\nX-Admin: 1", "a\nb", "a\rb", "\x00", "a\x00b", "\x7f", "\x1b[31m", "é", "日本", "\u2028",
" a", "a ", "\t", "100%", "%0d%0a",
           "\U0001f600", "a\u0085b", "\xa0", "  "]  # fmt: skip


@attack("FWD-029")
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("as_list", [False, True])
def test_no_claim_can_break_out_of_its_header(case, value, as_list, serve, authority):
    authority.issue(TOKEN, exp=UNTIL, sub=[value] if as_list else value)
    reply = serve().bearer()
    assert 200 == reply.status
    said = reply.one("x-user")
    assert said.isascii()
    assert said.isprintable()
    assert [] == reply.all("x-admin")
    assert value == unquote(said)


@attack("FWD-030")
@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["a,admin"], "a%2Cadmin"),
        (["a", "b"], "a,b"),
        (["a%2Cadmin"], "a%252Cadmin"),
        (["a, b", "c"], "a%2C b,c"),
        ([], ""),
        ([["a", "admin"]], ""),
        ([{"a": "admin"}, "b"], ",b"),
        ([" admin", "b "], "%20admin,b%20"),
    ],
)
def test_no_element_of_a_list_can_become_two(case, groups, said, serve, authority):
    authority.issue(TOKEN, exp=UNTIL, groups=groups)
    assert said == serve().bearer().one("x-groups")


@attack("FWD-042")
@pytest.mark.parametrize("bad", [b"\xff", b"\xc3\x28", b"\xe2\x82", b"\xf0\x9f\x98", b"!\xff", b"\x80"])
def test_bytes_that_are_no_text_are_refused_where_we_judge_by_them(case, bad, gate, authority):
    assert_refused(
        gate.ask(("Authorization", f"Bearer {TOKEN}".encode() + bad), target="/decide/public/x"), 400, "invalid_request"
    )
    assert_refused(
        gate.ask(("Authorization", b"Bearer " + bad + TOKEN.encode()), target="/decide/public/x"),
        400,
        "invalid_request",
    )
    for by in FAMILIES:
        assert_refused(gate.ask(BEARER, *forwarded("GET", b"/public/" + bad, by=by)), 400, "invalid_request")
        assert gate.ask(BEARER, *forwarded(b"GET" + bad, "/public/x", by=by)).status in (400, 403)
    assert gate.ask(BEARER, target=b"/decide/public/" + bad).status == 400
    assert [] == authority.asked


# -- gateways' limits ------------------------------------------------------------------------------------------------


@attack("FWD-032")
def test_for_nginx_a_bad_request_is_401_since_it_knows_no_other(case, serve, token):
    gate = serve(routes=OPEN_AND_CLOSED, nginx=True)
    reply = gate.bearer("abc=def", target="/decide/public/x")
    assert 401 == reply.status
    assert 'error="invalid_request"' in reply.one("www-authenticate")
    assert 401 == gate.ask(BEARER, target="/decide/public/../admin").status
    assert 403 == gate.ask(BEARER, target="/decide/admin").status
    assert 401 == gate.ask(BEARER, ("X-Pad", "a" * 70_000), target="/decide/public/x").status


@attack("FWD-032")
def test_for_nginx_trouble_stays_what_it_is(case, serve, authority):
    gate = serve(nginx=True)
    for answer, status in ((Answer(500), 503), (Answer(404), 502)):
        authority.says = answer
        assert status == gate.bearer().status


@attack("FWD-039")
def test_a_refusal_is_small(case, serve, authority):
    scopes = tuple(f"scope-{number}" for number in range(20))
    gate = serve(routes=[RouteRule("/x", scopes=scopes)])
    authority.issue(TOKEN, exp=UNTIL)
    authority.issue("broken", exp="x")
    replies = [
        gate.ask(target="/decide/x"),
        gate.bearer(target="/decide/x"),
        gate.bearer("abc=def", target="/decide/x"),
        gate.bearer("broken", target="/decide/x"),
        gate.bearer("unknown", target="/decide/x"),
        gate.bearer(target="/decide/y"),
        gate.bearer("a" * 60_000, target="/decide/" + "x" * 2000),
    ]
    authority.says = Answer(500, "x" * 60_000, "text/plain", (("X-Long", "y" * 8000),))
    replies.append(gate.bearer("another", target="/decide/x"))
    for reply in replies:
        assert 400 <= reply.status
        assert len(reply.body) <= 4096
        assert len(reply.raw) - len(reply.body) <= 8192
