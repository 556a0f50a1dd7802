"""One thing that an issuer publishes, fetched, kept fresh, and kept for a bounded time when it can't be had.

Rule: what is fetched replaces what was held, whole, and what can't be fetched or read never does. One fetch is under
way at a time, however many requests want it, and nobody can make us fetch more often than the pauses below.

    fetched ──── due at 80 % ──── no longer fresh ─────────────── too old
            used       │ fetched ahead,    │ used only while fetching        │ refused: Unavailable, or whatever
                       │ in the background │ fails, one attempt in 30 s      │ the last attempt was refused for
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from phantomgate.core.errors import Refused, Unavailable
from phantomgate.core.ports import Clock, Later, Once

T = TypeVar("T")

LEAST_FRESH = 60.0
MOST_FRESH = 3600.0
USUALLY_FRESH = 300.0
"""Seconds: the bounds of what the server says (RFC 9111 max-age), and what holds when it doesn't say."""
STALE = 3600.0
"""Seconds beyond its freshness for which a thing is still used while its server can't be asked."""
PAUSE = 30.0
"""Seconds between two attempts while something is held: after a failure, and for a thing that is said to be missing."""
SHORT_PAUSE = 2.0
"""Seconds between two attempts while nothing is held and every request is refused."""


class Fetched(NamedTuple, Generic[T]):
    """A thing as it came; `freshness` is in seconds, None when its server did not say."""

    value: T
    freshness: float | None


class Kept(NamedTuple, Generic[T]):
    """A thing as it is held; `until` is when it must have been looked at again (monotonic clock)."""

    value: T
    until: float


def _unheard(no: Refused, seconds: float) -> None:
    """Nobody listens."""


def _unseen(old: T, new: T) -> None:
    """Nobody looks."""


class Held(Generic[T]):
    """Holds what *fetch* gives. Its state: the thing, when it is due and too old, and how the last attempt failed.

    *name* tells it from others under the same *once*. *later* fetches ahead in the background; without it, as in the
    blocking family, the request that finds it due fetches. *failed* hears of each attempt that came to nothing, and
    for how many more seconds what is held may be used; *replaced*, of what was held when something newer takes its
    place.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[Fetched[T]]],
        once: Once,
        *,
        ticks: Clock,
        later: Later | None = None,
        failed: Callable[[Refused, float], None] = _unheard,
        replaced: Callable[[T, T], None] = _unseen,
    ) -> None:
        self.fetch = fetch
        self.once = once
        self.ticks = ticks
        self.later = later
        self.failed = failed
        self.replaced = replaced
        self._key = f"{name} {id(self)}".encode()  # the same thing by other settings is another, and fetched for itself
        self._kept: Kept[T] | None = None
        self._due = self._too_old = self._next_for_missing = float("-inf")
        self._failure: Refused | None = None
        self._fetching = self._behind = False

    async def get(self) -> Kept[T]:
        """The thing. Raises Refused as *fetch* does when there is none that may be used."""
        now = self.ticks()
        kept = self._kept
        if now < self._due:
            return kept if kept is not None and now < kept.until else self._usable()
        # Nobody waits while what we hold may be used: it is fresh still, or stale and was asked for in vain already.
        usable = kept is not None and now < self._too_old and (now < kept.until or self._failure is not None)
        if not usable or self.later is None:
            await self.once(self._key, self._refresh)
        elif not self._behind:
            self._behind = True
            self.later(self._refresh_behind)
        return self._usable()

    async def other_than(self, value: T) -> Kept[T]:
        """What is held after looking again, because something is missing in *value*: the same when it is too soon.

        Raises Refused when looking has failed, since then nobody knows whether it is missing.
        """
        for _ in range(2):  # twice, for the flight that we find may be one that has nothing to do
            if self._held_is(value) and (self._fetching or self.ticks() >= self._next_for_missing):
                await self.once(self._key, self._refresh_for_missing)
        if self._failure is not None and self._held_is(value):
            raise self._failure.again()
        return self._usable()

    def _held_is(self, value: T) -> bool:
        return self._kept is not None and self._kept.value is value

    def _usable(self) -> Kept[T]:
        kept, now = self._kept, self.ticks()
        if kept is None or now >= self._too_old:
            raise Unavailable("nothing is held") if self._failure is None else self._failure.again()
        if now < kept.until:
            return kept
        # Stale: whoever concludes something from it may remember that until the next attempt, and no longer.
        return Kept(kept.value, min(self._due, self._too_old))

    async def _refresh(self) -> None:
        if self.ticks() >= self._due:  # else another flight has landed since
            await self._attempt()

    async def _refresh_for_missing(self) -> None:
        if self.ticks() >= self._next_for_missing:
            self._next_for_missing = self.ticks() + PAUSE
            await self._attempt()

    async def _refresh_behind(self) -> None:
        try:
            await self.once(self._key, self._refresh)
        finally:
            self._behind = False

    async def _attempt(self) -> None:
        asked_at = self.ticks()  # freshness counts from the question
        self._fetching = True
        try:
            value, freshness = await self.fetch()
        except Refused as no:
            self._failure = no
            now = self.ticks()
            self._due = now + (PAUSE if now < self._too_old else SHORT_PAUSE)
            self.failed(no, max(self._too_old - now, 0.0))
        else:
            seconds = USUALLY_FRESH if freshness is None else min(max(freshness, LEAST_FRESH), MOST_FRESH)
            older, self._kept = self._kept, Kept(value, asked_at + seconds)
            self._due = asked_at + 0.8 * seconds
            self._too_old = asked_at + seconds + STALE
            self._failure = None
            if older is not None:
                self.replaced(older.value, value)
        finally:
            self._fetching = False


class Fixed(Generic[T]):
    """What is written in the settings and never changes, held as `Held` holds things."""

    def __init__(self, value: T) -> None:
        self._kept = Kept(value, float("inf"))

    async def get(self) -> Kept[T]:
        """The thing."""
        return self._kept

    async def other_than(self, value: T) -> Kept[T]:  # noqa: ARG002 - the shape of `Held`
        """The same: there is no other."""
        return self._kept
