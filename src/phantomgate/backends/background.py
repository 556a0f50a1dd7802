"""Background work on an event loop. Rule: it ends with the loop's owner, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Background:
    """A `Later` for one event loop. State: the tasks under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __call__(self, act: Callable[[], Awaitable[None]]) -> None:
        """Run *act* in a task of its own, unless we are closing."""
        if self._closed:
            return
        task = asyncio.get_running_loop().create_task(_run(act))
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that the loop doesn't complain; the next request meets the same failure

    async def close(self) -> None:
        """Cancel what is under way, and start nothing more."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _run(act: Callable[[], Awaitable[None]]) -> None:
    await act()
