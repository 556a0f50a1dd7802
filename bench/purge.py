"""How long it takes until a purge on one machine is seen by every worker of all machines, with many tokens cached.

Two machines, that is two `phantomgate serve` with two workers each, share a Redis; both are asked for every token
first. Then one token after the other is purged by a signed call to the first machine, and connections to both, so many
that every worker has some, ask for that token again and again: how long after the call it is refused for the first time
on the last of them. In the end all tokens of a client are purged at once. Whoever is let in after having been refused
is a wrong answer.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from contextlib import ExitStack
from typing import NamedTuple

import uvloop

from filling import fill
from measure import Broken
from ours import ASKED, phantomgate, stub
from phantomgate.oauth.purge_call import HEADER, purge_signature
from report import Floor, Report, Run
from servers import free_port, redis_server
from tokens import token

TOKENS = 100_000
CONNECTIONS = 12
"""To each machine: that one of two workers has none is one in two thousand."""
SECRET = "bench-only-secret-of-32-characters-or-more"
SHARED = """
[redis]
nodes = ["127.0.0.1:{redis}"]
secret = "env:SHARED"

[revocation]
secret = "env:PURGE"
listen = "127.0.0.1:{listen}"
"""
_HEAD = "GET /decide HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in ASKED.items())


class Machine(NamedTuple):
    """Where it decides, and where it hears of purges."""

    port: int
    purges: int


def purge(run: Run) -> Report:
    """Seconds from the call to the last worker that refuses, at most one."""
    folder = run.folder / "purge"
    folder.mkdir()
    count = 2_000 if run.smoke else TOKENS
    with ExitStack() as up:
        authority = up.enter_context(stub(folder, run.expires_at))
        redis = up.enter_context(redis_server(folder))
        machines = []
        for _ in range(2):
            heard = free_port()
            more = SHARED.format(redis=redis.port, listen=heard)
            secrets = {"SHARED": SECRET, "PURGE": SECRET}
            server = phantomgate(folder, authority.port, workers=2, more=more, secrets=secrets)
            machines.append(Machine(up.enter_context(server).port, heard))
        for machine in machines:
            fill(machine.port, count, run.expires_at, run.say)
        calls = [{"token": token(number)} for number in range(3 if run.smoke else 5 * run.rounds)]
        one = [uvloop.run(_purged(machines, call, call["token"])) for call in calls]
        run.say(f"  a token: {', '.join(f'{seen[1] * 1000:.0f}' for seen in one)} ms")
        time.sleep(max(0.0, run.expires_at - 7200 + 7 - time.time()))  # what was issued just before is asked about
        everything = uvloop.run(_purged(machines, {"client_id": "spa-example"}, token(count - 1)))
    rows = [
        ["a token", *_row([seen[0] for seen in one], [seen[1] for seen in one])],
        ["all of a client", *_row([everything[0]], [everything[1]])],
    ]
    worst = max(seen[1] for seen in (*one, everything))
    return Report(
        "purge",
        ["purged", "acknowledged ms", "the same, worst", "seen by all ms", "the same, worst"],
        rows,
        floors=(Floor("seconds until a purge is seen by every worker of two machines", worst, 1.0, at_most=True),),
        notes=(f"{count:,} tokens cached on each of two machines of two workers; {len(one)} tokens purged",),
    )


def _row(*times: list[float]) -> list[str]:
    return [f"{one * 1000:.0f}" for seen in times for one in (statistics.median(seen), max(seen))]


async def _purged(machines: list[Machine], call: dict[str, str], opaque: str) -> tuple[float, float]:
    """Seconds until the purge was acknowledged, and until it was seen on every connection."""
    asking = [await _Asking.at(machine.port, opaque) for machine in machines for _ in range(CONNECTIONS)]
    for one in asking:
        if not await one.let_in():
            raise Broken(f"{opaque} is refused before it was purged")
    began = time.monotonic()
    calling = asyncio.create_task(_call(machines[0].purges, call))
    seen = max(await asyncio.gather(*(one.until_refused() for one in asking))) - began
    acknowledged = await calling - began
    for one in asking:
        if await one.let_in():
            raise Broken(f"{opaque} is let in after it was refused")
        one.writer.close()
    return acknowledged, seen


async def _call(port: int, call: dict[str, str]) -> float:
    """When the purge was acknowledged."""
    body = json.dumps(call)
    signed = purge_signature(body.encode(), SECRET, time.time())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /purge HTTP/1.1\r\nHost: purge\r\nContent-Length: {len(body)}\r\n{HEADER}: {signed}\r\n\r\n"
    writer.write((head + body).encode())
    status = await reader.readline()
    at = time.monotonic()
    writer.close()
    if b" 200 " not in status:
        raise Broken(f"purging: {status!r}")
    return at


class _Asking(NamedTuple):
    """A connection that asks for one token."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: bytes

    @classmethod
    async def at(cls, port: int, opaque: str) -> _Asking:
        """One to *port*."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return cls(reader, writer, f"{_HEAD}Authorization: Bearer {opaque}\r\n\r\n".encode())

    async def let_in(self) -> bool:
        """Ask once. Raises Broken for what is neither 200 nor 401."""
        self.writer.write(self.request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status not in (200, 401):
            raise Broken(f"answered {head[:100]!r}")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await self.reader.readexactly(int(line.split(b":")[1]))
        return status == 200

    async def until_refused(self) -> float:
        """When it was refused for the first time."""
        while await self.let_in():  # noqa: ASYNC110 - nothing tells of it but the answer
            await asyncio.sleep(0.005)
        return time.monotonic()
