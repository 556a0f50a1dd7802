"""A circuit breaker: whether a server is worth asking at all, decided by how it answered lately.

    closed ── half of 20 calls or more in 10 s fail, or 5 in a row get no answer ──► open ◄─────────────┐
      ▲                                                                               │ 1 to 30 s        │ it fails
      └──────────────────────────── it is answered ◄──── half open: one call ◄────────┘ ─────────────────┘

Rule: an open breaker costs nobody a call or a wait, and never says anything of a token: what it stops is Unavailable.
It only counts. Times are seconds of the monotonic clock. Threads may share one: at worst they try two calls for one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import ceil

from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import Clock

WINDOW = 10
"""Seconds that are looked back on."""
LEAST_CALLS, SHARE = 20, 0.5
"""How many calls there must have been in that time, and the part of them that must have failed."""
UNANSWERED = 5
"""How many calls in a row without any answer are enough by themselves."""
FIRST_REST, LONGEST_REST = 1.0, 30.0
"""Seconds until a call is tried again: doubled each time it fails, and shortened at random by up to half."""


class State(Enum):
    """What a breaker lets through: every call, none, or one to try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def _unheard(old: State, new: State) -> None:
    """Nobody listens."""


class Breaker:
    """Counts the calls to one server. State: the last seconds' calls, and since when and how long it is open.

    *jitter* gives numbers from 0 to 1; `changed` hears of each change (old, new). `why` is what the last failure was.
    """

    def __init__(self, *, ticks: Clock, jitter: Callable[[], float]) -> None:
        self.state = State.CLOSED
        self._ticks = ticks
        self._jitter = jitter
        self._epoch = 0
        self._seconds = [(-1, 0, 0)] * WINDOW  # (which second, calls, failed), by the second modulo WINDOW
        self._unanswered = 0
        self._rests = 0
        self._until = 0.0
        self.why = ""
        self.changed: Callable[[State, State], None] = _unheard

    def admit(self) -> int:
        """Let one call through: what to say with its outcome. Raises Unavailable when it must not be made."""
        if self.state is not State.CLOSED:
            left = self._until - self._ticks()
            if self.state is State.HALF_OPEN or left > 0:
                raise Unavailable(
                    f"not asked, since its last calls failed, and only one at a time tries it again: {self.why}",
                    retry_after=ceil(left) if left > 0 else 1,
                )
            self._turn(State.HALF_OPEN)
        return self._epoch

    def succeeded(self, admitted: int) -> None:
        """The call that was *admitted* has been answered."""
        if admitted != self._epoch:
            return  # of another time: what it met says nothing of now
        if self.state is State.HALF_OPEN:
            self._rests = 0
            self._turn(State.CLOSED)
            return
        self._count(failed=0)
        self._unanswered = 0

    def failed(self, admitted: int, why: str, *, answered: bool) -> None:
        """It has failed, as *why* says in words for the log; *answered*: by an answer that says so (a 5xx)."""
        if admitted != self._epoch:
            return
        self.why = why
        if self.state is State.HALF_OPEN:
            self._open()
            return
        calls, failed = self._count(failed=1)
        self._unanswered = 0 if answered else self._unanswered + 1
        if self._unanswered >= UNANSWERED or (calls >= LEAST_CALLS and failed >= SHARE * calls):
            self._open()

    def abandoned(self, admitted: int) -> None:
        """Nobody waited for it any more, so nothing is known; if it was to try the server, the next one does."""
        if admitted == self._epoch and self.state is State.HALF_OPEN:
            self._turn(State.OPEN)

    def _open(self) -> None:
        longest = min(FIRST_REST * 2.0 ** min(self._rests, 10), LONGEST_REST)
        self._rests += 1
        self._until = self._ticks() + longest * (1.0 - 0.5 * self._jitter())
        self._turn(State.OPEN)

    def _turn(self, new: State) -> None:
        old, self.state = self.state, new
        self._epoch += 1
        self._unanswered = 0
        self._seconds = [(-1, 0, 0)] * WINDOW
        self.changed(old, new)

    def _count(self, *, failed: int) -> tuple[int, int]:
        """One more call: how many there were lately, and how many of them failed."""
        now = int(self._ticks())
        second, calls, bad = self._seconds[now % WINDOW]
        if second != now:
            calls = bad = 0
        self._seconds[now % WINDOW] = (now, calls + 1, bad + failed)
        lately = [one for one in self._seconds if one[0] > now - WINDOW]
        return sum(one[1] for one in lately), sum(one[2] for one in lately)
