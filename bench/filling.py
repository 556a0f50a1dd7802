"""Filling a cache through the front door: every token once, every answer compared with the JWT it should be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import uvloop

from measure import Broken
from ours import ASKED
from tokens import jwt_for, token

_HEAD = "GET /decide HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in ASKED.items())


def fill(port: int, count: int, expires_at: int, say: Callable[[str], None]) -> None:
    """Ask for tokens 0 to *count* on 32 connections. Raises Broken at the first wrong answer."""
    uvloop.run(_fill(port, count, expires_at, say))


async def _fill(port: int, count: int, expires_at: int, say: Callable[[str], None]) -> None:
    numbers = iter(range(count))
    async with asyncio.TaskGroup() as group:
        for _ in range(32):
            group.create_task(_one_connection(port, numbers, expires_at, say))


async def _one_connection(port: int, numbers: Iterator[int], expires_at: int, say: Callable[[str], None]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        opaque = token(number)
        writer.write(f"{_HEAD}Authorization: Bearer {opaque}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200") or jwt_for(opaque, expires_at).encode() not in head:
            raise Broken(f"filling: token {number} got {head[:200]!r}")
        if number % 100_000 == 99_999:
            say(f"  filled {number + 1:,}")
    writer.close()
