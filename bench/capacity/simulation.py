"""A fleet under a simulated clock: every request meets a worker's real `MemoryCache`, then Redis, then the server.

Rule: only time and chance are made up. The memory of a worker is the product's own, with its bounds and its two
generations; what is kept for how long follows the product's rules, which tests hold against the product. Tokens don't
depend on each other, so one of *scale* is simulated and stands for the others, with memories that much smaller.
Left out: the time that answers take (concurrent misses of one token are one, in the product too), and faults.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate
from zlib import crc32

from fleet import Fleet, Seen, Traffic

from phantomgate.backends.blocking import finish
from phantomgate.backends.memory import MemoryCache

DUE = 0.8
"""Of an answer's time: used after this, it is asked about ahead (`resolvers.cached.DUE`)."""
MOST_REQUESTS = 3_000_000
"""Simulated at the most; beyond, tokens stand for others."""
_CHUNK = 4096


class World:
    """One fleet and its traffic. Its state: the time, every memory, and what is in Redis."""

    def __init__(self, traffic: Traffic, fleet: Fleet, *, seed: int, scale: float = 1.0) -> None:
        self.traffic, self.fleet, self.scale = traffic, fleet, scale
        self.tokens = max(round(traffic.tokens / scale), 1)
        self.chance = random.Random(seed)
        self.time = 0.0
        self.memories = [self._empty() for _ in range(fleet.memories)]
        self.redis: dict[bytes, float] = {}
        self.hits = self.shared = self.misses = self.ahead = 0
        self._begun: set[tuple[bytes, int]] = set()
        self._weights = list(accumulate((rank + 1) ** -traffic.skew for rank in range(self.tokens)))
        self._born = [self.chance.random() * traffic.lifetime for _ in range(self.tokens)]

    def run(self, seconds: float) -> Seen:
        """Let *seconds* pass; what was seen in them."""
        self.hits = self.shared = self.misses = self.ahead = 0
        end = self.time + seconds
        for slot, worker in self._requests():
            if self.time >= end:
                break
            self._request(slot, worker)
        remembered = round(sum(len(memory) for memory in self.memories) * self.scale)
        return Seen(seconds, self.scale, self.hits, self.shared, self.misses, self.ahead, remembered)

    def restart(self, machine: int) -> None:
        """Its workers forget everything; Redis doesn't."""
        first = machine * self.fleet.workers
        for worker in range(first, first + self.fleet.workers):
            self.memories[worker] = self._empty()

    def _empty(self) -> MemoryCache:
        entries = max(int(self.fleet.max_entries / self.fleet.workers / self.scale), 2)
        return MemoryCache(max_entries=entries, max_bytes=1 << 40, ticks=lambda: self.time)

    def _requests(self) -> Iterator[tuple[int, int]]:
        """Which token comes next, and to which worker; the time goes on to that moment."""
        rate = self.traffic.requests / self.scale
        slots = range(self.tokens)
        while True:
            for slot in self.chance.choices(slots, cum_weights=self._weights, k=_CHUNK):
                self.time += self.chance.expovariate(rate)
                if self.fleet.sticky:
                    yield slot, crc32(slot.to_bytes(8, "big")) % len(self.memories)
                else:
                    yield slot, self.chance.randrange(len(self.memories))

    def _request(self, slot: int, worker: int) -> None:
        lived = self.time + self._born[slot]
        generation, age = divmod(lived, self.traffic.lifetime)
        key = slot.to_bytes(8, "big") + int(generation).to_bytes(8, "big")
        ends = self.time + self.traffic.lifetime - age
        memory = self.memories[worker]
        found = finish(memory.get(key))
        if found is not None:
            self.hits += 1
            self._maybe_ahead(key, worker, found[1], ends)
            return
        until = self.redis.get(key, 0.0) if self.fleet.redis else 0.0
        if until > self.time:
            self.shared += 1
        else:
            self.misses += 1
            until = min(self.time + self._lasts(key, worker), ends)
            if self.fleet.redis:
                self.redis[key] = until
        finish(memory.put(key, b"", until - self.time))

    def _lasts(self, key: bytes, worker: int) -> float:
        """How long an answer is good for. The first one is taken for older than it is, by chance.

        So the fleet is met as if it had run for long, and not as if all of it had just begun at once.
        """
        each, who = self.fleet.max_age, (key, 0 if self.fleet.redis else worker)
        if self.time >= each or who in self._begun:
            return each
        self._begun.add(who)
        return each * self.chance.random()

    def _maybe_ahead(self, key: bytes, worker: int, left: float, ends: float) -> None:
        """Asks anew about what is used when most of its time is over, unless the token ends by then anyway."""
        fleet = self.fleet
        last = (1.0 - DUE) * fleet.max_age
        if not fleet.refresh_ahead or fleet.redis or left > last or ends - self.time <= left:
            return
        self.ahead += 1
        finish(self.memories[worker].put(key, b"", min(fleet.max_age, ends - self.time)))


def simulate(traffic: Traffic, fleet: Fleet, *, seed: int = 1, most: int = MOST_REQUESTS) -> Seen:
    """What is seen in `max_age` seconds, after twice as many in which the memories fill."""
    each = min(fleet.max_age, traffic.lifetime)
    scale = max(1.0, 3 * each * traffic.requests / most)
    world = World(traffic, fleet, seed=seed, scale=scale)
    world.run(2 * each)
    return world.run(each)
