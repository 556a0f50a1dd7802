"""Messages between the supervisor and a worker: JSON objects behind a length of four bytes, on a pair of sockets.

Rule: a message is whole or it is not there. Settings and counts cross here, and neither an argument list nor a file
ever shows them; secrets don't, but for one that settings no longer name, by which marks of purges are known. The end
of the stream is how each side learns that the other is gone.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any, Self, TypeAlias

Message: TypeAlias = dict[str, Any]

LONGEST = 16 * 1024 * 1024
"""Bytes of a message; settings with very many routes are far below."""


def write_message(message: Mapping[str, Any]) -> bytes:
    """*message* as it crosses. Raises ValueError when it is longer than `LONGEST`."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > LONGEST:
        raise ValueError(f"a message of {len(body)} bytes, want at most {LONGEST}")
    return len(body).to_bytes(4, "big") + body


class Channel:
    """One end. Its state: the stream, and whether it is closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """The channel whose end is *end*, which it owns from now on."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, message: Mapping[str, Any]) -> None:
        """Send *message* without waiting; nothing happens when the other side is gone."""
        if not self._writer.is_closing():
            self._writer.write(write_message(message))

    async def receive(self) -> Message | None:
        """The next message, or None when the other side is gone or sends what is no message."""
        try:
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            message = json.loads(await self._reader.readexactly(size)) if size <= LONGEST else None
        except (asyncio.IncompleteReadError, OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    async def close(self) -> None:
        """Send what is left and close."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return
