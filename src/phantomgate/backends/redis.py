"""Redis or Valkey as the store that machines share.

Rule: nothing that the store does is an error of ours, nor anybody's answer. It fails, is slow, says nonsense: a miss,
and counted. After a failure it is left alone for a while, and then one caller at a time tries it again; what can't be
counted on is never waited for by many. Values are bytes that we don't look at; `sealed` does.

What an ACL user needs: +get +set +del +pttl +strlen +eval +ping +xadd +xrange on ~PREFIX:*, and in a
cluster +cluster|slots, +cluster|shards, +readonly and +command.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import redis

from phantomgate.backends.redis_client import TRIAL_SECONDS, Act
from phantomgate.core.ports import Clock
from phantomgate.core.typed import Protocol

MOST_BYTES = 65536
"""A longer value isn't fetched: whoever may write into the store can't fill our memory."""
MOST_NOTES = 100_000
"""How many purges are kept for machines that were away, about."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 10.0
"""Seconds for which the store is left alone after a failure: doubled each time until it is counted on again."""
PROVEN, UNPROVEN_PAUSE = 10, 0.5
"""It is, once it has been well for so many times as long as it was left alone, so that not many wait for one that is
now slow, now well; which is left alone for so many seconds at most."""
NOTES_SECONDS, NOTES_PAUSE = 1.0, 1.0
"""The same for purges, which no request waits for: how long they may take at least, and the longest pause."""
FULL_EVERY = 60.0  # seconds between two log lines about a store that has no room
_GET = "local v=redis.call('STRLEN',KEYS[1])<=tonumber(ARGV[1]) and redis.call('GET',KEYS[1]) \
return v and redis.call('PTTL',KEYS[1])..':'..v"
"""One string, since redis-py reads that with less effort than a list of two."""
_DIGITS = 16


class Told(Protocol):
    """Where what goes wrong is counted: `SharedCounts`."""

    faults: int
    skipped: int


class Fault(Exception):
    """The store gave no usable answer."""


class RedisStore:
    """A `SharedStore`. Its state: whether the store can be counted on, since when it can't, when it was said to be
    full, and how many ask it now.

    *act* runs commands, and *close* ends its connections; *timeout*, in seconds, is for each. Names begin with
    *prefix*. *said* hears (event, why) when the store is lost, when it is back, and now and then that it is full.
    """

    def __init__(
        self,
        act: Act,
        close: Callable[[], Awaitable[None]],
        *,
        prefix: str,
        timeout: float,
        ticks: Clock,
        counts: Told,
        said: Callable[[str, str], None],
        most: int = 64,
    ) -> None:
        self._act = act
        self._close = close
        self._value, self._claim = f"{prefix}:v1:".encode(), f"{prefix}:ask:".encode()
        self._notes = f"{prefix}:purges".encode()
        self._timeout = timeout
        self._ticks = ticks
        self._counts = counts
        self._said = said
        self._most = most
        self._busy = 0
        self._good = self._trying = self._lost = False
        self._again_at = self._failed_at = self._good_since = self._full_at = float("-inf")
        self._pause = 0.0

    async def get(self, key: bytes) -> tuple[bytes, float] | None:
        """The value under *key* and the seconds it has left, or None."""
        with suppress(Fault):
            found = await self._try("EVAL", _GET, 1, self._value + key, MOST_BYTES)
            if isinstance(found, bytes):
                left, colon, value = found.partition(b":")
                if colon and len(left) <= _DIGITS and left.isdigit() and int(left) > 0:
                    return value, int(left) / 1000
        return None

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        """Keep *record* for at most *seconds*; one too large, or for less than a millisecond, is not kept."""
        left = int(seconds * 1000)
        if left > 0 and len(record) <= MOST_BYTES:
            with suppress(Fault):
                await self._try("SET", self._value + key, record, "PX", left)

    async def claim(self, key: bytes, seconds: float) -> bool:
        """Whether *key* is ours for *seconds*. Yes when the store can't be asked: then everybody asks for himself."""
        try:
            return await self._try("SET", self._claim + key, b"1", "NX", "PX", max(int(seconds * 1000), 1)) is not None
        except Fault:
            return True

    async def release(self, key: bytes) -> None:
        """Others may claim *key*."""
        with suppress(Fault):
            await self._try("DEL", self._claim + key)

    async def tell(self, note: bytes) -> str | None:
        """The name of *note*, which other machines can read now; None when they can't."""
        with suppress(Fault):
            name = await self._try("XADD", self._notes, "MAXLEN", "~", MOST_NOTES, "*", b"n", note, patient=True)
            if isinstance(name, bytes):
                return name.decode("ascii", "replace")
        return None

    async def news(self, since: str, *, patient: bool = False) -> list[tuple[str, bytes]] | None:
        """The notes newer than *since*, oldest first; None when the store can't be asked."""
        with suppress(Fault, ValueError, TypeError, AttributeError):
            first = f"({since}" if since != "0" else "-"
            found = await self._try("XRANGE", self._notes, first, "+", "COUNT", 1000, patient=patient)
            notes = ((name.decode("ascii"), _fields(fields).get(b"n")) for name, fields in found or ())
            return [(name, note) for name, note in notes if isinstance(note, bytes)]
        return None

    async def ask(self) -> str:
        """What is wrong with the store, or nothing; then it is connected, and no request has to try it first."""
        try:
            await self._act(("PING",), 10 * TRIAL_SECONDS)
        except Exception as no:  # noqa: BLE001 - as in `_try`
            return _why(no)
        self._recovered()
        return ""

    async def close(self) -> None:
        """End the connections; whatever is asked later is a miss."""
        self._again_at = self._failed_at = float("inf")
        self._good = False
        with suppress(Exception):
            await self._close()

    async def _try(self, *command: Any, patient: bool = False) -> Any:
        """What the store answers; *patient*: no request waits for it. Raises Fault."""
        good, again_at, seconds = self._good, self._again_at, self._timeout
        if patient:
            again_at, seconds = min(again_at, self._failed_at + NOTES_PAUSE), max(seconds, NOTES_SECONDS)
        if self._busy >= self._most or not (good or (not self._trying and self._ticks() >= again_at)):
            self._counts.skipped += 1
            raise Fault
        self._busy += 1
        self._trying = self._trying or not good
        try:
            answer = await self._act(command, seconds if good else max(TRIAL_SECONDS, seconds))
        except redis.OutOfMemoryError as no:  # nothing more is taken; what is there can be read
            self._counts.faults += 1
            if self._ticks() >= self._full_at + FULL_EVERY:
                self._full_at = self._ticks()
                self._said("shared_cache_full", _why(no))
            raise Fault from None
        except redis.ResponseError as no:
            self._counts.faults += 1
            if type(no) is not redis.ResponseError:  # read-only, loading: not the key's fault
                self._lose(no)
            raise Fault from None
        except Exception as no:  # noqa: BLE001 - whatever a broken store makes of its library, the request goes on
            self._counts.faults += 1
            self._lose(no)
            raise Fault from None
        finally:
            self._busy -= 1
            if not good:
                self._trying = False
        self._recovered()
        if self._lost:
            self._lost = False
            self._said("shared_cache_back", "")
        return answer

    def _recovered(self) -> None:
        if not self._good:
            self._good, self._good_since = True, self._ticks()

    def _lose(self, no: Exception) -> None:
        now = self._ticks()
        if self._good or not self._lost:
            self._lost = True
            self._said("shared_cache_lost", _why(no))
        elif now < self._again_at:
            return  # one of several that failed together
        if self._good and now - self._good_since >= PROVEN * self._pause:
            self._pause = 0.0
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), UNPROVEN_PAUSE if self._good else LONGEST_PAUSE)
        self._good = False
        self._failed_at, self._again_at = now, now + self._pause


def _fields(said: Any) -> dict[Any, Any]:
    """The fields of a note: as it was sent, or as redis-py's client reads it."""
    return said if isinstance(said, dict) else dict(zip(said[::2], said[1::2], strict=True))


def _why(no: Exception) -> str:
    """What went wrong, in words that hold nothing of ours: the library's own may quote a command."""
    kinds = [kind.__name__ for kind in type(no).__mro__[:-3]]
    return " ".join(kinds[:2]) or type(no).__name__
