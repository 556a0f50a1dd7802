"""Browser sessions on the wire: what the gateway is told of cookies and CORS, and what /preflight says."""

from __future__ import annotations

import asyncio

import pytest

from attacks.authority import Authority
from attacks.harness import TOKEN, Gate, LoopThread, forwarded
from phantomgate.core.model import Answer, Headers
from phantomgate.gateway.cors import CorsRules, cors
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.find_session import SessionRules, find_session
from phantomgate.session.cookies import CookieNames, without_ours
from phantomgate.session.csrf import SessionToken, seal_token
from sealed import ISSUER, Numbered, ring
from servers.proxied import Api, Front, error

ORIGIN = "https://www.example.com"
SESSION = {
    "keys": ("env:KEY",),
    "trusted_web_origins": (ORIGIN,),
    "cookie_prefix": "example",
    "issuer": ISSUER,
    "cors": True,
    "cors_expose": ("X-Id",),
}
CORS = [ORIGIN, "true", "X-Id", "Origin"]
NAMES = CookieNames("example")
AT = seal_token(ring(), NAMES.at, ISSUER, SessionToken(b"s" * 16, TOKEN), random=Numbered())
PREFLIGHT = [("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")]


@pytest.fixture(scope="module")
def gates():
    """A gate with CORS, and one without a session, of one authorization server."""
    loop, authority = LoopThread(), Authority()
    authority.issue(TOKEN, sub="alice", scope="read", exp=1_800_000_300)
    made = [Gate(loop, authority, session=session, source=source) for session, source in
            ((SESSION, "original"), (None, "original"), (SESSION, "path"))]  # fmt: skip
    yield made
    for gate in made:
        gate.close()
    authority.close()
    loop.close()


@pytest.fixture
def gate(gates):
    return gates[0]


def told(answer):
    """What the answer says to pages."""
    names = ("allow-origin", "allow-credentials", "expose-headers")
    return [*(value for name in names for value in answer.all(f"access-control-{name}")), *answer.all("vary")]


def asked(gate, *fields, method="GET", **more):
    return gate.ask(*forwarded(method, "/orders", by="Original"), *fields, **more)


def test_the_gateway_is_told_which_cookies_are_left_and_remembers_nothing(gate):
    for cookies, left in ((f"a=1; {NAMES.at}={AT}; b=2", "a=1; b=2"), (f"{NAMES.at}={AT}", "")):
        answer = asked(gate, ("Cookie", cookies), ("Origin", ORIGIN))
        assert (200, [left], ["0"]) == (answer.status, answer.all("cookie"), answer.all("x-accel-expires"))
        assert ["private, max-age=0"] == answer.all("cache-control")
        assert CORS == told(answer)
        assert [] == answer.all("set-cookie")


def test_what_is_left_is_told_for_a_bearer_token_too_and_that_is_not_remembered_either(gate):
    answer = asked(gate, ("Cookie", "a=1; __Secure-example-auth=x"), ("Authorization", f"Bearer {TOKEN}"))

    assert (200, ["a=1"], ["0"]) == (answer.status, answer.all("cookie"), answer.all("x-accel-expires"))
    assert ["Origin"] == told(answer)


def test_without_a_session_cookies_are_left_alone(gates):
    answer = asked(gates[1], ("Cookie", "a=1"), ("Authorization", f"Bearer {TOKEN}"), ("Origin", ORIGIN))

    assert (200, [], []) == (answer.status, answer.all("cookie"), told(answer))
    assert 404 == gates[1].ask(*PREFLIGHT, target="/preflight", method="OPTIONS").status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 401),
        ([("Cookie", f"{NAMES.at}=AA")], 401),
        ([("Cookie", f"{NAMES.at}={AT}"), ("Sec-Fetch-Site", "cross-site")], 403),
        ([("Cookie", f"{NAMES.at}={AT}"), ("Authorization", "Bearer x")], 400),
    ],
)
def test_a_page_of_ours_can_read_why_it_was_refused_and_no_other_can(fields, status, gate):
    ours = asked(gate, ("Origin", ORIGIN), *fields)
    other = asked(gate, ("Origin", "https://evil.example"), *fields)

    assert (status, CORS) == (ours.status, told(ours))
    assert ["Origin"] == told(other)
    assert [] == ours.all("cookie")


def test_a_preflight_is_answered_on_its_own_path(gate):
    answer = asked(gate, *PREFLIGHT, method="OPTIONS", target="/preflight")

    assert (204, b"", []) == (answer.status, answer.body, answer.all("content-length"))
    assert [ORIGIN, "true", "Origin"] == told(answer)
    assert "x-example-csrf" in answer.one("access-control-allow-headers")
    assert "3600" == answer.one("access-control-max-age")
    assert [] == answer.all("authorization")


def test_a_preflight_of_others_is_answered_without_a_word_of_cors(gate):
    answer = asked(gate, ("Origin", "https://evil"), PREFLIGHT[1], method="OPTIONS", target="/preflight")

    assert (204, ["Origin"]) == (answer.status, told(answer))


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("GET", PREFLIGHT),
        ("POST", PREFLIGHT),
        ("OPTIONS", PREFLIGHT[:1]),
        ("OPTIONS", PREFLIGHT[1:]),
        ("OPTIONS", []),
    ],
)
def test_nothing_but_a_preflight_is_answered_there_whatever_it_carries(method, fields, gate):
    good = [("Authorization", f"Bearer {TOKEN}")]
    answer = asked(gate, *fields, *good, method=method, target="/preflight")

    assert (400, []) == (answer.status, answer.all("authorization"))


def test_where_an_answer_would_be_taken_for_a_yes_a_preflight_needs_a_credential(gate):
    for target in ("/decide", "/exchange"):
        answer = asked(gate, *PREFLIGHT, method="OPTIONS", target=target)
        assert answer.status in (401, 405)


def test_with_paths_the_preflight_is_below_its_own(gates):
    gate = gates[2]
    assert 204 == gate.ask(*PREFLIGHT, target="/preflight/orders", method="OPTIONS").status
    assert 401 == gate.ask(*PREFLIGHT, target="/decide/orders", method="OPTIONS").status
    assert 404 == gate.ask(*PREFLIGHT, target="/preflights", method="OPTIONS").status


def test_answers_to_preflights_are_counted(gate):
    before = gate.wired.metrics.answered
    asked(gate, *PREFLIGHT, method="OPTIONS", target="/preflight")

    assert before + 1 == gate.wired.metrics.answered


# -- the reverse proxy -----------------------------------------------------------------------------------------------

API = b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nVary: Accept\r\nContent-Length: 2\r\n\r\nok"


def through(story, answer=API):
    """Run *story* with a proxy that knows sessions and CORS in front of an API."""
    at = seal_token(ring(), NAMES.at, ISSUER, SessionToken(b"s" * 16, "good"), random=Numbered())

    async def play():
        origins = frozenset({ORIGIN.encode()})
        find = find_session(SessionRules(NAMES, ring(), ISSUER, origins, cors=True), find_bearer())
        respond = cors(CorsRules(origins, ("GET",), ("X-A",), ("X-Id",), 60))
        front = Front(
            Api(answer), find=find, respond=respond,
            cookies=lambda headers: without_ours(headers.all(b"cookie"), "example"),
        )  # fmt: skip
        async with front.serving():
            return await story(front, f"{NAMES.at}={at}")

    return asyncio.run(play())


def request(method="GET", *fields):
    lines = [f"{method} /x HTTP/1.1", "Host: api.example", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""])


def test_the_proxy_lets_a_session_in_without_its_cookies_and_speaks_cors_itself():
    async def story(front, at):
        fields = [("Origin", ORIGIN), ("Cookie", f"a=1; {at}"), ("Cookie", "b=2")]
        status, told, _ = await front.ask(request("GET", *fields))
        assert (200, ["a=1; b=2"]) == (status, front.api.field("Cookie"))
        assert ["Bearer the.jwt"] == front.api.field("Authorization")
        assert (ORIGIN, "true") == (told["access-control-allow-origin"], told["access-control-allow-credentials"])
        status, _, _ = await front.ask(request("GET", ("Origin", ORIGIN), ("Cookie", at)))
        assert (200, []) == (status, front.api.field("Cookie"))

    through(story)


def test_what_the_api_says_of_cors_never_reaches_a_page():
    async def story(front, at):
        status, told, _ = await front.ask(request("GET", ("Origin", "https://evil"), ("Authorization", "Bearer good")))
        assert 200 == status
        assert "access-control-allow-origin" not in told

    through(story)


def test_the_proxy_answers_a_preflight_itself_and_passes_another_options_on_when_it_may():
    async def story(front, at):
        status, told, body = await front.ask(request("OPTIONS", *PREFLIGHT))
        assert (204, b"", ORIGIN) == (status, body, told["access-control-allow-origin"])
        assert [] == front.api.heads
        status, told, _ = await front.ask(request("OPTIONS", ("Origin", ORIGIN)))
        assert (401, ORIGIN) == (status, told["access-control-allow-origin"])
        status, _, _ = await front.ask(request("OPTIONS", ("Origin", ORIGIN), ("Cookie", at)))
        assert (200, 1) == (status, len(front.api.heads))

    through(story)


def test_a_refusal_and_a_failure_of_the_api_are_readable_by_our_pages():
    async def story(front, at):
        status, told, body = await front.ask(request("POST", ("Origin", ORIGIN), ("Cookie", at)))
        assert (403, "forged_request", ORIGIN) == (status, error(body), told["access-control-allow-origin"])
        status, told, _ = await front.ask(request("GET", ("Origin", ORIGIN), ("Cookie", at)))
        assert (502, ORIGIN) == (status, told["access-control-allow-origin"])

    through(story, b"what?\r\n\r\n")


def test_no_answer_to_a_preflight_is_a_yes_and_no_jwt_goes_to_a_browser(gate):
    rendering = gate.listener.rendering
    asked(gate, ("Cookie", f"{NAMES.at}={AT}"), ("Origin", ORIGIN))
    allow = gate.last.decision

    for decision, endpoint in ((Answer(204), "decide"), (Answer(204), "exchange"), (allow, "preflight")):
        with pytest.raises(RuntimeError, match="/"):
            rendering.answer(decision, endpoint, Headers())
