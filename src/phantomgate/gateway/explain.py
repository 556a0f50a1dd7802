"""Watch one decision: the same gateway, with a recording part in each slot. `decide` knows nothing of it.

Rule: a recording part gives and raises exactly what the part inside it does; it only remembers. Steps hold the real
credential, token and headers: whoever prints them masks them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

from phantomgate.core.model import Credential, HeaderChange, Request, Route, Token
from phantomgate.core.nouns import dataclass, field, replace
from phantomgate.core.ports import Clock, Policy, Resolver
from phantomgate.gateway.gateway import Gateway

T = TypeVar("T")
Gave = Route | Credential | Token | HeaderChange


@dataclass(frozen=True, slots=True)
class Step:
    """What one part did: what it *gave*, or how it *refused*, and how many seconds that took."""

    verb: Literal["match", "find", "resolve", "judge", "forward"]
    name: str
    """Which policy judged; the verb itself for all others."""
    seconds: float
    gave: Gave | None = field(default=None, repr=False)
    refused: Exception | None = field(default=None, repr=False)


def recording(gateway: Gateway, policy_names: Sequence[str], ticks: Clock) -> tuple[Gateway, list[Step]]:
    """A gateway that decides as *gateway* does, and the list that fills with its steps, in order.

    *policy_names* are what its policies are called, one each; *ticks* is the monotonic clock.
    """
    record = _Record(ticks)
    judges = [_judging(record, name, judge) for name, judge in zip(policy_names, gateway.policies, strict=True)]
    watched = replace(
        gateway,
        match=lambda request: record.during("match", "match", lambda: gateway.match(request)),
        find=lambda request: record.during("find", "find", lambda: gateway.find(request)),
        resolver=_Resolving(record, gateway.resolver),
        policies=judges,
        forward=lambda route, token: record.awaiting("forward", gateway.forward(route, token)),
    )
    return watched, record.steps


class _Record:
    """The steps so far."""

    def __init__(self, ticks: Clock) -> None:
        self.steps: list[Step] = []
        self._ticks = ticks

    def during(self, verb: _Verb, name: str, act: Callable[[], T]) -> T:
        """What *act* gives or raises, written down."""
        began = self._ticks()
        try:
            gave = act()
        except Exception as no:
            self.steps.append(Step(verb, name, self._ticks() - began, refused=no))
            raise
        self.steps.append(Step(verb, name, self._ticks() - began, gave if isinstance(gave, Gave) else None))
        return gave

    async def awaiting(self, verb: _Verb, act: Awaitable[T]) -> T:
        """The same for what waits."""
        began = self._ticks()
        try:
            gave = await act
        except Exception as no:
            self.steps.append(Step(verb, verb, self._ticks() - began, refused=no))
            raise
        self.steps.append(Step(verb, verb, self._ticks() - began, gave if isinstance(gave, Gave) else None))
        return gave


_Verb = Literal["match", "find", "resolve", "judge", "forward"]


class _Resolving:
    """A resolver that is written down."""

    def __init__(self, record: _Record, inner: Resolver) -> None:
        self._record = record
        self._inner = inner

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """As the resolver inside."""
        return await self._record.awaiting("resolve", self._inner.resolve(credential, route))


def _judging(record: _Record, name: str, judge: Policy) -> Policy:
    def judged(request: Request, route: Route, token: Token) -> None:
        record.during("judge", name, lambda: judge(request, route, token))

    return judged
