"""CACHE: what is remembered are the server's facts, never a verdict, never for longer, never for another question."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from attacks.authority import Answer, Authority, as_jwt, jwt
from attacks.cases import attack, attacks
from attacks.harness import TOKEN, assert_allowed, assert_refused
from phantomgate.backends.blocking import finish
from phantomgate.backends.memory import MemoryCache
from phantomgate.backends.nonblocking import SingleFlight
from phantomgate.config.settings import Policy, RouteRule
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, Route, Source, Token
from phantomgate.gateway.find import find_bearer
from phantomgate.resolvers.cached import HOT_TOKENS, NEGATIVE_TOKENS, Cached
from phantomgate.testing import FakeClock, each_by_itself

NOW = 1_800_000_000


@pytest.fixture
def gate(serve):
    return serve(caching={"refresh_ahead": False})  # so that only the end of its time makes us ask


def ages(gate, authority, *seconds: float) -> list[bool]:
    """Whether the server was asked at each of *seconds* after the first question."""
    asked = []
    start = gate.clock.ticks()
    for second in seconds:
        gate.clock.advance(start + second - gate.clock.ticks())
        before = len(authority.asked)
        gate.bearer()
        asked.append(len(authority.asked) > before)
    return asked


@attack("CACHE-001")
def test_nothing_is_remembered_beyond_exp_whatever_the_server_allows(case, gate, authority):
    authority.more = (("Cache-Control", "max-age=300"),)
    first = authority.issue(TOKEN, exp=NOW + 5)
    assert_allowed(gate.bearer(), first)
    gate.clock.advance(4)
    hit = gate.bearer()
    assert_allowed(hit, first)
    assert "1" == hit.one("x-accel-expires")
    assert 1 == len(authority.asked)
    gate.clock.advance(0.999)
    assert "0" == gate.bearer().one("x-accel-expires")
    gate.clock.advance(0.001)
    assert_refused(gate.bearer(), 401, "invalid_token")
    assert 2 == len(authority.asked)


@attack("CACHE-001")
def test_a_token_that_the_server_prolonged_is_asked_about_at_its_old_end(case, gate, authority):
    authority.issue(TOKEN, exp=NOW + 5)
    gate.bearer()
    longer = authority.issue(TOKEN, exp=NOW + 500)
    gate.clock.advance(5)
    assert_allowed(gate.bearer(), longer)
    assert 2 == len(authority.asked)


@attacks(
    "fields",
    [
        ("CACHE-002", ["no-store"]),
        ("CACHE-002", ["no-cache"]),
        ("CACHE-002", ["max-age=0"]),
        ("CACHE-002", ["private, no-store"]),
        ("CACHE-002", ["No-Store"]),
        ("CACHE-002", ["max-age=60, no-store"]),
        ("CACHE-002", ["max-age=60", "no-store"]),
        ("CACHE-002", ['no-cache="set-cookie"']),
        ("CACHE-003", ["max-age=abc"]),
        ("CACHE-003", ["max-age=-1"]),
        ("CACHE-003", ['max-age="60"']),
        ("CACHE-003", ["max-age=60, max-age=60"]),
        ("CACHE-003", ["max-age=60", "max-age=120"]),
        ("CACHE-003", ["max-age"]),
        ("CACHE-003", ["max-age="]),
        ("CACHE-003", ["max-age=6_0"]),
        ("CACHE-003", ["max-age=+60"]),
        ("CACHE-003", ["max-age=60.0"]),
        ("CACHE-003", ["max-age=60;x"]),
        ("CACHE-003", ["max-age =60"]),
        ("CACHE-003", ["max-age=\xb2"]),
        ("CACHE-003", ['x="max-age=60']),
    ],
)
def test_what_the_server_forbids_to_keep_or_says_in_riddles_is_not_kept(fields, gate, authority):
    authority.more = tuple(("Cache-Control", value) for value in fields)
    authority.issue(TOKEN, exp=NOW + 300)
    assert [True, True, True] == ages(gate, authority, 0, 0, 0.5)
    assert "0" == gate.bearer().one("x-accel-expires")


@attacks(
    ("fields", "seconds"),
    [
        ("CACHE-002", [("Cache-Control", "private")], 300),
        ("CACHE-002", [("Cache-Control", "private, max-age=60")], 60),
        ("CACHE-003", [("Cache-Control", "max-age=99999999999999999999")], 300),
        ("CACHE-003", [("Cache-Control", "s-maxage=60")], 300),
        ("CACHE-003", [("Cache-Control", "x-max-age=60")], 300),
        ("CACHE-003", [("Cache-Control", 'x="max-age=60"')], 300),
        ("CACHE-003", [("Cache-Control", "MAX-AGE=60")], 60),
        ("CACHE-004", [("Cache-Control", "max-age=60"), ("Age", "50")], 10),
        ("CACHE-004", [("Cache-Control", "max-age=60"), ("Age", "60")], 0),
        ("CACHE-004", [("Cache-Control", "max-age=60"), ("Age", "61")], 0),
        ("CACHE-004", [("Cache-Control", "max-age=60"), ("Age", "99999999999999999999")], 0),
        ("CACHE-004", [("Cache-Control", "max-age=60"), ("Age", "-50")], 0),
        ("CACHE-004", [("Cache-Control", "max-age=60"), ("Age", "x")], 0),
        ("CACHE-004", [("Cache-Control", "max-age=60"), ("Age", "1"), ("Age", "2")], 0),
    ],
)
def test_an_answer_is_remembered_for_max_age_less_age_and_not_over_the_cap(fields, seconds, gate, authority):
    authority.more = tuple(fields)
    authority.issue(TOKEN, exp=NOW + 10_000)
    assert str(seconds) == gate.bearer().one("x-accel-expires")
    if seconds:
        assert [False, True] == ages(gate, authority, seconds - 0.001, seconds)
    else:
        assert [True] == ages(gate, authority, 0)


@attack("CACHE-005")
def test_a_revoked_token_is_let_in_no_longer_than_the_window_we_document(case, serve, authority):
    gate = serve(caching={"max_age": 60.0})
    first = authority.issue(TOKEN, exp=NOW + 3600)
    assert_allowed(gate.bearer(), first)
    gate.clock.advance(1)
    authority.active.clear()  # revoked at t=1
    gate.clock.advance(58.999)
    assert_allowed(gate.bearer(), first)
    gate.clock.advance(0.001)  # t=60: the window is over
    assert_refused(gate.bearer(), 401, "invalid_token")


@attack("CACHE-005")
def test_with_no_time_to_remember_a_revocation_counts_at_once(case, serve, authority):
    gate = serve(caching={"max_age": 0.0})
    token = authority.issue(TOKEN, exp=NOW + 3600)
    assert_allowed(gate.bearer(), token)
    authority.active.clear()
    assert_refused(gate.bearer(), 401, "invalid_token")


READ_AND_WRITE = [
    RouteRule("/a/**", scopes=("read",)),
    RouteRule("/b/**", scopes=("write",)),
    RouteRule("/c/**", audiences=("c",)),
    RouteRule("/d/**", any_scopes=("write", "admin")),
]


@attack("CACHE-006")
@pytest.mark.parametrize(
    ("path", "status", "error", "scope"),
    [("/b/x", 403, "insufficient_scope", "write"), ("/c/x", 401, "invalid_token", None),
     ("/d/x", 403, "insufficient_scope", "admin write"), ("/e/x", 403, "access_denied", None)],
)  # fmt: skip
def test_what_one_route_allowed_is_judged_anew_on_another(case, path, status, error, scope, serve, authority):
    gate = serve(routes=READ_AND_WRITE)
    token = authority.issue(TOKEN, scope="read", exp=NOW + 300)
    assert_allowed(gate.bearer(target="/decide/a/x"), token)
    assert_refused(gate.bearer(target=f"/decide{path}"), status, error, scope=scope)
    assert_allowed(gate.bearer(target="/decide/a/y"), token)  # and a refusal is not remembered either
    assert 1 == len(authority.asked)


CONTEXTS = [
    {"client_id": "another-client"},
    {"answer": "json"},
    {"issuer": "https://tenant-2.example"},
    {"to": "another endpoint"},
]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock):
    """One store for several gates: nothing but the key keeps their entries apart, as in a shared cache."""
    return MemoryCache(max_entries=100, max_bytes=1 << 20, ticks=clock.ticks)


@pytest.fixture
def second():
    """Another authorization server."""
    authority = Authority()
    yield authority
    authority.close()


@attack("CACHE-007", "CACHE-008")
@pytest.mark.parametrize("other", CONTEXTS, ids=lambda other: next(iter(other)))
def test_another_question_about_the_same_token_is_another_entry(case, other, serve, authority, second, clock, store):
    first = authority.issue(TOKEN, sub="alice", exp=NOW + 300)
    assert_allowed(serve(clock=clock, store=store).bearer(), first)
    asked_next = second if "to" in other else authority
    answer = asked_next.issue(TOKEN, sub="bob", exp=NOW + 300)
    settings = {name: second if name == "to" else value for name, value in other.items()}
    assert_allowed(serve(clock=clock, store=store, **settings).bearer(), answer)
    assert 2 == len(authority.asked) + len(second.asked) == len(store)


@attack("CACHE-007")
def test_the_same_question_finds_what_another_process_remembered(case, serve, authority, clock, store):
    """The counter-check: it was the context that kept the others apart."""
    token = authority.issue(TOKEN, exp=NOW + 300)
    assert_allowed(serve(clock=clock, store=store).bearer(), token)
    assert_allowed(serve(clock=clock, store=store).bearer(), token)
    assert 1 == len(authority.asked)


@attack("CACHE-008")
def test_another_key_to_the_digests_is_another_entry(case, serve, authority, clock, store):
    authority.issue(TOKEN, exp=NOW + 300)
    for secret in (b"one", b"two"):
        assert 200 == serve(clock=clock, cached=by_context(("c",), store, clock, secret)).bearer().status
    assert 2 == len(authority.asked) == len(store)


def by_context(context: tuple[str, ...], store, clock, secret=b"k"):
    """A cached resolver whose key has *context* in it."""
    return lambda ask: Cached(
        ask, store, SingleFlight(), secret=secret, context=context, now=clock.now, ticks=clock.ticks
    )


@attack("CACHE-009")
def test_no_two_contexts_run_together_into_one_key(case, serve, authority, clock, store):
    contexts = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("abc",), ("ab", "c", ""), ("a", "b", "c")]
    for number, context in enumerate(contexts, 1):
        token = authority.issue(TOKEN, sub=str(number), exp=NOW + 300)
        assert_allowed(serve(clock=clock, cached=by_context(context, store, clock)).bearer(), token)
    assert len(contexts) == len(authority.asked) == len(store)


@attack("CACHE-009")
def test_a_context_can_not_end_where_a_token_begins(case, serve, authority, clock, store):
    for context, token in ((("ab",), "cd"), (("abc",), "d"), (("a",), "bcd")):
        answer = authority.issue(token, exp=NOW + 300)
        assert_allowed(serve(clock=clock, cached=by_context(context, store, clock)).bearer(token), answer)
    assert 3 == len(authority.asked)


UNPICKLED: list[str] = []


class _Bomb:
    def __reduce__(self):
        return UNPICKLED.append, ("boom",)


@attack("CACHE-013")
@pytest.mark.parametrize(
    "planted",
    [
        pickle.dumps(_Bomb()),
        pickle.dumps({"active": True, "sub": "admin"}),
        b'{"active":true,"sub":"admin"}',
        b"",
        b"\x00" * 100,
        b"\x01" + b"\x00" * 8,
        b"\x01\x41\xdb\x4f\x43\x80\x00\x00\x00not.a.jwt",
        b"\x01\x41\xdb\x4f\x43\x80\x00\x00\x00" + bytes(8) + b"not.a.jwt",
        b"\x02\x41\xdb\x4f\x43\x80\x00\x00\x00" + bytes(8) + jwt({"exp": NOW + 300}).encode(),
        b"\x01\x41\xdb\x4f\x43\x80\x00\x00\x00" + bytes(8) + jwt({"exp": NOW + 300, "scope": 1}).encode(),
    ],
)
def test_what_somebody_planted_in_the_cache_is_a_miss_and_is_never_run(case, planted, serve, authority, clock, store):
    writer = serve(clock=clock, store=store)
    token = authority.issue(TOKEN, exp=NOW + 300)
    writer.bearer()
    [key] = [*store._young, *store._old]
    writer.loop.run(store.put(key, planted, 300.0))
    assert_allowed(serve(clock=clock, store=store).bearer(), token)
    assert 2 == len(authority.asked)
    assert [] == UNPICKLED


@attack("CACHE-016")
def test_a_refusal_is_remembered_for_exactly_that_token(case, gate, authority):
    token = authority.issue(TOKEN, exp=NOW + 300)
    for garbage in (TOKEN[:-1], TOKEN + "x", TOKEN[1:], TOKEN.upper(), TOKEN + "="):
        assert_refused(gate.bearer(garbage), 401, "invalid_token")
    assert_allowed(gate.bearer(), token)
    assert_refused(gate.bearer(TOKEN[:-1]), 401, "invalid_token")
    assert_allowed(gate.bearer(), token)


@attack("CACHE-017")
@pytest.mark.parametrize("configured", [5.0, 3600.0])
def test_a_token_that_becomes_active_a_moment_later_waits_five_seconds_at_most(case, configured, serve, authority):
    gate = serve(caching={"negative_max_age": configured})
    assert_refused(gate.bearer(), 401, "invalid_token")
    token = authority.issue(TOKEN, exp=NOW + 300)
    gate.clock.advance(4.999)
    assert_refused(gate.bearer(), 401, "invalid_token")
    assert 1 == len(authority.asked)
    gate.clock.advance(0.001)
    assert_allowed(gate.bearer(), token)


@attack("CACHE-017")
def test_only_an_inactive_token_is_remembered_as_refused(case, serve, authority):
    gate = serve()
    for answer in (Answer(500), Answer(401), Answer(200, "x", "text/html"), as_jwt(jwt({"exp": NOW - 1}))):
        authority.says = answer
        assert 200 != gate.bearer().status
        authority.says = None
        token = authority.issue(TOKEN, exp=NOW + 300)
        assert_allowed(gate.bearer(), token)
        gate.clock.monotonic += 300  # over and forgotten


@attack("CACHE-019")
def test_a_flood_of_random_tokens_fills_nothing_and_pushes_no_good_token_out(case, loop):
    """Through the resolver, so that it is a flood: 200 000 tokens at the negative cache, as many at the good one."""
    clock = FakeClock()
    calls = 0

    class Server:
        async def resolve(self, credential, route):
            nonlocal calls
            calls += 1
            if not credential.value.startswith("good"):
                raise Refused(Reason.INACTIVE)
            text = jwt({"exp": NOW + 300})
            return Token(text, {"exp": NOW + 300}, frozenset(), NOW + 300, clock.ticks() + 300, "", Source.NETWORK)

    store = MemoryCache(max_entries=1000, max_bytes=1 << 20, ticks=clock.ticks)
    cached = Cached(Server(), store, each_by_itself, secret=b"k", context=(), now=clock.now, ticks=clock.ticks)
    find = find_bearer()
    route = Route("policy")

    def resolve(token: str) -> None:
        credential = find(Request("GET", "/", Headers.of([("authorization", f"Bearer {token}")])))
        finish(cached.resolve(credential, route))

    regulars = [f"good-regular-{number}" for number in range(100)]
    for token in regulars:
        resolve(token)
    for number in range(200_000):
        with pytest.raises(Refused):
            resolve(f"random-{number}")
        if number % 10_000 == 0:
            for token in regulars:
                resolve(token)
    assert 100 + 200_000 == calls  # no regular was ever asked about again
    assert 100 == len(store)
    assert len(cached._negative) <= NEGATIVE_TOKENS
    for number in range(20_000):
        resolve(f"good-{number}")
        assert len(store) <= 1000
        assert len(cached._hot) <= HOT_TOKENS


@attack("CACHE-020")
@pytest.mark.parametrize("restarts", [1, 3])
def test_the_end_of_a_hot_entry_is_one_question_however_many_want_it(case, restarts, serve, authority):
    gate = serve(caching={"max_age": 60.0})
    token = authority.issue(TOKEN, exp=NOW + 3600)
    assert_allowed(gate.bearer(), token)

    async def five_thousand() -> list[object]:
        request = Request("GET", "/", Headers.of([("authorization", f"Bearer {TOKEN}")]))
        return await asyncio.gather(*(gate.gateway.decide(request) for _ in range(5000)))

    for number in range(1, restarts + 1):
        gate.clock.advance(60)
        decisions = gate.loop.run(five_thousand())
        assert {token} == {decision.token.jwt for decision in decisions}
        assert 1 + number == len(authority.asked)


@attack("CACHE-021")
@pytest.mark.parametrize(
    "trouble", [Answer(503), Answer(500, "x"), b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab"]
)
def test_when_the_server_fails_at_the_end_of_an_entry_nothing_stale_is_let_in(case, trouble, serve, authority):
    gate = serve(caching={"max_age": 60.0})
    token = authority.issue(TOKEN, exp=NOW + 3600)
    assert_allowed(gate.bearer(), token)
    authority.says = trouble
    gate.clock.advance(59)
    assert_allowed(gate.bearer(), token)  # what is remembered needs no server
    gate.clock.advance(1)
    assert_refused(gate.bearer(), 503, "temporarily_unavailable")
    authority.says = None
    assert_allowed(gate.bearer(), token)  # and the refusal was not remembered


@attack("CACHE-024")
def test_a_clock_that_is_set_back_prolongs_nothing(case, serve, authority):
    gate = serve(caching={"max_age": 60.0, "refresh_ahead": False})
    token = authority.issue(TOKEN, exp=NOW + 3600)
    assert_allowed(gate.bearer(), token)
    gate.clock.wall -= 3600
    gate.clock.advance(59)
    assert "1" == gate.bearer().one("x-accel-expires")
    gate.clock.advance(1)
    authority.active.clear()
    assert_refused(gate.bearer(), 401, "invalid_token")


@attack("CACHE-024")
def test_a_clock_that_is_set_forward_ends_at_exp_at_once(case, gate, authority):
    authority.issue(TOKEN, exp=NOW + 120)
    assert 200 == gate.bearer().status
    gate.clock.wall += 120
    assert_refused(gate.bearer(), 401, "invalid_token")


REFUSALS = {
    "no credential": ({}, ""),
    "malformed": ({}, "abc=def"),
    "inactive": ({}, "unknown"),
    "bad answer": ({"says": Answer(404)}, TOKEN),
    "unavailable": ({"says": Answer(500)}, TOKEN),
    "scope": ({}, TOKEN),
}


@attack("CACHE-028")
@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("target", ["/decide", "/exchange"])
def test_a_refusal_may_be_kept_by_nobody(case, kind, target, serve, authority):
    settings, token = REFUSALS[kind]
    authority.says = settings.get("says")
    authority.issue(TOKEN, exp=NOW + 300)
    gate = serve(policy=Policy(scopes=("write",)))
    reply = gate.bearer(token, target=target) if token else gate.ask(target=target)
    assert 400 <= reply.status
    assert ["no-store"] == reply.all("cache-control")
    assert [] == reply.all("x-accel-expires")


@attack("CACHE-028")
@pytest.mark.parametrize("target", ["/decide", "/exchange"])
def test_an_allow_may_be_kept_only_by_a_private_cache(case, target, gate, authority):
    authority.issue(TOKEN, exp=NOW + 30)
    assert ["private, max-age=30"] == gate.bearer(target=target).all("cache-control")
