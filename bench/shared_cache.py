"""Decisions known from the shared cache alone, beside redis-py reading as many bytes: CPU of this process.

A decision runs from the bytes of the request to those of the answer by the decision listener, on connections without a
socket; Redis is a real one, in a process of its own. The memory holds one token, and more tokens rotate than are kept
parsed, so each decision is a look-up in Redis, opened and unpacked. The peer is the asyncio client of redis-py doing a
plain GET of a value of the same size, on as many tasks: what any Python program pays that reads it by that library.
Turns rotate in short laps; a ratio is the middle of the ratios of each round.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import redis.asyncio
import uvloop

from measure import Broken
from phantomgate.config.settings import Cache, Introspection, Policy, Redis, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Headers
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.gateway.remembering import REMEMBERED
from phantomgate.resolvers.cached import HOT_TOKENS
from phantomgate.servers.listener import Listener
from report import Floor, Report, Run
from servers import redis_server
from tokens import jwt_for, token

CONNECTIONS = 32
SIZE = 1024
"""Bytes of the peer's value: about what a sealed record has."""


class _Server:
    """Knows every token."""

    def __init__(self, expires_at: int) -> None:
        self.expires_at = expires_at

    async def send(self, call: HttpCall) -> HttpReply:
        asked = parse_qs(call.body.decode())["token"][0]
        return HttpReply(
            200, Headers.of([("content-type", "application/jwt")]), jwt_for(asked, self.expires_at).encode()
        )


class _Connection:
    """One connection of a gateway that asks again when it has its answer. State: what is left to ask, who waits."""

    def __init__(self, listener: Listener) -> None:
        self.protocol = listener.protocol()
        self.protocol.connection_made(self)
        self.left: Iterator[bytes] = iter(())
        self.done: asyncio.Future[None] | None = None

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Nothing comes by itself."""

    resume_reading = pause_reading

    def write(self, data: bytes) -> None:
        done = self.done
        if done is None or done.done():
            return
        if not data.startswith(b"HTTP/1.1 200 OK\r\nAuthorization: Bearer ey"):
            done.set_exception(Broken(f"answered {data[:200]!r}"))
            return
        asyncio.get_running_loop().call_soon(self.ask)

    def ask(self) -> None:
        request = next(self.left, None)
        if request is not None:
            self.protocol.data_received(request)
        elif self.done is not None:
            self.done.set_result(None)

    async def all(self, requests: Iterator[bytes]) -> None:
        self.left, self.done = requests, asyncio.get_running_loop().create_future()
        self.ask()
        await self.done


def shared_cache(run: Run) -> Report:
    """CPU of one decision from the shared cache."""
    with redis_server(run.folder) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measured(run, server.port))


async def _measured(run: Run, port: int) -> Report:
    wired = wire(
        Settings(
            introspection=Introspection("http://127.0.0.1:1/", "bench", "env:SECRET", issuer=""),
            policy=Policy(scopes=("read",)),
            cache=Cache(max_entries=1),
            redis=Redis(nodes=(f"127.0.0.1:{port}",), secret="env:SHARED", timeout=1.0, connections=64),
        ),
        "nonblocking",
        environ={"SECRET": "s", "SHARED": "s" * 32},
        write=print,
        http=_Server(run.expires_at),
    )
    listener = Listener(wired.gateway, now=wired.now, ticks=wired.ticks, trusts=bool, source="original")
    many = 64 if run.smoke else 2 * max(REMEMBERED, HOT_TOKENS)
    requests = [_asked(token(number)) for number in range(many)]
    connections = [_Connection(listener) for _ in range(CONNECTIONS)]
    await connections[0].all(iter(requests[:1]))  # connects
    counts = wired.metrics.caches["redis"]
    for _ in range(2):  # asked about, and then found
        shared = iter(requests)
        await asyncio.gather(*(one.all(shared) for one in connections))
    asked = itertools.cycle(requests)
    client = redis.asyncio.Redis(port=port, protocol=2)
    await client.set("peer", os.urandom(SIZE))

    async def decide(shared: Iterator[Any], place: int) -> None:
        await connections[place].all(shared)

    async def get(shared: Iterator[Any], place: int) -> None:  # noqa: ARG001 - the shape of both
        for _ in shared:
            await client.get("peer")

    calls = 200 if run.smoke else 1000
    kinds: dict[str, tuple[Callable[[Iterator[Any], int], Awaitable[None]], int]] = {
        "a decision": (decide, CONNECTIONS),
        "redis-py's GET": (get, CONNECTIONS),
        "a decision, one at a time": (decide, 1),
        "redis-py's GET, one at a time": (get, 1),
    }
    before = counts.results()
    cpu: dict[str, list[float]] = {name: [] for name in kinds}
    names = list(kinds)
    for number in range(max(2, run.rounds * 5)):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            does, tasks = kinds[name]
            shared = itertools.islice(asked, calls)
            began = time.process_time_ns()
            await asyncio.gather(*(does(shared, place) for place in range(tasks)))
            cpu[name].append((time.process_time_ns() - began) / 1000 / calls)
    after = counts.results()
    if not run.smoke and (
        after["hit"] == before["hit"] or any(after[one] != before[one] for one in after if one != "hit")
    ):
        raise Broken(f"not only hits: {before} before, {after} after")
    await wired.close()
    await client.aclose()
    rows, ratios = [], {}
    for name, peer in (names[:2], names[2:]):
        ratios[name] = statistics.median(one / other for one, other in zip(cpu[name], cpu[peer], strict=True))
        rows.append([name, f"{statistics.median(cpu[name]):.1f}", f"{min(cpu[name]):.1f}", f"{ratios[name]:.2f}"])
        rows.append([peer, f"{statistics.median(cpu[peer]):.1f}", f"{min(cpu[peer]):.1f}", "1.00"])
    best = min(cpu["a decision"])
    return Report(
        "shared_cache",
        ["known from Redis", "CPU us", "least", "of the GET"],
        rows,
        floors=(
            Floor(
                "microseconds of CPU of a decision from Redis", statistics.median(cpu["a decision"]), 90, at_most=True
            ),
        ),
        notes=(
            f"{CONNECTIONS} connections, {many} tokens, laps of {calls}; hiredis "
            + ("is used" if redis.utils.HIREDIS_AVAILABLE else "is not installed"),
            f"the least of all laps is what a busy machine disturbs least: {best:.1f} us",
        ),
    )


def _asked(opaque: str) -> bytes:
    """What nginx asks."""
    lines = [
        "HEAD /decide HTTP/1.1",
        "Host: phantomgate",
        f"Authorization: Bearer {opaque}",
        "X-Original-Method: GET",
        "X-Original-URI: /orders/7",
        "X-Original-Host: api.example",
        "X-Original-Proto: https",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
