"""How one authorization server is called when days are bad: seldom in vain, never too many at a time, never for long.

Rule: whatever this does, a call ends within its own time, and ends in a reply or a refusal. Only questions are asked
twice: a call that may change something at the server is made once. Here is no word about what replies mean.

    breaker ──► turn ──► call ──► a failure that may pass? ──► pause ──► breaker ──► turn ──► call, the last
       │          │
       │          └─► Unavailable (OVERLOADED): too many are under way, and none ended soon enough
       └─► Unavailable: not asked
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias, get_args

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.nouns import dataclass, field, replace
from phantomgate.core.ports import Clock, Http, HttpCall, HttpReply, Turns
from phantomgate.resolvers.breaker import Breaker, State

LONGEST_PAUSE = 0.1
"""Seconds before a call is made again: at random, up to this."""
LEAST_LEFT = 0.4
"""The part of a call's time that must be left for another try."""
BUDGET, SAVED = 0.1, 10.0
"""Tries again for each call, and how many may be saved up: so a server in trouble gets a tenth more calls at most."""
PASSING = frozenset((502, 503, 504))
"""Statuses that another instance of the server may not give."""

How: TypeAlias = Literal[
    "answered", "no_address", "no_connection", "no_tls", "cut_off", "timeout", "malformed", "status_429", "status_5xx"
]
"""What came of a call."""
OUTCOMES: Final[tuple[How, ...]] = get_args(How)


@dataclass(slots=True)
class Calls:
    """What was counted of the calls to one server, and how its breaker stands."""

    by_outcome: dict[str, int] = field(default_factory=dict)
    retries: int = 0
    in_flight: int = 0
    shed: dict[str, int] = field(default_factory=lambda: {"breaker": 0, "turns": 0})
    """Calls that were not made, by why: the breaker was open, or too many were under way."""
    opened: int = 0
    state: State = State.CLOSED


def _unheard(seconds: float, how: str) -> None:
    """Nobody listens."""


class Guarded:
    """An `Http` around *http* for one server. State: what may be tried again, and `calls`, what was counted.

    *breaker* None: every call is made; *retries* False: each only once. *most_wait* is how many seconds a call may wait
    for its turn; *pause* waits; *jitter* gives numbers from 0 to 1; *heard* is told (seconds, how) of each call made.
    What is held, keys and metadata, is fetched at distances that `Held` keeps: it is only counted here.
    """

    def __init__(
        self,
        http: Http,
        turns: Turns,
        *,
        breaker: Breaker | None,
        retries: bool,
        most_wait: float,
        pause: Callable[[float], Awaitable[None]],
        ticks: Clock,
        jitter: Callable[[], float],
        calls: Calls,
        heard: Callable[[float, How], None] = _unheard,
    ) -> None:
        self.http = http
        self.turns = turns
        self.breaker = breaker
        self.retries = retries
        self.most_wait = most_wait
        self.pause = pause
        self.ticks = ticks
        self.jitter = jitter
        self.calls = calls
        self.heard = heard
        self._budget = 1.0

    async def send(self, call: HttpCall) -> HttpReply:
        """The reply to *call*, as `Http.send`. Raises Unavailable also when the call is not made."""
        if call.held:
            return await self._call(call)
        until = self.ticks() + call.timeout
        self._budget = min(self._budget + BUDGET, SAVED)
        try:
            reply = await self._asked(call, until)
        except Unavailable as no:
            if not self._once_more(call, until) or not no.kind:
                raise
        else:
            if reply.status not in PASSING or b"retry-after" in reply.headers or not self._once_more(call, until):
                return reply
        self._budget -= 1.0
        self.calls.retries += 1
        await self.pause(LONGEST_PAUSE * self.jitter())
        return await self._asked(call, until)

    def _once_more(self, call: HttpCall, until: float) -> bool:
        """Whether a call that has failed may be made again."""
        enough = until - self.ticks() >= LEAST_LEFT * call.timeout
        return self.retries and call.retry and enough and self._budget >= 1.0

    async def _asked(self, call: HttpCall, until: float) -> HttpReply:
        """One try: the breaker's word, its turn, the call. All of it is over at *until*."""
        breaker = self.breaker
        # Which breaker there is may have changed, and with it the state of the figures that outlive it
        self.calls.state = State.CLOSED if breaker is None else breaker.state
        if breaker is None:
            return await self._in_turn(call, until)
        try:
            admitted = breaker.admit()
        except Unavailable:
            self.calls.shed["breaker"] += 1
            raise
        try:
            reply = await self._in_turn(call, until)
        except Unavailable as no:
            if no.reason is Reason.OVERLOADED:
                breaker.abandoned(admitted)  # it was not made
            else:
                breaker.failed(admitted, no.detail, answered=False)
            raise
        except Refused:
            breaker.succeeded(admitted)  # nonsense, and an answer: what it is worth is said elsewhere
            raise
        except BaseException:
            breaker.abandoned(admitted)
            raise
        if reply.status == 429 or reply.status >= 500:
            breaker.failed(admitted, f"it answered {reply.status}", answered=True)
        else:
            breaker.succeeded(admitted)
        return reply

    async def _in_turn(self, call: HttpCall, until: float) -> HttpReply:
        try:
            await self.turns.take(min(self.most_wait, max(until - self.ticks(), 0.0)))
        except Unavailable:
            self.calls.shed["turns"] += 1
            raise
        try:
            return await self._call(replace(call, timeout=max(round(until - self.ticks(), 2), 0.01)))
        finally:
            self.turns.give_back()

    async def _call(self, call: HttpCall) -> HttpReply:
        """The call itself, counted."""
        began = self.ticks()
        how: How = "cut_off"
        self.calls.in_flight += 1
        try:
            reply = await self.http.send(call)
            how = "status_429" if reply.status == 429 else "status_5xx" if reply.status >= 500 else "answered"
        except Unavailable as no:
            how = _kind(no)
            raise
        except Refused as no:
            how = "malformed" if no.reason is Reason.BAD_ANSWER else how
            raise
        finally:
            self.calls.in_flight -= 1
            self.calls.by_outcome[how] = self.calls.by_outcome.get(how, 0) + 1
            self.heard(self.ticks() - began, how)
        return reply


def _kind(no: Unavailable) -> How:
    match no.kind:
        case "no_address" | "no_connection" | "no_tls" | "timeout":
            return no.kind
        case _:
            return "cut_off"
