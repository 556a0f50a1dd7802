"""One process at a time, of all that serve the agent: a refresh token is shown to the server once, whoever holds it.

Rule: who has the claim does it; all others wait for its end, and then look whether it is done. A claim outlives the
longest that the thing may take, so that it lapses only when its process is gone, or what it did can't be told. Where
nobody can know, nobody does it; and what may have been claimed when the answer was lost is given back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from phantomgate.agent.ports import Claims
from phantomgate.core.errors import Refused, Unavailable
from phantomgate.core.ports import Clock, Once, Pause
from phantomgate.session.sealing import Random

T = TypeVar("T")

_EVERY = 0.1
"""Seconds between two looks at whether the other is done."""
_MARK_BYTES = 16


@dataclass(frozen=True, slots=True, eq=False)
class OneProcess:
    """A `Once` whose *fill*, which looks first whether it was done, runs in one process at a time.

    *once* joins those of this process; a claim lasts *seconds*, and others wait for *patience*, less than that. What
    *lost* says of what *fill* gives is that nobody else will find it: then the claim isn't given back, but lapses.
    """

    once: Once
    claims: Claims
    pause: Pause
    ticks: Clock
    random: Random = field(repr=False)
    seconds: float
    patience: float
    lost: Callable[[Any], bool]

    async def __call__(self, key: bytes, fill: Callable[[], Awaitable[T]]) -> T:
        """What *fill* gives. Raises Unavailable when another process has it for too long, or nobody can know."""
        return await self.once(key, lambda: self._alone(key, fill))

    async def _alone(self, key: bytes, fill: Callable[[], Awaitable[T]]) -> T:
        mark, end = self.random(_MARK_BYTES), self.ticks() + self.patience
        lapses = False
        try:
            while not await self.claims.claim(key, mark, self.seconds):
                if self.ticks() >= end:
                    text = f"waited {self.patience:g} s for another process that asks the same"
                    raise Unavailable(text, retry_after=1)
                await self.pause(_EVERY)
            found = await fill()
            lapses = self.lost(found)
            return found
        finally:
            if not lapses:
                with suppress(Refused):  # then it lapses; of another's mark nothing is given back
                    await self.claims.release(key, mark)
