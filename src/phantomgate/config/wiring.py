"""From settings to a gateway that decides: the one place that knows every part, and joins them.

Rule: nothing is imported that these settings don't need, so a cold start pays for no event loop it doesn't run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

from phantomgate.backends.memory import MemoryCache
from phantomgate.config.asking import certificates, clients
from phantomgate.config.checks import problems_between
from phantomgate.config.family import Closable, Family, back_ends
from phantomgate.config.guarding import guarding, traced
from phantomgate.config.issuing import make
from phantomgate.config.loading import process_environ
from phantomgate.config.observe import Metrics, observer
from phantomgate.config.probes import Probe
from phantomgate.config.referred import mint_keys, pages_of, push_secret, shared_secrets
from phantomgate.config.rules import match_of, policies_of
from phantomgate.config.settings import Settings
from phantomgate.config.tools import Tools, anew, for_all, unprinted
from phantomgate.core.errors import Problem, Refused, SettingsError
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import Clock, Http, Store
from phantomgate.gateway.find import find_bearer, find_nothing
from phantomgate.gateway.forward import forward_jwt
from phantomgate.gateway.gateway import Gateway, respond_nothing
from phantomgate.gateway.upstream_jwt import forward_made
from phantomgate.resolvers.cached import Counts
from phantomgate.resolvers.introspect import Introspect
from phantomgate.resolvers.marks import Marks, still_good

if TYPE_CHECKING:
    from phantomgate.config.keeping import Keeping
    from phantomgate.config.log import LogLine
    from phantomgate.config.revoking import Revoking
    from phantomgate.config.sharing import Sharing
    from phantomgate.oauth.published import Published

Random: TypeAlias = Callable[[int], bytes]
"""That many unpredictable bytes."""


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
    ours, problems = clients(settings, environ, now=now, random=random)
    problems += certificates(settings)
    keys, trouble = mint_keys(settings, environ)
    problems += trouble
    secret, trouble = push_secret(settings, environ)
    problems += trouble
    pages, trouble = pages_of(settings, environ)
    problems += trouble
    secrets, trouble = shared_secrets(settings, environ)
    problems += trouble
    problems += [Problem(name, text, settings.origin(name)) for name, text in problems_between(settings)]
    if problems:
        raise SettingsError(problems)
    metrics = Metrics() if metrics is None else metrics
    counts = _counted(metrics, "memory")
    write = write or stderr(settings, metrics, now)
    split = _counted(metrics, "split") if settings.splits else Counts()
    share = settings.serve.workers if family == "nonblocking" else 1
    kept = None if keeping is None else keeping.part
    part = kept or anew
    halves: Store | None = None
    if settings.splits:
        from phantomgate.config.splitting import kept_halves

        bounds = settings.split_tokens.max_entries, settings.split_tokens.max_bytes
        halves = part(("halves", *bounds), lambda: kept_halves(settings, ticks))
    prints = unprinted
    if keeping is not None or secrets is not None:
        from phantomgate.config.references import Prints

        prints = Prints(environ)
    ends = back_ends(settings, family, ticks, http, left, part=kept, prints=prints)
    shared = None
    if secrets is not None:
        from phantomgate.config.sharing import sharing

        say, known, pause = telling(write, now), secrets, ends.pause
        shared = part(
            ("redis", prints(settings.redis)),
            lambda: sharing(settings, known, family, pause=pause, now=now, ticks=ticks, random=random, say=say),
        )
        metrics.caches["redis"] = shared.counts
        ends.closing.append(shared)
    shown = (secrets.secret, *secrets.others) if secrets is not None else ("",)
    digests, others = shown[0].encode(), tuple(one.encode() for one in shown[1:])
    marks = part("marks", lambda: Marks(ticks=ticks, secret=digests, others=others))
    tracing = part(("traces", settings.traces), lambda: traced(settings, family))
    guarded = guarding(settings, ends, metrics, write, now=now, ticks=ticks, random=random, tracing=tracing, part=part)
    size = max(settings.cache.max_entries // share, 1), max(settings.cache.max_bytes // share, 1)
    tools = Tools(
        settings,
        guarded,
        ends.once,
        ends.key_once,
        ends.later,
        part(("memory", size), lambda: MemoryCache(max_entries=size[0], max_bytes=size[1], ticks=ticks)),
        counts,
        now,
        ticks,
        random,
        metrics.timed,
        saying(write, now),
        random(32),
        halves,
        split,
        marks,
        shared,
        part,
        prints,
        prints(*for_all(settings)),
    )
    if settings.aws.forward_sealed:
        from phantomgate.config.sealed import make_sealed

        made = make_sealed(tools, ours)
    else:
        made = make(tools, ours)
    probes, resolver = made.probes, made.resolver
    if shared is not None and not told:
        from phantomgate.config.revoking import mark_seconds

        resolver = shared.heard(resolver, marks, ends.once, mark_seconds(settings))
    policies = policies_of(settings, now)
    if pages:
        owned = (pages.rules.names.csrf_header,)
        find = pages.find(find_bearer() if settings.aws.bearer_tokens else find_nothing)
        forward = forward_jwt(settings.forward.claims, also_owned=owned, cookies=pages.cookies_left())
    else:
        find, forward = find_bearer(), forward_jwt(settings.forward.claims)
    if keys:
        from phantomgate.config.minting import minting

        forward = forward_made(minting(settings.mint, keys, now=now, random=random), forward, now=now)
    elif settings.exchanges:
        from phantomgate.config.exchanging import exchanging

        exchanged = _counted(metrics, "exchange")
        exchange, probe = exchanging(tools, ours["exchange"], exchanged)
        forward = forward_made(exchange, forward, now=now, reused=exchanged.hit)
        probes += (probe,)
    if keys or settings.exchanges:
        forward = still_good(marks, forward)
    verifies = None
    if settings.revocation.audiences:
        from phantomgate.config.revoking import revoking

        verifies = revoking(tools)
    documents: Mapping[str, Published] = {}
    resource_metadata = ""
    if keys or settings.resource.identifier:
        from phantomgate.config.published import challenged_with, published

        documents, resource_metadata = published(settings, keys), challenged_with(settings)
    gateway = Gateway(
        match=match_of(settings),
        find=find,
        resolver=resolver,
        policies=tuple(policies.values()),
        forward=forward,
        observe=observer(metrics, write, now=now, allowed=settings.log.allows_one_in if settings.log.allows else 0),
        new_id=lambda: random(8).hex(),
        respond=pages.respond if pages else respond_nothing,
    )
    return Wired(
        settings,
        gateway if tracing is None else tracing.gateway(gateway),
        tuple(policies),
        metrics,
        now,
        ticks,
        made.introspect,
        probes,
        () if keeping is not None else (*ends.closing, *(() if tracing is None else (tracing,))),
        documents,
        resource_metadata,
        tools.halves,
        secret,
        shared,
        marks,
        digests,
        others,
        verifies,
    )


def _counted(metrics: Metrics, level: str) -> Counts:
    """Where *level* counts: totals don't go back when settings change."""
    return cast("Counts", metrics.caches.setdefault(level, Counts()))


def saying(write: Callable[[LogLine], None], now: Clock) -> Callable[[str, str, Refused, float], None]:
    """Tells the log that what an issuer publishes could not be fetched, while what is held may still be used."""

    def say(issuer: str, what: str, no: Refused, seconds: float) -> None:
        from phantomgate.config.log import Level, LogLine

        fields = {"issuer": issuer, "what": what, "reason": no.reason.label, "detail": no.detail}
        write(LogLine(now(), Level.WARNING, "issuer_not_refreshed", {**fields, "usable_for": int(seconds)}))

    return say


def telling(write: Callable[[LogLine], None], now: Clock) -> Callable[[str, str], None]:
    """Tells the log that the shared store is lost, back, or tampered with."""

    def say(event: str, why: str) -> None:
        from phantomgate.config.log import Level, LogLine

        level = Level.INFO if event == "shared_cache_back" else Level.WARNING
        write(LogLine(now(), level, event, {"detail": why} if why else {}))

    return say


def stderr(settings: Settings, metrics: Metrics, now: Clock) -> Callable[[LogLine], None]:
    """The log on standard error; what can't be written is counted."""
    from phantomgate.config.log import Level, Log

    return Log(2, now=now, level=Level[settings.log.level.upper()], dropped=metrics.drop_line)
