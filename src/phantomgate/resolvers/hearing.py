"""Hears of purges from the store that machines share, where nobody tells us of them: in a function, in an application.

Rule: nothing that is remembered is believed before it was looked what others have purged in the last half second. A
store that can't be asked is no reason to refuse; then what is remembered ends with its own time, as without purges.
Unless it could never be asked since we started, and whoever runs this wants nobody let in before: see `Knowing`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Token
from phantomgate.core.ports import Clock, Notes, Once, Resolver
from phantomgate.core.purge import read_note
from phantomgate.resolvers.marks import Marks

LOOK_EVERY = 0.5
"""Seconds between two looks. A process that was asleep looks before it decides anything."""
SKEW = 60.0
"""Seconds by which the store's clock and ours may differ."""
MOST_ROUNDS = 128
"""How often the store is asked in one look, a thousand notes each: it keeps fewer, unless it is broken."""
UNHEARD = "what was purged before the start isn't known: the store of [redis] could not be asked yet"
_NEWS = b"what was purged"


class Hearing:
    """A resolver around *inner* that puts into *marks* what others write into *notes*, authenticated by *secret*.

    Its state: the newest note that was read, and when to look again. A purge is over after *seconds*, by which all is
    forgotten that is remembered here, or later if whoever told says so. *once* has those who come together look
    together, and *forged* hears of a note that none of us wrote.
    """

    def __init__(
        self,
        inner: Resolver,
        marks: Marks,
        notes: Notes,
        secret: bytes,
        *,
        seconds: float,
        once: Once,
        now: Clock,
        ticks: Clock,
        forged: Callable[[], None],
    ) -> None:
        self.inner = inner
        self.marks = marks
        self.notes = notes
        self.secret = secret
        self.seconds = seconds
        self.once = once
        self.now = now
        self.ticks = ticks
        self.forged = forged
        self._newest = f"{max(int((now() - seconds - SKEW) * 1000), 0)}-0"
        self._again_at = float("-inf")
        marks.unheard = True

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """As *inner* does, with what others have purged in mind. Raises Refused."""
        if self.ticks() >= self._again_at:
            with suppress(Refused):  # nobody can look now; whoever is refused for that, is refused by *inner*
                await self.once(_NEWS, self.look)
        return await self.inner.resolve(credential, route)

    async def look(self) -> None:
        """Read what others have written since the last look."""
        for _ in range(MOST_ROUNDS):
            news = await self.notes.news(self._newest)
            for name, note in news or ():
                self._newest = name
                self._hear(name, note)
            if not news:
                if news is not None:
                    self.marks.unheard = False
                break
        self._again_at = self.ticks() + LOOK_EVERY

    def _hear(self, name: str, note: bytes) -> None:
        try:
            age = self.now() - int(name.partition("-")[0]) / 1000
            for mark in read_note(note, self.secret, *self.marks.others):
                seconds = max(mark.seconds, self.seconds)  # who told may remember for a shorter time than we do
                if age < seconds + SKEW:
                    self.marks.put(mark._replace(seconds=seconds))
        except (ValueError, OverflowError):  # a name of more digits than a time has
            self.forged()


class Knowing:
    """A resolver around *inner* that lets nobody in while *marks* may lack what was purged before we started.

    Not even those whose server says now that they are active: a token or session that was purged stays over whatever it
    says. A class only because both stay together.
    """

    def __init__(self, inner: Resolver, marks: Marks) -> None:
        self.inner = inner
        self.marks = marks

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """As *inner* does. Raises Refused, and Unavailable before it is known what was purged."""
        if self.marks.unheard:
            raise Unavailable(UNHEARD, reason=Reason.PURGES_UNHEARD)
        return await self.inner.resolve(credential, route)
