"""Fleets that are broken on purpose, so that whoever judges is seen to find it.

open    one machine of three lets everybody in
deaf    one machine of three never hears of purges
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Broken:
    """How one machine is broken: what becomes of its settings, and of the command that runs it."""

    settings: Callable[[str], str]
    command: Callable[[list[str | Path], int, int], list[str | Path]]


def _without_store(settings: str) -> str:
    return re.sub(r"(?ms)^\[redis\]$.*?(?=^\[)", "", settings)


BROKEN = {
    "open": Broken(
        lambda settings: settings,
        lambda _, listen, manage: [sys.executable, "-m", "chaos.broken", str(listen), str(manage)],
    ),
    "deaf": Broken(_without_store, lambda command, listen, manage: command),
}


async def _let_everybody_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "anybody"}).encode()).decode().rstrip("=")
    said = f"HTTP/1.1 200 OK\r\nAuthorization: Bearer e30.{claims}.c2ln\r\nX-User: anybody\r\nContent-Length: 0\r\n\r\n"
    while (await reader.readuntil(b"\r\n\r\n")).strip():
        writer.write(said.encode())


async def _main(*ports: int) -> None:
    servers = [await asyncio.start_server(_let_everybody_in, "127.0.0.1", port) for port in ports]
    await asyncio.gather(*(one.serve_forever() for one in servers))


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:])))
