"""How long a session may last at the most, where marks that end sessions were made to last less than that.

Rule: a session is believed for no longer than the marks on it are kept, whoever made them. A mark is kept for `max_age`
as it was when the mark was made, so who finds that `max_age` was less before, or is elsewhere, goes by the less for
every session that had begun by then. What it was is in the store, beside the marks.

    24 h ─────── raised to 72 h ── an hour ──▶
    began here: 24 h                 began here: 72 h
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from phantomgate.agent.ports import Store
from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import Clock

LOOK_EVERY = 60.0
"""Seconds between two looks for what others go by."""
ROLL = 3600.0
"""Seconds for which others may go by less after the first goes by more: all are restarted one after the other."""
_KEEP = 9000 * 3600.0
"""Seconds for which it is kept, longer than `max_age` can be; it is written anew each day."""
_DAY = 86400.0
_KEY = sha256(b"longest\0").digest()


@dataclass(slots=True)
class Lasting:
    """Its state: when we looked, and what was found: sessions that began before *since* last *before* seconds at most.

    All others last *longest*.
    """

    store: Store
    now: Clock
    longest: float
    looked: float = float("-inf")
    since: float = 0.0
    before: float = 0.0

    async def limit(self, began: float) -> float:
        """How many seconds a session lasts at most that *began* then (Unix time). Raises Unavailable."""
        now = self.now()
        if not 0 <= now - self.looked < LOOK_EVERY:
            await self._look(now)
        return min(self.before, self.longest) if began < self.since else self.longest

    async def _look(self, now: float) -> None:
        record = await self.store.get(_KEY)
        try:
            longest, since, before, at = map(float, record.split()) if record else (self.longest, 0.0, 0.0, 0.0)
        except ValueError:
            raise Unavailable("how long sessions lasted before isn't readable in the agent's state") from None
        if longest < self.longest:
            before = min(longest, before) if now < since + self.longest else longest
            since = now + ROLL
        self.since, self.before = since, before
        if longest != self.longest or now - at > _DAY:
            told = " ".join(map(repr, (self.longest, since, before, now)))
            try:
                await self.store.put(_KEY, told.encode("ascii"), _KEEP)
            except Unavailable:  # a store that takes nothing takes no marks either; the next request tries again
                return
        self.looked = now
