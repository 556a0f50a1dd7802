"""What one process remembers for a bounded time: not a cache, since what is lost here would be believed again.

Rule: a record is there until its time is up. A store that is full forgets the oldest where that does no harm, and else
takes nothing more; it never lets somebody believe that a thing is remembered that isn't.
"""

from __future__ import annotations

from phantomgate.core.errors import Reason, Unavailable
from phantomgate.core.ports import Clock

_FIRST_SWEEP = 1024


class Remembered:
    """A store for one process. State: the records, by age, and when each ends (monotonic clock, *ticks*).

    At most *most* records; with *forgets*, the oldest goes for a new one. What is over is thrown away whenever the
    records have doubled, so that it takes no more room than what isn't.
    """

    def __init__(self, *, most: int, forgets: bool, ticks: Clock) -> None:
        self._most = most
        self._forgets = forgets
        self._ticks = ticks
        self._records: dict[bytes, tuple[float, bytes]] = {}
        self._sweep_at = min(_FIRST_SWEEP, most)

    async def get(self, key: bytes) -> bytes | None:
        """The record under *key*, while it lasts."""
        until, record = self._records.get(key, (0.0, None))
        return record if self._ticks() < until else None

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        """Keep *record* for *seconds*. Raises Unavailable when there is no room."""
        self._records.pop(key, None)
        if len(self._records) >= self._sweep_at:
            self._make_room()
        self._records[key] = (self._ticks() + seconds, record)

    async def first(self, key: bytes, seconds: float) -> bool:
        """Whether *key* is not here yet; then it is, for *seconds*. Nothing is awaited in between."""
        if await self.get(key) is not None:
            return False
        await self.put(key, b"", seconds)
        return True

    def _make_room(self) -> None:
        """Drop what is over or, where that does no harm, the oldest."""
        now = self._ticks()
        self._records = {key: kept for key, kept in self._records.items() if now < kept[0]}
        self._sweep_at = min(max(2 * len(self._records), _FIRST_SWEEP), self._most)
        if len(self._records) < self._most:
            return
        if not self._forgets:
            raise Unavailable(f"{self._most} things are remembered, want no more", reason=Reason.OVERLOADED)
        for key in list(self._records)[: max(self._most // 10, 1)]:  # some, so that it isn't done each time
            del self._records[key]

    def __len__(self) -> int:
        return len(self._records)
