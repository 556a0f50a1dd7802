"""What the parts of every issuer are made with: `wiring` brings it, `issuing` and its kin use it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from phantomgate.config.family import HttpFor
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Refused
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import Clock, Later, Once, Random, Store
from phantomgate.resolvers.cached import Counts
from phantomgate.resolvers.marks import Marks

if TYPE_CHECKING:
    from phantomgate.config.sharing import Sharing

T = TypeVar("T")
Part: TypeAlias = Callable[[Hashable, Callable[[], Any]], Any]
"""Gives what was made for a key before, where settings may change, and else makes it: `Keeping.part`."""


def anew(key: Hashable, make: Callable[[], T]) -> T:  # noqa: ARG001 - the shape of `Keeping.part`
    """For a gateway whose settings never change: nothing was made before."""
    return make()


def unprinted(*things: Any, files: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> str:  # noqa: ARG001 - the shape of `Prints`
    """For a gateway whose settings never change: nothing is read."""
    return ""


def for_all(settings: Settings) -> tuple[object, ...]:
    """What the facts of every issuer, and how they are had, depend on besides its own settings."""
    of_facts = (settings.policy.clock_skew, settings.without_jwt, settings.serve.workers)
    return *of_facts, settings.cache, settings.resilience, settings.redis, settings.split_tokens, settings.traces


@dataclass(frozen=True, slots=True)
class Tools:
    """What every issuer's parts are made with. *once* is for tokens, *key_once* for what issuers publish."""

    settings: Settings
    http: HttpFor
    once: Once
    key_once: Once
    later: Later | None
    cache: Store
    counts: Counts
    now: Clock
    ticks: Clock
    random: Random
    timed: Callable[[float], None]
    failed: Callable[[str, str, Refused, float], None]
    """Hears of (issuer, "keys", "answer keys" or "metadata", why, for how many more seconds what is held is good)."""
    secret: bytes = field(repr=False)
    """What cache keys are made with."""
    halves: Store | None
    """Where the parts of split tokens are, where there are such."""
    split_counts: Counts
    marks: Marks
    """What was purged lately."""
    sharing: Sharing | None
    """Where other machines' answers are found, where they are shared."""
    part: Part
    prints: Callable[..., str]
    """Tells settings, and what they refer to, from any other."""
    common: str
    """The print of what the parts of every issuer depend on."""

    def of_issuer(self, name: str, make: Callable[[], T], *depends: Any) -> T:
        """What *make* makes for the issuer called *name*, or has made, when it and *depends* were as they are."""
        made: T = self.part(("issuer", name, self.common, self.prints(*depends)), make)
        return made
