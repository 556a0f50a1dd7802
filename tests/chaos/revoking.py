"""Those who end tokens: the authorization server's revocations, told to the fleet by a signed call, or not told.

Rule: a token is ended by its issuer first and told then. Who is not answered "done, everywhere" tells another machine,
until one says so; only that counts as told.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from typing import Any

import aiohttp

from chaos.fleet import Fleet
from chaos.oracle import Presented
from chaos.population import Population
from phantomgate.oauth.purge_call import HEADER, purge_signature

EVERY = 0.7
"""Seconds between two."""
PATIENCE = 2.5
"""Seconds that one machine has to answer."""
KINDS = ("purged", "purged jwt", "revoked", "purged jwt")
NAMES = ("token", "sid", "sub")


class Revoking:
    """Its state: how many purges were acknowledged, how many calls were not, and how long telling took at most."""

    def __init__(self, fleet: Fleet, population: Population, seed: random.Random) -> None:
        self.fleet = fleet
        self.population = population
        self.seed = seed
        self.purges = self.repeated = 0
        self.slowest = 0.0

    async def run(self) -> None:
        """End a token now and then, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as telling:
            while True:
                for kind in KINDS:
                    await asyncio.sleep(EVERY)
                    one = self.population.doomed(kind)
                    if one is None:
                        continue
                    self.fleet.realm.revoke(one)
                    if kind != "revoked":
                        telling.create_task(self._purge(session, one))

    async def _purge(self, session: aiohttp.ClientSession, one: Presented) -> None:
        one.purging = time.monotonic()
        body = json.dumps(_named(one, self.seed.choice(NAMES))).encode()
        machines = self.seed.sample(self.fleet.machines, 3)
        while True:
            for machine in machines:
                headers = {HEADER: purge_signature(body, self.fleet.purge_secret, time.time())}
                try:
                    url = f"http://127.0.0.1:{machine.purges}/purge"
                    async with session.post(url, data=body, headers=headers) as answer:
                        if answer.status == 200:
                            one.purged = time.monotonic()
                            self.purges += 1
                            self.slowest = max(self.slowest, one.purged - one.purging)
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                self.repeated += 1
            await asyncio.sleep(0.2)


def _named(one: Presented, name: str) -> dict[str, Any]:
    """What is said of *one* to end it by *name*."""
    assert one.field is not None
    token = one.field.removeprefix("Bearer ")
    if name == "token":
        return {"token": token}
    if one.asked:
        _, claims = json.loads(_unbase64(token.partition("~")[0]))
    else:
        claims = json.loads(_unbase64(token.split(".")[1]))
    return {name: claims[name]}


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
