"""Single-flight on an event loop: concurrent fills of one key are one.

Rule: `fill` runs in a task of its own and callers await nothing but a plain future, so the end of one caller, the first
included, is nobody else's. Nothing is remembered once a flight has landed, least of all a failure.

Up to its first suspension this needs a running loop but no current task, since the decision listener takes that step
from a protocol callback: no `asyncio.timeout` and no `asyncio.current_task` here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from phantomgate.backends.shared_failure import anew
from phantomgate.core.errors import Reason, Unavailable

T = TypeVar("T")
_Fill: TypeAlias = "asyncio.Task[Any]"
_Landing: TypeAlias = "asyncio.Future[_Fill]"


class _Flight:
    """One fill under way. State: its task, and who waits for it."""

    __slots__ = ("task", "waiters")

    def __init__(self, task: _Fill) -> None:
        self.task = task
        self.waiters: set[_Landing] = set()


class SingleFlight:
    """A `Once` for one event loop. State: the flights under way, and how many callers wait.

    More than *max_flights* keys or *max_waiters* callers at a time are refused (OVERLOADED), so that a slow
    authorization server can't fill the memory with requests that wait for it.
    """

    def __init__(self, *, max_flights: int = 1_000, max_waiters: int = 10_000) -> None:
        self._max_flights = max_flights
        self._max_waiters = max_waiters
        self._flights: dict[bytes, _Flight] = {}
        self._waiting = 0
        self._closed = False

    async def __call__(self, key: bytes, fill: Callable[[], Awaitable[T]]) -> T:
        """What *fill* gives, run once for all who ask for *key* meanwhile.

        Raises Refused anew for every caller: what *fill* refused, a bug of it as SERVER_ERROR, Unavailable when it was
        cancelled or there is no room.
        """
        if self._waiting >= self._max_waiters:
            raise Unavailable(f"{self._waiting} requests wait already", reason=Reason.OVERLOADED)
        flight = self._flights.get(key) or self._depart(key, fill)
        landing: _Landing = asyncio.get_running_loop().create_future()
        flight.waiters.add(landing)
        self._waiting += 1
        try:
            landed = await landing
        finally:
            self._waiting -= 1
            flight.waiters.discard(landing)
        result: T = _outcome(landed)
        return result

    async def close(self) -> None:
        """Cancel what is under way, whose callers get Unavailable, and refuse whatever comes later."""
        self._closed = True
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _depart(self, key: bytes, fill: Callable[[], Awaitable[Any]]) -> _Flight:
        if self._closed:
            raise Unavailable("shutting down")
        if len(self._flights) >= self._max_flights:
            raise Unavailable(f"{len(self._flights)} calls are under way already", reason=Reason.OVERLOADED)
        flight = _Flight(asyncio.get_running_loop().create_task(_run(fill)))
        self._flights[key] = flight  # and with it the only strong reference to the task

        def land(task: _Fill) -> None:  # a callback, because a task that is cancelled early never runs its `finally`
            del self._flights[key]
            for landing in flight.waiters:
                if not landing.done():
                    landing.set_result(task)
            if not task.cancelled():
                task.exception()  # looked at, even when everybody has gone, so that the loop doesn't complain

        flight.task.add_done_callback(land)
        return flight


async def _run(fill: Callable[[], Awaitable[T]]) -> T:
    return await fill()


def _outcome(landed: _Fill) -> Any:
    if landed.cancelled():
        raise Unavailable("the call that this request waited for was cancelled")
    failure = landed.exception()
    if failure is not None:
        raise anew(failure)
    return landed.result()
