"""What is asked of servers before settings change, and how long that may keep anybody from tightening something."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from phantomgate.config.probes import Probe
from phantomgate.core.errors import Reason, Refused
from phantomgate.servers.overseeing import Overseeing

REFUSES = Refused(Reason.CLIENT_REFUSED, "401")


class Servers:
    """Servers that answer once *together* of them are being asked. State: how many are."""

    def __init__(self, together):
        self.together, self.asked = together, 0

    def probe(self, name, said=None):
        async def ask():
            self.asked += 1
            while self.asked < self.together:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
            return said

        return Probe(name, f"https://{name}.example", ask)


def overseeing(probes, known=()):
    offered = SimpleNamespace(probes=probes)
    return Overseeing(SimpleNamespace(prepared=offered), {}, None, SimpleNamespace(probes=known))


def test_all_are_asked_at_once_and_the_first_that_refuses_is_told():
    servers = Servers(3)
    probes = [servers.probe("one"), servers.probe("two", REFUSES), servers.probe("three", REFUSES)]

    async def told():
        async with asyncio.timeout(60.0):
            return await overseeing(probes).trouble()

    assert ("two", REFUSES) == asyncio.run(told())


def test_one_that_is_asked_as_before_is_not_asked():
    servers = Servers(1)
    before = servers.probe("one", REFUSES)
    assert asyncio.run(overseeing([before], [before]).trouble()) is None
    assert 0 == servers.asked


@pytest.mark.parametrize("said", [Refused(Reason.UNAVAILABLE, "down"), None])
def test_one_that_gives_no_answer_stops_nobody(said):
    servers = Servers(1)
    assert asyncio.run(overseeing([servers.probe("one", said)]).trouble()) is None


def test_one_that_keeps_us_waiting_is_one_that_gives_no_answer():
    ended = []

    async def never():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def told():
        slow = Probe("slow", "https://slow.example", never)
        async with asyncio.timeout(60.0):
            return await overseeing([slow, Servers(1).probe("two", REFUSES)]).trouble(0.01)

    assert ("two", REFUSES) == asyncio.run(told())
    assert [1] == ended
