"""The blocking driver: coroutines that never suspend, finished by one `send(None)`; and single-flight among threads.

A blocking `async def` is a small lie, told in this folder only. It spares Lambda and WSGI an event loop, and spares us
a second copy of the decision path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from threading import BoundedSemaphore, Event, Lock
from time import sleep
from typing import Any, TypeAlias, TypeVar

from phantomgate.backends.shared_failure import anew
from phantomgate.core.errors import Reason, Unavailable
from phantomgate.core.nouns import replace
from phantomgate.core.ports import Http, HttpCall, HttpReply

T = TypeVar("T")

Left: TypeAlias = Callable[[], float]
"""For how many more seconds we may wait, always more than 0. Raises Unavailable once there are none."""


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of *coroutine*, which must never suspend. Raises RuntimeError if it does."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a part of this gateway needs an event loop; give it blocking back ends")


class _Flight:
    """One fill under way in some thread. State: what came of it, once `landed` is set."""

    __slots__ = ("failure", "landed", "result")

    def __init__(self) -> None:
        self.landed = Event()
        self.result: Any = None
        self.failure: BaseException | None = None


class SingleFlight:
    """A `Once` for threads (WSGI); where there is one thread, as on Lambda, it costs a lock. State: what is under way.

    The first caller fills in its own thread. The others wait, *patience* seconds at most, and then get Unavailable:
    `fill` has a deadline of its own, so that is only for one that got stuck.
    """

    def __init__(self, *, patience: float = 10.0) -> None:
        self._patience = patience
        self._lock = Lock()
        self._flights: dict[bytes, _Flight] = {}

    async def __call__(self, key: bytes, fill: Callable[[], Awaitable[T]]) -> T:
        """What *fill* gives, run once for all threads that ask for *key* meanwhile. Raises Refused as the port says."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                mine = self._flights[key] = _Flight()
        if flight is None:
            return await self._fly(key, mine, fill)
        if not flight.landed.wait(self._patience):
            raise Unavailable(f"waited {self._patience:g} s for a call that is under way")
        if flight.failure is not None:
            raise anew(flight.failure)
        result: T = flight.result
        return result

    async def _fly(self, key: bytes, flight: _Flight, fill: Callable[[], Awaitable[T]]) -> T:
        try:
            flight.result = result = await fill()
        except BaseException as failure:  # also the end of this thread, which the others must hear of
            flight.failure = failure
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.landed.set()
        return result


class ThreadTurns:
    """`Turns` among threads. State: how many are left."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = BoundedSemaphore(most)

    async def take(self, seconds: float) -> None:
        """As `Turns.take`."""
        if not self._left.acquire(timeout=seconds):
            raise Unavailable(
                f"{self._most} calls to the authorization server are under way already",
                retry_after=1,
                reason=Reason.OVERLOADED,
            )

    def give_back(self) -> None:
        """As `Turns.give_back`."""
        self._left.release()


class Within:
    """An `Http` around *http* whose calls take no longer than is *left*, whatever they ask for."""

    __slots__ = ("_http", "_left")

    def __init__(self, http: Http, left: Left) -> None:
        self._http, self._left = http, left

    async def send(self, call: HttpCall) -> HttpReply:
        """The reply to *call*, as `Http.send`. Raises Unavailable when no time is left for it."""
        return await self._http.send(replace(call, timeout=min(call.timeout, self._left())))


async def pause(seconds: float) -> None:
    """Wait, as a coroutine that never suspends."""
    sleep(seconds)  # noqa: ASYNC251 - this family blocks


def pausing(left: Left) -> Callable[[float], Awaitable[None]]:
    """A `pause` that is no longer than is *left*."""

    async def pause_at_most(seconds: float) -> None:
        await pause(min(seconds, left()))

    return pause_at_most
