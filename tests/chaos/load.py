"""The load: so many requests a second whatever becomes of them, through both gateways in turn.

Rule: what comes doesn't wait for what came before. A client whose gateway gives no answer tries the other one, as a
load balancer in front of the two does; each answer is judged by itself.
"""

from __future__ import annotations

import asyncio
import random
import time

import aiohttp

from chaos.fleet import Fleet, Gateway
from chaos.judge import Judge, Spell
from chaos.oracle import Presented
from chaos.population import Population

PATIENCE = 8.0
"""Seconds that a client waits for one gateway."""
MOST = 1500
"""Requests under way; what would be more is not sent, and told."""


class Load:
    """Its state: when each request under way began, and how many were not sent."""

    def __init__(self, fleet: Fleet, population: Population, judge: Judge, seed: random.Random, rate: float) -> None:
        self.fleet = fleet
        self.population = population
        self.judge = judge
        self.seed = seed
        self.rate = rate
        self.left_out = 0
        self.under_way: dict[asyncio.Task[None], float] = {}

    async def run(self) -> None:
        """Send requests until cancelled."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False) as session:
            due = time.monotonic()
            try:
                while True:
                    due = max(due + 1.0 / self.rate, time.monotonic() - 0.5)  # a loaded machine skips, it doesn't flood
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    if len(self.under_way) >= MOST:
                        self.left_out += 1
                        continue
                    task = asyncio.create_task(self._visit(session))
                    self.under_way[task] = time.monotonic()
                    task.add_done_callback(self.under_way.pop)
            finally:
                for task in [*self.under_way]:
                    task.cancel()
                if self.under_way:
                    await asyncio.wait([*self.under_way])

    def oldest(self) -> float:
        """When the oldest request under way began; now, without any."""
        return min(self.under_way.values(), default=time.monotonic())

    async def _visit(self, session: aiohttp.ClientSession) -> None:
        one, spell = self.population.next(), self.judge.spell
        kind = one.kind
        first = self.seed.randrange(2)
        for gateway in (self.fleet.gateways[first], self.fleet.gateways[1 - first]):
            last = gateway is not self.fleet.gateways[first]
            if await self._ask(session, gateway, spell, one, kind, last=last):
                return

    async def _ask(
        self, session: aiohttp.ClientSession, gateway: Gateway, spell: Spell, one: Presented, kind: str, *, last: bool
    ) -> bool:
        headers = {} if one.field is None else {"Authorization": one.field}
        began, status, subject = time.monotonic(), 0, ""
        try:
            async with session.get(f"http://127.0.0.1:{gateway.port}/orders", headers=headers) as answer:
                status, subject = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        if status or last:
            who = self.fleet.asked.pop(one.field or "", "nobody")
            self.judge.answered(spell, one, kind, began, status, subject, remembers=gateway.remembers, who=who)
        return status != 0
