"""Turns on an event loop: so many calls at a time, and who waits too long goes without.

Rule: a turn that is given back goes to whoever has waited longest, and to nobody who has gone.
"""

from __future__ import annotations

import asyncio
from collections import deque

from phantomgate.core.errors import Reason, Unavailable


class LoopTurns:
    """`Turns` for one event loop. State: how many are taken, and who waits."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, seconds: float) -> None:
        """As `Turns.take`; within a task."""
        if self._taken < self._most:
            self._taken += 1
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(seconds):
                await mine
        except BaseException as end:
            if mine.done() and not mine.cancelled():
                self.give_back()  # it was ours already
            else:
                mine.cancel()
            if isinstance(end, TimeoutError):
                raise Unavailable(
                    f"{self._most} calls to the authorization server are under way already",
                    retry_after=1,
                    reason=Reason.OVERLOADED,
                ) from None
            raise

    def give_back(self) -> None:
        """As `Turns.give_back`."""
        while self._waiting:
            next_one = self._waiting.popleft()
            if not next_one.done():
                next_one.set_result(None)  # the turn goes on, from one to the other
                return
        self._taken -= 1
