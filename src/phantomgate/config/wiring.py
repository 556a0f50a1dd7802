"""From settings to a gateway that decides: the one place that knows every part, and joins them.

Rule: nothing is imported that these settings don't need, so a cold start pays for no event loop it doesn't run. The
two families of back ends are picked as a whole: all of them block, or none does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from phantomgate.backends.memory import MemoryCache
from phantomgate.backends.secrets import read_secret
from phantomgate.config.checks import problems_between
from phantomgate.config.loading import process_environ
from phantomgate.config.observe import Metrics, observer
from phantomgate.config.settings import RouteRule, Settings
from phantomgate.core.errors import Problem, Reason, Refused, SettingsError
from phantomgate.core.model import Credential, Request, Route, ScopeStrategy, Token
from phantomgate.core.ports import Clock, Http, Match, Once, Policy
from phantomgate.gateway import judge
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.forward import forward_jwt
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.routes import Rule, policy_only, route_table
from phantomgate.oauth.client_auth import client_secret_basic, client_secret_post
from phantomgate.oauth.introspection import Answer
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.introspect import Introspect

if TYPE_CHECKING:
    from phantomgate.config.log import LogLine

Family: TypeAlias = Literal["blocking", "nonblocking"]
Random: TypeAlias = Callable[[int], bytes]
"""That many unpredictable bytes."""


class Closable(Protocol):
    """What holds connections or tasks, and gives them back."""

    async def close(self) -> None:
        """Give them back; whatever is asked of it later is refused."""
        ...


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
    introspect: Introspect = field(repr=False)
    http: Http = field(repr=False)
    closing: tuple[Closable, ...] = field(repr=False)
    random: Random = field(repr=False)

    async def probe(self) -> Refused | None:
        """Ask the authorization server about a token nobody issued: None when it says, as it should, "not active".

        Otherwise what is wrong: it can't be reached, refuses our client, or gives no usable answer.
        """
        nobody = Credential(f"phantomgate-probe-{self.random(16).hex()}")
        try:
            await self.introspect.resolve(nobody, Route("probe"))
        except Refused as no:
            return None if no.reason is Reason.INACTIVE else no
        return Refused(Reason.BAD_ANSWER, "the authorization server calls a token active that it never issued")

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
) -> Wired:
    """The gateway that *settings* describe, with back ends of one *family*; "nonblocking" within a running loop.

    Secrets are read now, from *environ* or files; *write* gets the log's lines (default: standard error). Raises
    SettingsError with every problem, and ModuleNotFoundError when the family needs a library that isn't installed.
    """
    secret, problems = _secret(settings, process_environ() if environ is None else environ)
    problems += _certificates(settings)
    problems += [Problem(name, text, settings.origin(name)) for name, text in problems_between(settings)]
    if problems:
        raise SettingsError(problems)
    metrics = Metrics() if metrics is None else metrics
    introspection = settings.introspection
    http, once, closing = _backends(settings, family, ticks)
    authenticate = client_secret_basic if introspection.client_auth == "basic" else client_secret_post
    introspect = Introspect(
        http,
        introspection.endpoint,
        authenticate(introspection.client_id, secret),
        now=now,
        ticks=ticks,
        answer=cast("Answer", introspection.answer),
        timeout=introspection.timeout,
        issuer=introspection.issuer,
        max_age=settings.cache.max_age,
        clock_skew=settings.policy.clock_skew,
        timed=metrics.timed,
    )
    share = settings.serve.workers if family == "nonblocking" else 1
    cached = Cached(
        introspect,
        MemoryCache(
            max_entries=max(settings.cache.max_entries // share, 1),
            max_bytes=max(settings.cache.max_bytes // share, 1),
            ticks=ticks,
        ),
        once,
        secret=random(32),
        context=(introspection.issuer, introspection.endpoint, introspection.client_id, introspection.answer),
        now=now,
        ticks=ticks,
        negative_seconds=settings.cache.negative_max_age,
        issuer=introspection.issuer,
    )
    metrics.caches["memory"] = cached.counts
    policies = _policies(settings, now)
    gateway = Gateway(
        match=_match(settings),
        find=find_bearer(),
        resolver=cached,
        policies=tuple(policies.values()),
        forward=forward_jwt(settings.forward.claims),
        observe=observer(metrics, write or _stderr(settings, metrics, now), now=now, allowed=settings.log.allows),
        new_id=lambda: random(8).hex(),
    )
    return Wired(settings, gateway, tuple(policies), metrics, now, ticks, introspect, http, closing, random)


def unmet(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    """What *settings* refer to and is not there: the secret, the certificates."""
    return _secret(settings, environ)[1] + _certificates(settings)


def _secret(settings: Settings, environ: Mapping[str, str]) -> tuple[str, list[Problem]]:
    name, reference = "introspection.client_secret", settings.introspection.client_secret
    try:
        return read_secret(reference, environ) if reference else "", []
    except ValueError as no:
        return "", [Problem(name, str(no), settings.origin(name))]


def _certificates(settings: Settings) -> list[Problem]:
    name, ca_file = "introspection.ca_file", settings.introspection.ca_file
    if not ca_file:
        return []
    from phantomgate.backends.tls import client_context

    try:
        client_context(ca_file)
    except OSError as no:
        text = f'is "{ca_file}", which can\'t be used: {no.strerror or no}; want a file of certificates in PEM'
        return [Problem(name, text, settings.origin(name))]
    return []


def _backends(settings: Settings, family: Family, ticks: Clock) -> tuple[Http, Once, tuple[Closable, ...]]:
    """How to call the authorization server, how concurrent calls for one token become one, and what to close of it."""
    introspection = settings.introspection
    ca_file = introspection.ca_file or None
    if family == "nonblocking":
        from phantomgate.backends.nonblocking import AiohttpHttp, SingleFlight

        http, flights = AiohttpHttp(ca_file=ca_file, connections=introspection.max_connections), SingleFlight()
        return http, flights, (flights, http)
    from phantomgate.backends import blocking
    from phantomgate.backends.blocking_http import BlockingHttp

    plain = BlockingHttp(ca_file=ca_file, ticks=ticks)
    return plain, blocking.SingleFlight(patience=introspection.timeout + 1.0), (plain,)


def _match(settings: Settings) -> Match:
    """Which rules apply to a request: the table of [[routes]], or [policy] alone."""
    policy = _policy_route(settings)
    if not settings.routes:
        return policy_only(policy)
    return route_table([Rule(rule.path, rule.methods, _route(rule, policy)) for rule in settings.routes], policy)


def _policy_route(settings: Settings) -> Route:
    policy = settings.policy
    return Route(
        "policy",
        frozenset(policy.scopes),
        frozenset(policy.any_scopes),
        frozenset(policy.issuers),
        frozenset(policy.audiences),
    )


def _route(rule: RouteRule, policy: Route) -> Route:
    """One line of the table. Where both it and the policy name alternatives, `_policies` judges by each."""
    return Route(
        f"{','.join(rule.methods) or '*'} {rule.path}",
        policy.scopes | frozenset(rule.scopes),
        frozenset(rule.any_scopes) or policy.any_scopes,
        policy.issuers,
        frozenset(rule.audiences) or policy.audiences,
        of_table=True,
    )


def _policies(settings: Settings, now: Clock) -> dict[str, Policy]:
    """The checks that these settings need, by name, in the order in which they run."""
    policy, routes = settings.policy, settings.routes
    everywhere = _policy_route(settings)
    scopes = judge.scopes(cast("ScopeStrategy", policy.scope_strategy))
    policies = {"not expired": judge.not_expired(now, policy.clock_skew)}
    if policy.issuers:
        policies["issuer"] = judge.issuer()
    if policy.audiences or any(rule.audiences for rule in routes):
        policies["audience"] = judge.audience()
    if policy.audiences and any(rule.audiences for rule in routes):
        policies["audience on every route"] = _by(everywhere, judge.audience())
    if policy.scopes or policy.any_scopes or any(rule.scopes or rule.any_scopes for rule in routes):
        policies["scopes"] = scopes
    if policy.any_scopes and any(rule.any_scopes for rule in routes):
        policies["scopes on every route"] = _by(everywhere, scopes)
    return policies


def _by(rules: Route, judge: Policy) -> Policy:
    """*judge* by *rules*, whatever route matched."""

    def judged(request: Request, route: Route, token: Token) -> None:  # noqa: ARG001 - the port's shape
        judge(request, rules, token)

    return judged


def _stderr(settings: Settings, metrics: Metrics, now: Clock) -> Callable[[LogLine], None]:
    """The log on standard error; what can't be written is counted."""
    from phantomgate.config.log import Level, Log

    return Log(2, now=now, level=Level[settings.log.level.upper()], dropped=metrics.drop_line)
