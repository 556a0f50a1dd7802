"""From [redis] to the facts that machines share.

Rule: the library is imported only where something is shared, and the store is not contacted before somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from phantomgate.backends.secrets import read_secret
from phantomgate.config.family import Family
from phantomgate.config.network import read_address
from phantomgate.config.settings import Revocation, Settings
from phantomgate.core.errors import Problem
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import Clock, Notes, Once, Pause, Resolver, SharedFacts
from phantomgate.resolvers.keys import Keys
from phantomgate.resolvers.marks import Marks
from phantomgate.resolvers.shared import Shared, SharedCounts

if TYPE_CHECKING:
    from phantomgate.backends.redis_client import Place

LEAST_SECRET = 32
"""Characters: whoever has a token and guesses it can write what we believe of it."""
FORGED_EVERY = 60.0
"""Seconds between two log lines about values that none of us wrote."""

Say = Callable[[str, str], None]
"""Hears (event, why) of a store that is lost, back, or tampered with."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What [redis] refers to, read."""

    secret: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    sentinel_password: str = field(default="", repr=False)
    others: tuple[str, ...] = field(default=(), repr=False)
    """By which purges are believed, too."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """What resolvers share through, and what ends it. *trouble* says what is wrong with the store, or nothing."""

    facts: SharedFacts
    counts: SharedCounts
    pause: Pause
    now: Clock
    ticks: Clock
    where: str
    notes: Notes
    trouble: Callable[[], Coroutine[Any, Any, str]] = field(repr=False)
    close: Callable[[], Coroutine[Any, Any, None]] = field(repr=False)

    def around(
        self,
        inner: Resolver,
        keys: Sequence[Keys],
        context: tuple[str, ...],
        name: str,
        timeout: float,
        marks: Marks | None,
    ) -> Resolver:
        """*inner*, asked by one machine for all: it takes *timeout* seconds at most, and *keys* prove its answers."""
        return Shared(
            inner,
            self.facts,
            context=context,
            keys=keys,
            patience=timeout / 2,
            pause=self.pause,
            now=self.now,
            ticks=self.ticks,
            name=name,
            counts=self.counts,
            marks=marks,
        )

    def knowing(self, resolver: Resolver, marks: Marks, rule: Revocation) -> Resolver:
        """*resolver*, which lets nobody in before it is known what was purged, where *rule* says so."""
        from phantomgate.resolvers.hearing import Knowing

        return Knowing(resolver, marks) if rule.unheard == "refuse" else resolver

    def heard(self, resolver: Resolver, marks: Marks, once: Once, seconds: float) -> Resolver:
        """*resolver*, which hears first what other machines have purged and nobody tells us; for *seconds* at most."""
        from phantomgate.resolvers.hearing import Hearing

        def forged() -> None:
            self.counts.forged += 1

        clocks: dict[str, Clock] = {"now": self.now, "ticks": self.ticks}
        return Hearing(resolver, marks, self.notes, marks.secret, seconds=seconds, once=once, forged=forged, **clocks)


def shared_secrets(settings: Settings, environ: Mapping[str, str]) -> tuple[Secrets, list[Problem]]:
    """What [redis] refers to, and what is wrong with it."""
    rule, problems = settings.redis, list[Problem]()

    def read(key: str, reference: str, least: int = 1) -> str:
        try:
            secret = read_secret(reference, environ, least=least) if reference else ""
        except ValueError as no:
            problems.append(Problem(f"redis.{key}", str(no), settings.origin(f"redis.{key}")))
            return ""
        return secret

    secrets = Secrets(
        read("secret", rule.secret, LEAST_SECRET),
        read("password", rule.password),
        read("sentinel_password", rule.sentinel_password),
        tuple(read("other_secrets", one, LEAST_SECRET) for one in rule.other_secrets),
    )
    return secrets, problems


def place_of(settings: Settings, secrets: Secrets) -> Place:
    """Where the store of [redis] is, and who we are there. Raises ModuleNotFoundError without the library."""
    from phantomgate.backends.redis_client import Place

    rule = settings.redis
    addresses = [read_address(node) for node in rule.nodes]
    return Place(
        cast("Literal['single', 'sentinel', 'cluster']", rule.mode),
        tuple((address.host, address.port) for address in addresses),
        addresses[0].unix,
        rule.master,
        rule.username,
        secrets.password,
        secrets.sentinel_password,
        rule.database,
        rule.tls,
        rule.ca_file,
    )


def sharing(
    settings: Settings,
    secrets: Secrets,
    family: Family,
    *,
    pause: Pause,
    now: Clock,
    ticks: Clock,
    random: Callable[[int], bytes],
    say: Say,
    counts: SharedCounts | None = None,
) -> Sharing:
    """What [redis] describes, for back ends of *family*; *counts* go on from what was before it.

    Raises ModuleNotFoundError without the library.
    """
    from phantomgate.backends import redis_client
    from phantomgate.backends.redis import RedisStore
    from phantomgate.backends.sealed import Sealed

    rule, place = settings.redis, place_of(settings, secrets)
    if family == "nonblocking":
        act, close = redis_client.nonblocking(place, rule.connections)
    else:
        act, close = redis_client.blocking(place, rule.connections, rule.timeout)
    counts = SharedCounts() if counts is None else counts
    store = RedisStore(
        act,
        close,
        prefix=rule.prefix,
        timeout=rule.timeout,
        ticks=ticks,
        counts=counts,
        said=say,
        most=rule.connections,
    )
    last = [float("-inf")]

    def forged() -> None:
        counts.forged += 1
        if ticks() - last[0] >= FORGED_EVERY:
            last[0] = ticks()
            say("shared_cache_forged", "a value that opens under no key of ours, written by somebody else")

    sealed = Sealed(store, secrets.secret.encode(), now=now, random=random, forged=forged)
    return Sharing(sealed, counts, pause, now, ticks, rule.nodes[0], store, store.ask, store.close)
