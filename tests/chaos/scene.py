"""Where a fault happens, what a fault is, and in which order they come.

Rule: a promise is the documentation's: `known` for tokens that were asked about within `cache.max_age`, `new` for those
that nobody has seen; None where nothing is promised. What a fault does to a window it tells the oracle, by the name
that the documentation has for it; nothing else lengthens one.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from math import inf

from chaos.fleet import Fleet, Machine
from chaos.judge import Judge
from chaos.population import Population
from chaos.stores import Kind

ALL = 0.95
"""Of those who must be let in, "all": on a machine that others load too, one or the other may wait too long."""


@dataclass
class Scene:
    """Where a fault happens."""

    fleet: Fleet
    population: Population
    judge: Judge
    seed: random.Random

    def machine(self) -> Machine:
        """One of them."""
        return self.seed.choice(self.fleet.machines)

    @contextmanager
    def deaf(self, after: float = 0.0) -> Iterator[None]:
        """While the block lasts, and for *after* more seconds, some machine hears of no purges."""
        with _lasting(self.fleet.oracle.deaf, after):
            yield

    @contextmanager
    def unasked(self) -> Iterator[None]:
        """While the block lasts, the authorization server can't be asked."""
        with _lasting(self.fleet.oracle.unasked, 0.0):
            yield


@contextmanager
def _lasting(spans: list[tuple[float, float]], after: float) -> Iterator[None]:
    begin = time.monotonic()
    spans.append((begin, inf))
    try:
        yield
    finally:
        spans.remove((begin, inf))
        spans.append((begin, time.monotonic() + after))


How = Callable[[Scene], AsyncIterator[None]]


@dataclass(frozen=True)
class Fault:
    """One row of the table. *stores* are those it is tried with; *clock*: a clock is wrong by more than is forgiven;
    *rests*: the shared cache is left alone afterwards, for about as long as it was away."""

    name: str
    how: Callable[[Scene], AbstractAsyncContextManager[None]]
    known: float | None = ALL
    new: float | None = ALL
    stores: tuple[Kind, ...] = ("cluster",)
    clock: bool = False
    rests: bool = False
    early: bool = False
    """Whether it comes before the others, since what comes of it shows after a minute."""


FAULTS: list[Fault] = []


def fault(name: str, **promise: object) -> Callable[[How], How]:
    """Puts a block into the list."""

    def listed(how: How) -> How:
        FAULTS.append(Fault(name, asynccontextmanager(how), **promise))  # type: ignore[arg-type]
        return how

    return listed


def in_order(faults: Sequence[Fault], seed: random.Random) -> list[Fault]:
    """*faults* as the seed has them: but for the first, and those that come early."""
    first, rest = list(faults[:1]), list(faults[1:])
    seed.shuffle(rest)
    early = [one for one in rest if one.early]
    return [*first, *early, *(one for one in rest if not one.early)]
