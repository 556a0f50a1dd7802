"""Purges, to every worker of this machine and to every other machine.

Rule: a purge is acknowledged when each worker here has confirmed it and the others can read it; whoever is told "no"
tells us again, which does no harm. Machines look for news of each other a few times a second: what is published and
heard by nobody is still there for whoever was away.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from phantomgate.config.log import Level, Log, frames, kinds_of
from phantomgate.core.ports import Clock, Notes
from phantomgate.core.purge import Mark, read_note, write_note

LOOK_EVERY = 0.25
"""Seconds between two looks for what other machines have purged."""
CATCH_UP = 5.0
"""Seconds for which a machine that starts waits for the store, to hear of purges before it lets anybody in."""
_SKEW = 60.0
SHOWN = 20
"""How many purges are kept to be looked at."""


class Heard(NamedTuple):
    """One purge, for people to look at: when (Unix time), by whom, how much of which kind; never whose."""

    at: float
    how: str
    """`call`, `logout` or `event` to the listener, `agent` for the OAuth agent beside us, `machine` for another one."""
    kinds: dict[str, int]
    everywhere: bool
    """Whether all have confirmed it; else whoever told was asked to tell again."""


class Fleet:
    """Who has to know of purges. Its state: the newest note that was read, which are our own, the last purges, the
    secrets, and whether there is something of before we started that we have not heard (`unheard`).

    *tell* tells the workers and says whether all have confirmed; *notes* is what machines share, and *secret* theirs;
    whoever goes by one of *others* is heard, too.
    *least* is how many seconds a mark must last to outlive all that is remembered here, whatever others say who may
    remember for a shorter time.
    """

    def __init__(
        self,
        tell: Callable[[Sequence[Mark]], Awaitable[bool]],
        notes: Notes | None,
        secret: bytes,
        least: float,
        *,
        now: Clock,
        log: Log,
        others: tuple[bytes, ...] = (),
    ) -> None:
        self._tell = tell
        self._notes = notes
        self._secret = self._before = secret
        self._least = least
        self._others = others
        self._now = now
        self._log = log
        self.unheard = notes is not None
        self._complained = False
        self._newest = "0"
        self._ours: set[str] = set()
        self._last: deque[Heard] = deque(maxlen=SHOWN)

    def adopt(self, notes: Notes | None, secret: bytes, least: float, others: tuple[bytes, ...] = ()) -> None:
        """Share by *notes* and *secret* from now on; whoever still goes by the secret before it is heard, too."""
        self._least = least
        if notes is not self._notes:
            self._notes, self._newest = notes, "0"  # what is heard twice does no harm
        if secret != self._secret:
            self._secret, self._before = secret, self._secret
        self._others = others

    async def purge(self, marks: Sequence[Mark], how: str) -> bool:
        """Whether everybody who has to know *marks*, which came by *how*, knows them, or can."""
        good = await self._tell(marks)
        if self._notes is not None:
            name = await self._notes.tell(write_note(marks, self._secret))
            if name is not None:
                self._ours.add(name)
            good = good and name is not None
        self._note(marks, how, everywhere=good)
        return good

    def told(self) -> list[dict[str, Any]]:
        """The last purges as JSON can carry them, and how many seconds *ago* each was; the newest first."""
        return [{**one._asdict(), "ago": self._now() - one.at} for one in self._last]

    def _note(self, marks: Sequence[Mark], how: str, *, everywhere: bool) -> None:
        kinds: Counter[str] = Counter(mark.kind for mark in marks)
        self._last.appendleft(Heard(self._now(), how, dict(kinds), everywhere))

    async def catch_up(self, seconds: float = CATCH_UP) -> bool:
        """Hear of all that was purged so far; False, and a warning, when the store couldn't be asked for *seconds*."""
        looks = int(seconds / LOOK_EVERY)
        while self._notes is not None and (more := await self.look()) is not False:
            if more is None and looks <= 0:
                detail = "the store can't be asked; what was purged before is heard of when it can be"
                self._log.say(Level.WARNING, "purges_unheard", detail=detail)
                self._complained = True
                return False
            if more is None:
                looks -= 1
                await asyncio.sleep(LOOK_EVERY)
        return True

    async def listen(self) -> None:
        """Hear of what others purge, until cancelled."""
        while True:
            try:
                more = await self.look()
            except Exception as bug:  # noqa: BLE001 - whoever stops listening would believe what others have purged
                self._log.say(Level.ERROR, "bug", what="fleet", cause=kinds_of(bug), trace=frames(bug))
                more = False
            if not more:
                await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> bool | None:
        """Read what others have written since the last look, and tell the workers; whether there was anything.

        None when nobody can know.
        """
        notes = self._notes
        if notes is None:
            if self.unheard:
                await self._all_heard()
            return False
        news = await notes.news(self._newest, patient=True)
        if news is None:
            return None
        for name, note in news:
            if notes is self._notes:  # else another took its place meanwhile, and is read from its beginning
                self._newest = name
            if name in self._ours:
                self._ours.discard(name)
                continue
            try:
                age = self._now() - int(name.partition("-")[0]) / 1000
                heard = [mark._replace(seconds=max(mark.seconds, self._least)) for mark in self._read(note)]
                marks = [mark for mark in heard if age < mark.seconds + _SKEW]
            except (ValueError, OverflowError):  # a name of more digits than a time has
                self._log.say(Level.WARNING, "shared_cache_forged", detail="a purge that none of us wrote")
                continue
            if marks:
                self._note(marks, "machine", everywhere=await self._tell(marks))
        if not news and self.unheard:
            await self._all_heard()
        return bool(news)

    async def _all_heard(self) -> None:
        """Everything of before we started was heard, and each worker has been told of it; now they are told so."""
        self.unheard = False
        if self._complained:
            self._log.say(Level.INFO, "purges_heard")
        await self._tell([])

    def _read(self, note: bytes) -> list[Mark]:
        return read_note(note, self._secret, self._before, *self._others)


async def ended(listening: asyncio.Task[None], every: float = 1.0) -> None:
    """Cancel *listening*, until it is over: `asyncio.wait_for` of Python 3.11, which libraries use, may swallow it."""
    while not listening.done():
        listening.cancel()
        await asyncio.wait([listening], timeout=every)
