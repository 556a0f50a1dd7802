"""One connection to a Redis on which many commands are under way, sent and answered in one order.

Rule: an answer goes to whoever asked in its turn, or to nobody. Who is cancelled leaves his turn behind, so that the
answer which comes late is not the next one's. A line on which an answer is late, or anything else goes wrong, is given
up with all that was asked on it; not late is one that was there in time, while we were busy with something else.
What is asked in one round of the event loop is sent at once: it is the system calls
and redis-py's care for each command that cost. Connecting, and what is said on the wire, is redis-py's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import redis

_LOOKS = 4
"""Rounds of the event loop in which what has come is read and handed out, TLS included, before an answer is late."""


class _Line:
    """A connection that is up. State: what is to be sent, who waits for an answer, in the order in which they have
    asked, and the tasks that send and read."""

    __slots__ = ("asked", "connection", "over", "something", "tasks", "unsent")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.unsent: list[bytes] = []
        self.something = asyncio.Event()
        self.asked: deque[asyncio.Future[Any]] = deque()
        self.tasks: list[asyncio.Task[None]] = []
        self.over = False

    def ask(self, command: Sequence[Any]) -> asyncio.Future[Any]:
        """The answer to *command*, which is sent with whatever else is asked in this round of the loop."""
        self.unsent += self.connection.pack_command(*command)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked.append(answer)
        self.something.set()
        return answer


class Lines:
    """An `Act` for one server, whose connections *pool* of redis-py makes. State: the line that is up, if one is."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._line: _Line | None = None
        self._closed = False
        self._connecting = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def act(self, command: Sequence[Any], seconds: float) -> Any:
        """What the server answers to *command*. Raises TimeoutError, and what redis-py raises."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        line = self._line
        if line is None:
            async with asyncio.timeout(seconds):
                line = await self._connected()
        answer = line.ask(command)
        late = loop.call_at(until, once_read, lambda: self._is_late(line, answer))
        try:
            return await answer
        finally:
            if not answer.cancelled():  # else it is still to come, and may not come
                late.cancel()

    async def close(self) -> None:
        """Give up what is asked, and the connection, for good."""
        self._closed = True
        if self._line is not None:
            self._give_up(self._line, redis.ConnectionError())
        while self._ending:
            await asyncio.wait(self._ending)

    async def _connected(self) -> _Line:
        async with self._connecting:
            if self._line is None:
                line = _Line(await self._pool.get_connection())
                if self._closed:
                    await self._hang_up(line)
                    raise redis.ConnectionError
                loop = asyncio.get_running_loop()
                line.tasks = [loop.create_task(self._until_over(line, does)) for does in (_send, _read)]
                self._line = line
            return self._line

    async def _until_over(self, line: _Line, does: Callable[[_Line], Awaitable[None]]) -> None:
        try:
            await does(line)
        except Exception as no:  # noqa: BLE001 - whatever a broken server makes of the library
            self._give_up(line, no)

    def _is_late(self, line: _Line, answer: asyncio.Future[Any]) -> None:
        if answer in line.asked:  # whether or not anybody waits for it
            self._give_up(line, TimeoutError())

    def _give_up(self, line: _Line, no: Exception) -> None:
        """Nobody asks on *line* any more; of who has asked, the first hears of *no*, the others that the line ended."""
        if line.over:
            return
        line.over = True
        if self._line is line:
            self._line = None
        for answer in line.asked:
            if not answer.done():
                answer.set_exception(no)
                no = redis.ConnectionError()  # each his own
        hanging_up = asyncio.get_running_loop().create_task(self._hang_up(line))
        self._ending.add(hanging_up)
        hanging_up.add_done_callback(self._ending.discard)

    async def _hang_up(self, line: _Line) -> None:
        for task in line.tasks:
            task.cancel()
        await asyncio.gather(*line.tasks, return_exceptions=True)
        with suppress(Exception):
            await line.connection.disconnect(nowait=True)
        with suppress(Exception):
            await self._pool.release(line.connection)


def once_read(then: Callable[[], None], looks: int = _LOOKS) -> None:
    """Call *then* when the loop has read all that is there now: after so many rounds."""
    if looks:
        asyncio.get_running_loop().call_soon(once_read, then, looks - 1)
    else:
        then()


async def _send(line: _Line) -> None:
    """Send what is asked: all of one round of the loop at once."""
    while await line.something.wait():
        line.something.clear()
        packed, line.unsent = line.unsent, []
        await line.connection.send_packed_command(packed, check_health=False)


async def _read(line: _Line) -> None:
    """Hand out the answers, each to whoever is the next. Raises IndexError for one that nobody has asked for."""
    read = line.connection.read_response
    said: Any
    while True:
        try:
            said, wrong = await read(), None
        except redis.ResponseError as no:  # the answer to one command, and nobody else's
            said, wrong = None, no
        answer = line.asked.popleft()
        if answer.done():
            continue
        if wrong is None:
            answer.set_result(said)
        else:
            answer.set_exception(wrong)
