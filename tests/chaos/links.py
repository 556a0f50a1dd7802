"""The way between two parts, which can be cut: a TCP proxy that passes bytes on, holds them, delays them, or hangs up.

Rule: it changes no byte and loses none while a connection lasts. A cut is what a network does: nothing arrives and
nobody is told (`stalled`), or connections end at once (`reset`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Literal

Way = Literal["open", "stalled", "reset"]


class Link:
    """A proxy on a port of its own to *target*. Its state: whether it passes, how slowly, and who is connected."""

    def __init__(self, target: int, passed: Callable[[bytes], None] | None = None) -> None:
        """*passed* sees what goes to *target*, once it has gone."""
        self.target = target
        self.passed = passed
        self.port = 0
        self.delay = 0.0
        """Seconds that what comes in is under way, each way."""
        self._passes = asyncio.Event()
        self._passes.set()
        self._resets = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections from now on."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def set(self, way: Way) -> None:
        """Pass everything, hold everything, or hang up on everybody, from now on."""
        self._resets = way == "reset"
        if way == "stalled":
            self._passes.clear()
            return
        self._passes.set()
        if way == "reset":
            for writer in [*self._writers]:
                _reset(writer)

    async def close(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._talk(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._resets:
            _reset(writer)
            return
        await self._passes.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._copy(reader, far_writer, self.passed))
                both.create_task(self._copy(far_reader, writer, None))
        except* (OSError, RuntimeError):
            pass  # uvloop's word for a connection that somebody hung up on meanwhile
        finally:
            self._writers -= pair
            for one in pair:
                one.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: Callable[[bytes], None] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

        async def take() -> None:
            while data := await reader.read(65536):
                await under_way.put((loop.time() + self.delay, data))
            await under_way.put((loop.time() + self.delay, b""))

        async with asyncio.TaskGroup() as taking:
            taking.create_task(take())
            while True:
                due, data = await under_way.get()
                if (left := due - loop.time()) > 0:
                    await asyncio.sleep(left)
                await self._passes.wait()
                if not data:
                    break
                writer.write(data)
                if passed is not None:
                    passed(data)
                await writer.drain()
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Hang up rudely: RST, not FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
