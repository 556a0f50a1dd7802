"""No interleaving of requests, answers and purges lets a purged token pass once the purge was acknowledged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from phantomgate.backends.memory import MemoryCache
from phantomgate.backends.sealed import Sealed
from phantomgate.backends.single_flight import SingleFlight
from phantomgate.config.revoking import mark_seconds
from phantomgate.config.settings import Revocation, Settings
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Route, Token
from phantomgate.core.purge import Purge, mark_of
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.marks import Marks
from phantomgate.resolvers.shared import Shared, SharedCounts
from phantomgate.testing import FakeClock, FakeStore

ROUTE = Route("policy")
TOKENS = ("a1", "a2", "b1")
LONGEST = 60.0
"""Seconds that a question may take, which every client of ours bounds."""
MARKED = mark_seconds(Settings(revocation=Revocation(keep=1.0)))


@dataclass
class Server:
    """Answers when it is let, with what was true when it was asked. A lagging one goes on saying "active"."""

    clock: FakeClock
    lags: bool
    over: set[str] = field(default_factory=set)
    waiting: list[asyncio.Future] = field(default_factory=list)
    asked_at: dict[asyncio.Future, float] = field(default_factory=dict)

    async def resolve(self, credential, route):
        token = credential.value
        active = self.lags or token not in self.over
        gate = asyncio.get_running_loop().create_future()
        self.waiting.append(gate)
        self.asked_at[gate] = asked_at = self.clock.ticks()
        await gate
        if not active:
            raise Refused(Reason.INACTIVE, "over")
        claims = {"sub": token[0], "sid": token, "iat": self.clock.wall - 1000}
        return Token("", claims, frozenset(), self.clock.now() + 600, asked_at + 300, "main")


def machine(server, clock, store, shared):
    marks = Marks(ticks=clock.ticks)
    inner = server
    if shared:
        sealed = Sealed(store, b"s" * 32, now=clock.now, random=lambda size: bytes(size), forged=lambda: None)
        inner = Shared(
            server, sealed, context=(), patience=0.0, pause=asyncio.sleep, now=clock.now, ticks=clock.ticks,
            name="main", counts=SharedCounts(), marks=marks,
        )  # fmt: skip
    cache = MemoryCache(max_entries=100, max_bytes=1 << 20, ticks=clock.ticks)
    return Cached(
        inner, cache, SingleFlight(), secret=b"s", context=(), now=clock.now, ticks=clock.ticks,
        negative_seconds=0.0, issuer="main", marks=marks,
    )  # fmt: skip


STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 1), st.sampled_from(TOKENS)),
    st.tuples(st.just("answer"), st.integers(0, 5), st.just("")),
    st.tuples(st.just("turn"), st.integers(1, 4), st.just("")),
    st.tuples(st.just("token"), st.just(0), st.sampled_from(TOKENS)),
    st.tuples(st.just("sid"), st.just(0), st.sampled_from(TOKENS)),
    st.tuples(st.just("sub"), st.just(0), st.sampled_from(TOKENS)),
    st.tuples(st.just("wait"), st.integers(1, 320), st.just("")),
)


@given(steps=st.lists(STEPS, max_size=40), lags=st.booleans(), shared=st.booleans())
@settings(max_examples=200)
def test_a_purged_token_never_passes_after_its_purge(steps, lags, shared):
    asyncio.run(play(steps, lags, shared))


async def play(steps, lags, shared):
    clock = FakeClock()
    server, store = Server(clock, lags), FakeStore(clock.ticks)
    machines = [machine(server, clock, store, shared) for _ in range(2)]
    purged: dict[str, float] = {}
    tasks: list[asyncio.Task] = []
    credentials = [{token: Credential(token) for token in TOKENS} for _ in machines]

    async def request(number, token):
        await machines[number].resolve(credentials[number][token], ROUTE)
        # the very moment at which it is allowed: nothing is awaited in between
        assert clock.ticks() >= purged.get(token, float("-inf")), f"{token} passed after its purge"

    for what, number, token in steps:
        if what == "ask":
            tasks.append(asyncio.create_task(request(number, token)))
        elif what == "answer" and server.waiting:
            server.waiting.pop(number % len(server.waiting)).set_result(None)
        elif what == "turn":
            for _ in range(number):
                await asyncio.sleep(0)
        elif what == "wait":
            for gate in [one for one in server.waiting if server.asked_at[one] + LONGEST < clock.ticks() + number]:
                server.waiting.remove(gate)
                gate.set_result(None)
            for _ in range(20):
                await asyncio.sleep(0)
            clock.advance(number)
        elif what in ("token", "sid", "sub"):
            over = [one for one in TOKENS if one == token or (what == "sub" and one[0] == token[0])]
            server.over.update(over)
            value = token[0] if what == "sub" else token
            mark = mark_of(Purge(what, value, "" if what == "token" else "main", clock.now()), b"", MARKED)
            for one in machines:
                one.marks.put(mark)
            # it is over for good where the server knows, and for as long as the mark lasts where it lags
            for one in over:
                purged[one] = max(purged.get(one, 0.0), clock.ticks() + MARKED if lags else float("inf"))
    while not all(task.done() for task in tasks):
        while server.waiting:
            server.waiting.pop().set_result(None)
        await asyncio.sleep(0)
    for task in tasks:
        failure = task.exception()
        if failure is not None and not isinstance(failure, Refused):
            raise failure
    for one in machines:
        await one.once.close()
