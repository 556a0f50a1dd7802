"""What one remembered token takes: a million tokens with JWTs of 1.2 kB, through the real resolver into the real cache.

    memory_per_token.py KIND COUNT       fills one kind of cache in this process, and says what it took as JSON

Each cache is filled in a process of its own. The peers are what one would use instead: a plain dictionary, which
forgets nothing, and an ordered dictionary as an LRU, whose links the garbage collector has to walk.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from measure import Broken
from report import Floor, Report, Run
from servers import environment, python
from tokens import jwt_for, token

T = TypeVar("T")
JWT_BYTES = 1200
OURS = "phantomgate Cached + MemoryCache"
KINDS = {"phantomgate": OURS, "dict": "plain dict, no bounds", "ordered": "OrderedDict as LRU"}


def memory_per_token(run: Run) -> Report:
    """Bytes of resident memory per token, and how long a full garbage collection stops everything."""
    count = 200_000 if run.smoke else 1_000_000
    seen = {}
    for kind, name in KINDS.items():
        done = subprocess.run(
            python(__file__, kind, str(count)), capture_output=True, text=True, check=False, timeout=600,
            env=environment(),
        )  # fmt: skip
        if done.returncode:
            raise Broken(f"{name}: {done.stderr[-2000:]}")
        seen[name] = json.loads(done.stdout)
        run.say(f"  {name}: {seen[name]['bytes']:,.0f} bytes a token")
    rows = [
        [
            name,
            f"{one['bytes']:,.0f}",
            f"{one['megabytes']:,.0f}",
            f"{one['collection_ms']:.0f}",
            f"{one['fill_us']:.1f}",
        ]
        for name, one in seen.items()
    ]
    columns = ["cache", "bytes/token", "MB", "full GC ms", "us to put one in"]
    notes = [f"{count:,} tokens with JWTs of {JWT_BYTES} bytes; the time to put one in includes making its JWT"]
    floors = [Floor("bytes a remembered token takes, in kB", seen[OURS]["bytes"] / 1000, 1.6, True)]
    return Report("memory_per_token", columns, rows, floors, notes)


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _phantomgate(count: int, expires_at: int) -> object:
    from phantomgate.backends.memory import MemoryCache
    from phantomgate.core.model import Credential, Route, Token
    from phantomgate.oauth.claims import read_scopes
    from phantomgate.oauth.unverified import read_claims
    from phantomgate.resolvers.cached import Cached

    class Introspected:
        """Gives what introspection gives, without the network."""

        async def resolve(self, credential: Credential, route: Route) -> Token:  # noqa: ARG002 - the port's shape
            jwt = jwt_for(credential.value, expires_at, length=JWT_BYTES)
            claims = read_claims(jwt)
            return Token(jwt, claims, read_scopes(claims), expires_at, time.monotonic() + 7200)

    async def once(key: bytes, fill: Callable[[], Awaitable[T]]) -> T:  # noqa: ARG001 - nothing is concurrent here
        return await fill()

    cache = MemoryCache(max_entries=2 * count, max_bytes=8 << 30, ticks=time.monotonic)  # one generation holds all
    cached = Cached(
        Introspected(), cache, once, secret=bytes(32), context=("as", "introspect", "client", "jwt"), now=time.time,
        ticks=time.monotonic,
    )  # fmt: skip
    route = Route("policy")

    async def fill() -> None:
        for number in range(count):
            await cached.resolve(Credential(token(number)), route)
        for number in range(0, count, count // 100):  # all of it is still there, and right
            opaque = token(number)
            found = await cached.resolve(Credential(opaque), route)
            assert found.jwt == jwt_for(opaque, expires_at, length=JWT_BYTES), f"token {number} has another's JWT"
        assert cached.counts.misses == count, f"{cached.counts.misses} misses for {count} tokens: some were forgotten"

    asyncio.run(fill())
    return cached


def _dict(count: int, expires_at: int) -> object:
    return {
        opaque: (jwt_for(opaque, expires_at, length=JWT_BYTES), float(expires_at))
        for opaque in map(token, range(count))
    }


def _ordered(count: int, expires_at: int) -> object:
    lru: OrderedDict[str, tuple[str, float]] = OrderedDict()
    for opaque in map(token, range(count)):
        lru[opaque] = (jwt_for(opaque, expires_at, length=JWT_BYTES), float(expires_at))
        lru.move_to_end(opaque)
    return lru


def main(kind: str, count: int) -> None:
    """Fill, measure, print."""
    filling = {"phantomgate": _phantomgate, "dict": _dict, "ordered": _ordered}[kind]
    filling(100, int(time.time()) + 7200)  # what is imported and made once is not the tokens' cost
    gc.collect()
    before = resident_bytes()
    started = time.process_time()
    kept = filling(count, int(time.time()) + 7200)
    spent = time.process_time() - started
    gc.collect()
    after = resident_bytes()
    stops = []
    for _ in range(5):
        began = time.perf_counter()
        gc.collect()
        stops.append(time.perf_counter() - began)
    figures = {
        "bytes": (after - before) / count,
        "megabytes": after / 1e6,
        "collection_ms": sorted(stops)[2] * 1000,
        "fill_us": spent / count * 1e6,
    }
    print(json.dumps(figures))
    assert kept is not None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
