"""From settings to a gateway that decides: the one place that knows every part, and joins them.

Rule: nothing is imported that these settings don't need, so a cold start pays for no event loop it doesn't run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from phantomgate.backends.memory import MemoryCache
from phantomgate.config.checks import problems_between
from phantomgate.config.family import BackEnds, Closable, Family, HttpFor, back_ends
from phantomgate.config.guarding import guarding, traced
from phantomgate.config.issuing import Made, make
from phantomgate.config.loading import process_environ
from phantomgate.config.observe import Metrics, observer, saying, stderr, telling
from phantomgate.config.probes import Probe
from phantomgate.config.referred import Referred, referred
from phantomgate.config.rules import match_of, policies_of
from phantomgate.config.settings import Settings
from phantomgate.config.tools import Part, Tools, anew, for_all, unprinted
from phantomgate.core.errors import Problem, Refused, SettingsError
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import Clock, Find, Forward, Http, Random, Store
from phantomgate.core.typed import NamedTuple
from phantomgate.gateway.find import find_bearer, find_nothing
from phantomgate.gateway.forward import forward_jwt
from phantomgate.gateway.gateway import Gateway, respond_nothing
from phantomgate.gateway.upstream_jwt import forward_made
from phantomgate.resolvers.cached import Counts
from phantomgate.resolvers.introspect import Introspect
from phantomgate.resolvers.marks import Marks, still_good

if TYPE_CHECKING:
    from phantomgate.backends.jose import SigningKey
    from phantomgate.config.asking import Client
    from phantomgate.config.keeping import Keeping
    from phantomgate.config.log import LogLine
    from phantomgate.config.revoking import Revoking
    from phantomgate.config.session import Browsers
    from phantomgate.config.sharing import Sharing
    from phantomgate.oauth.published import Published


@dataclass(frozen=True, slots=True)
class Wired:
    """A gateway and what stands around it, for whoever listens, proxies, checks or explains."""

    settings: Settings
    gateway: Gateway
    policy_names: tuple[str, ...]
    """What the gateway's policies are called, in their order."""
    metrics: Metrics
    now: Clock
    """Unix time, seconds."""
    ticks: Clock
    """The monotonic clock, seconds."""
    introspect: Introspect | None = field(repr=False)
    """Who asks the server of [introspection], if it is there."""
    probes: tuple[Probe, ...] = field(repr=False)
    """What can be asked of each issuer to see whether it is there."""
    closing: tuple[Closable, ...] = field(repr=False)
    published: Mapping[str, Published]
    """What anybody may read, by path: the metadata of the API, our public keys."""
    resource_metadata: str
    """The URL of that metadata, for challenges, or empty."""
    halves: Store | None = field(repr=False)
    """Where the parts of split tokens are pushed to, where there are such."""
    push_secret: str = field(repr=False)
    """What who pushes must show."""
    sharing: Sharing | None = field(repr=False)
    """What is shared with other machines, if anything is."""
    marks: Marks = field(repr=False)
    """What was purged lately."""
    digests: bytes = field(repr=False)
    """What the digests in new marks are made with; `marks` has to know it where they were kept."""
    other_digests: tuple[bytes, ...] = field(repr=False)
    """What those of other machines are made with while that is being changed; likewise."""
    revoking: Revoking | None = field(repr=False)
    """Who verifies what issuers tell us of tokens that are over."""

    async def probe(self) -> Refused | None:
        """Ask every issuer: None when all is well, else what is wrong with the first that isn't.

        It can't be reached, refuses our client, or gives no usable answer or key.
        """
        for probe in self.probes:
            trouble = await probe.ask()
            if trouble is not None:
                return trouble
        return None

    async def close(self) -> None:
        """Give back the connections."""
        for one in self.closing:
            await one.close()


class _Given(NamedTuple):
    """What every part is made with: `wire`'s own words, and what the settings refer to."""

    settings: Settings
    ours: Referred
    family: Family
    metrics: Metrics
    write: Callable[[LogLine], None]
    now: Clock
    ticks: Clock
    random: Random
    part: Part
    prints: Callable[..., str]

    def counted(self, level: str) -> Counts:
        """Where *level* counts: totals don't go back when settings change."""
        return cast("Counts", self.metrics.caches.setdefault(level, Counts()))


def wire(
    settings: Settings,
    family: Family = "blocking",
    *,
    environ: Mapping[str, str] | None = None,
    write: Callable[[LogLine], None] | None = None,
    metrics: Metrics | None = None,
    now: Clock = time.time,
    ticks: Clock = time.monotonic,
    random: Random = os.urandom,
    http: Http | None = None,
    left: Callable[[], float] | None = None,
    told: bool = False,
    keeping: Keeping | None = None,
) -> Wired:
    """The gateway that *settings* describe, with back ends of one *family*; "nonblocking" within a running loop.

    Secrets are read now, from *environ* or files; *write* gets the log's lines (default: standard error); *http* is
    instead of the family's own client; *left* is as for `back_ends`. With *told* somebody tells us of
    purges; else they are looked for in the store of [redis]. With *keeping*, in which a round has begun,
    whatever these settings leave as it was is taken from there, and closed by it; *metrics* must be the same each time.
    Raises SettingsError with every problem, and ModuleNotFoundError when the family needs a library that isn't
    installed.
    """
    environ = process_environ() if environ is None else environ
    if not settings.origins:
        from phantomgate.config.by_hand import problems_by_hand

        by_hand = problems_by_hand(settings)
        if by_hand:  # what follows from them helps nobody
            raise SettingsError(by_hand)
    ours, problems = referred(settings, environ, now=now, random=random)
    problems += [Problem(name, text, settings.origin(name)) for name, text in problems_between(settings)]
    if problems:
        raise SettingsError(problems)
    metrics = Metrics() if metrics is None else metrics
    write = write or stderr(settings, metrics, now)
    kept = None if keeping is None else keeping.part
    prints = unprinted
    if keeping is not None or ours.shared is not None:
        from phantomgate.config.references import Prints

        prints = Prints(environ)
    part = kept or anew
    given = _Given(settings, ours, family, metrics, write, now, ticks, random, part, prints)
    ends = back_ends(settings, family, ticks, http, left, part=kept, prints=prints)
    sharing = _sharing(given, ends)
    shown = ("",) if ours.shared is None else (ours.shared.secret, *ours.shared.others)
    digests, others = shown[0].encode(), tuple(one.encode() for one in shown[1:])
    marks = part("marks", lambda: Marks(ticks=ticks, secret=digests, others=others))
    tracing = part(("traces", settings.traces), lambda: traced(settings, family))
    guarded = guarding(settings, ends, metrics, write, now=now, ticks=ticks, random=random, tracing=tracing, part=part)
    tools = _tools(given, ends, guarded, sharing, marks)
    made = _made(tools, ours.clients)
    resolver = made.resolver
    if sharing is not None:
        resolver = sharing.knowing(resolver, marks, settings.revocation)
        if not told:
            from phantomgate.config.revoking import mark_seconds

            resolver = sharing.heard(resolver, marks, ends.once, mark_seconds(settings))
    policies = policies_of(settings, now)
    forward, forward_probes = _forward(given, tools)
    documents, resource_metadata = _published(settings, ours.mint_keys)
    gateway = Gateway(
        match=match_of(settings),
        find=_find(settings, ours.browsers),
        resolver=resolver,
        policies=tuple(policies.values()),
        forward=forward,
        observe=observer(metrics, write, now=now, allowed=settings.log.allows_one_in if settings.log.allows else 0),
        new_id=lambda: random(8).hex(),
        respond=ours.browsers.respond if ours.browsers else respond_nothing,
    )
    return Wired(
        settings,
        gateway if tracing is None else tracing.gateway(gateway),
        tuple(policies),
        metrics,
        now,
        ticks,
        made.introspect,
        (*made.probes, *forward_probes),
        () if keeping is not None else (*ends.closing, *(() if tracing is None else (tracing,))),
        documents,
        resource_metadata,
        tools.halves,
        ours.push_secret,
        sharing,
        marks,
        digests,
        others,
        _revoking(tools),
    )


def _sharing(given: _Given, ends: BackEnds) -> Sharing | None:
    """The store that machines share, if there is one; it is closed with *ends*."""
    secrets = given.ours.shared
    if secrets is None:
        return None
    from phantomgate.config.sharing import sharing
    from phantomgate.resolvers.shared import SharedCounts

    clocks: dict[str, Clock] = {"now": given.now, "ticks": given.ticks}
    # Totals go on, and what is only prepared takes nobody's place among the figures
    counts = cast("SharedCounts", given.metrics.caches.setdefault("redis", SharedCounts()))
    say, pause, random = telling(given.write, given.now), ends.pause, given.random
    made: Sharing = given.part(
        ("redis", given.prints(given.settings.redis)),
        lambda: sharing(
            given.settings, secrets, given.family, pause=pause, random=random, say=say, counts=counts, **clocks
        ),
    )
    ends.closing.append(made)
    return made


def _tools(given: _Given, ends: BackEnds, http: HttpFor, sharing: Sharing | None, marks: Marks) -> Tools:
    """What the parts of every issuer are made with."""
    settings, ticks, part = given.settings, given.ticks, given.part
    share = settings.serve.workers if given.family == "nonblocking" else 1
    size = max(settings.cache.max_entries // share, 1), max(settings.cache.max_bytes // share, 1)
    return Tools(
        settings,
        http,
        ends.once,
        ends.key_once,
        ends.later,
        part(("memory", size), lambda: MemoryCache(max_entries=size[0], max_bytes=size[1], ticks=ticks)),
        given.counted("memory"),
        given.now,
        ticks,
        given.random,
        given.metrics.timed,
        saying(given.write, given.now),
        given.random(32),
        _halves(given),
        given.counted("split") if settings.splits else Counts(),
        marks,
        sharing,
        part,
        given.prints,
        given.prints(*for_all(settings)),
    )


def _halves(given: _Given) -> Store | None:
    """Where the parts of split tokens are kept, where there are such."""
    if not given.settings.splits:
        return None
    from phantomgate.config.splitting import kept_halves

    bounds = given.settings.split_tokens.max_entries, given.settings.split_tokens.max_bytes
    halves: Store = given.part(("halves", *bounds), lambda: kept_halves(given.settings, given.ticks))
    return halves


def _made(tools: Tools, clients: Mapping[str, Client]) -> Made:
    if not tools.settings.aws.forward_sealed:
        return make(tools, clients)
    from phantomgate.config.sealed import make_sealed

    return make_sealed(tools, clients)


def _find(settings: Settings, browsers: Browsers | None) -> Find:
    if browsers is None:
        return find_bearer()
    return browsers.find(find_bearer() if settings.aws.bearer_tokens else find_nothing)


def _forward(given: _Given, tools: Tools) -> tuple[Forward, tuple[Probe, ...]]:
    """What goes upstream, by the JWT that came or one that is made or exchanged here; and who is asked for that."""
    settings, ours, now = given.settings, given.ours, given.now
    if ours.browsers is None:
        forward = forward_jwt(settings.forward.claims)
    else:
        owned = (ours.browsers.rules.names.csrf_header,)
        forward = forward_jwt(settings.forward.claims, also_owned=owned, cookies=ours.browsers.cookies_left())
    if ours.mint_keys:
        from phantomgate.config.minting import minting

        make_jwt = minting(settings.mint, ours.mint_keys, now=now, random=given.random)
        return still_good(tools.marks, forward_made(make_jwt, forward, now=now)), ()
    if settings.exchanges:
        from phantomgate.config.exchanging import exchanging

        counts = given.counted("exchange")
        exchange, probe = exchanging(tools, ours.clients["exchange"], counts)
        return still_good(tools.marks, forward_made(exchange, forward, now=now, reused=counts.hit)), (probe,)
    return forward, ()


def _revoking(tools: Tools) -> Revoking | None:
    if not tools.settings.revocation.audiences:
        return None
    from phantomgate.config.revoking import revoking

    return revoking(tools)


def _published(settings: Settings, keys: Sequence[SigningKey]) -> tuple[Mapping[str, Published], str]:
    """What anybody may read, by path, and the URL of our metadata, or empty."""
    if not keys and not settings.resource.identifier:
        return {}, ""
    from phantomgate.config.published import challenged_with, published

    return published(settings, keys), challenged_with(settings)
