"""REL: an authorization server that is there and says nothing, or takes its time. What is remembered goes on."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

from attacks.cases import attack
from phantomgate.backends.nonblocking import AiohttpHttp
from phantomgate.config.settings import Introspection, Resilience, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Allow, Headers, Refuse, Request
from phantomgate.core.ports import Http, HttpCall, HttpReply
from phantomgate.testing import FakeClock, on_a_loop, reply
from tokens import jwt


def asking(token: str) -> Request:
    return Request("GET", "/", Headers.of([("Authorization", f"Bearer {token}")]))


@contextmanager
def black_hole():
    """An address that takes connections and never says a word; and how many it has taken."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/introspect"


def gate(endpoint: str, family: str = "nonblocking", **more):
    introspection = Introspection(endpoint=endpoint, client_id="g", client_secret="env:S", timeout=0.2)
    return wire(
        Settings(introspection=introspection, resilience=more.pop("resilience", Resilience())),
        family,
        environ={"S": "s3cret"},
        write=more.pop("write", lambda line: None),
        **more,
    )


class FallsSilent:
    """Answers until it is told to fall silent; from then on the calls go where nobody says a word.

    By *clock*, too, each of them takes the time that it has: nobody has any left to ask once more in.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.real: Http | None = None
        self.clock = clock

    async def send(self, call: HttpCall) -> HttpReply:
        if self.real is None:
            return reply(200, jwt(), content_type="application/jwt")
        over = self.clock.ticks() + call.timeout
        try:
            return await self.real.send(call)
        finally:
            self.clock.advance(max(0.0, over - self.clock.ticks()))


@attack("REL-001")
def test_behind_a_black_hole_misses_fail_in_time_then_at_once_and_what_is_remembered_goes_on(case):
    lines = []

    async def story(endpoint: str) -> None:
        clock = FakeClock()
        server = FallsSilent(clock)
        wired = gate(endpoint, write=lines.append, http=server, now=clock.now, ticks=clock.ticks)
        assert isinstance(await wired.gateway.decide(asking("known")), Allow)
        server.real = silent = AiohttpHttp()
        before = len(list(Path("/proc/self/fd").iterdir()))
        calls = wired.metrics.servers["introspection"]
        for turn in range(10):
            batch = [wired.gateway.decide(asking(f"unknown-{turn}-{number}")) for number in range(50)]
            for decision in await asyncio.gather(*batch):
                assert isinstance(decision, Refuse)
                assert (503, True) == (decision.reason.status, 1 <= (decision.retry_after or 0) <= 60)
            assert isinstance(await wired.gateway.decide(asking("known")), Allow)
        assert 450 <= calls.shed["breaker"]  # refused at once: no call was made, and none is waited for
        assert {"answered": 1, "timeout": 50} == calls.by_outcome
        await silent.close()
        await wired.close()
        async with asyncio.timeout(60):
            while len(list(Path("/proc/self/fd").iterdir())) > before:  # noqa: ASYNC110 - aiohttp closes them later
                await asyncio.sleep(0.01)

    with black_hole() as endpoint:
        on_a_loop(story(endpoint))
    assert ["breaker_opened"] == [line.event for line in lines if line.event.startswith("breaker")]


class Slow:
    """Answers after a while, on a clock of ours; each question is remembered."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.calls = clock, []

    async def send(self, call: HttpCall) -> HttpReply:
        self.calls.append(call)
        self.clock.advance(1.5)
        return reply(200, jwt(), content_type="application/jwt")


@attack("REL-003")
@pytest.mark.parametrize("family", ["blocking", "nonblocking"])
def test_a_slow_answer_is_waited_for_and_costs_the_server_no_second_question(case, clock, family):
    """Nothing is hedged (docs/decisions): extra load 0 %, of at most 5 %; and so never at a token endpoint."""
    slow = Slow(clock)

    async def story():
        wired = gate("https://as.example/i", family, http=slow, now=clock.now, ticks=clock.ticks)
        for number in range(100):
            assert isinstance(await wired.gateway.decide(asking(f"token-{number}")), Allow)
        await wired.close()

    on_a_loop(story())
    assert 100 == len(slow.calls)
