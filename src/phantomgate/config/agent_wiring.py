"""From settings to the OAuth agent: everything that it is made of, joined.

Rule: as `wiring`. What the agent remembers by is made once for each process, in `agent_state`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, cast

from phantomgate.agent.agent import Agent, ways
from phantomgate.agent.ending import Endings
from phantomgate.agent.facts import Facts
from phantomgate.agent.login import Logins
from phantomgate.agent.logout import Logouts
from phantomgate.agent.ports import Authenticate, Endpoints, Gateways
from phantomgate.agent.refresh import Refreshes
from phantomgate.agent.server import Server
from phantomgate.agent.session import Jar
from phantomgate.config.agent_checks import LEAST_WINDOW, discovers, shares_state
from phantomgate.config.agent_gateways import gateways_by_notes
from phantomgate.config.agent_log import agent_observer
from phantomgate.config.agent_state import State, state_of, state_problems
from phantomgate.config.asking import certificates
from phantomgate.config.authentication import authentication, certificate
from phantomgate.config.aws_checks import problems_on_aws
from phantomgate.config.checks import problems_between
from phantomgate.config.family import BackEnds, Closable, Family, HttpFor, back_ends
from phantomgate.config.guarding import guarding
from phantomgate.config.loading import Sources, draft, process_environ
from phantomgate.config.observe import Metrics, saying, stderr
from phantomgate.config.probes import Probe
from phantomgate.config.references import Prints
from phantomgate.config.session import cookie_names, sealed_for, session_keys
from phantomgate.config.settings import Introspection, Settings
from phantomgate.config.sharing import shared_secrets
from phantomgate.config.tools import anew
from phantomgate.core.errors import Problem, Reason, Refused, SettingsError
from phantomgate.core.ports import Clock, Http, Random
from phantomgate.oauth.client_auth import ClientAuth
from phantomgate.oauth.discovery import FOR_LOGIN, Form, Metadata
from phantomgate.oauth.id_token import MAX_BYTES, id_token_rules
from phantomgate.oauth.jwt import Verified, verify
from phantomgate.oauth.jwt_rules import Rules
from phantomgate.oauth.logout_token import logout_token_rules
from phantomgate.resolvers.client import Authenticate as ByAssertion
from phantomgate.resolvers.held import Held
from phantomgate.resolvers.keys import Keys, by_newest, endpoint_in, keys_at, keys_in, metadata_of

if TYPE_CHECKING:
    from phantomgate.config.keeping import Keeping
    from phantomgate.config.log import LogLine

NAME = "agent"
"""What the provider is called in the log, in metrics, and by `check`."""


@dataclass(frozen=True, slots=True)
class WiredAgent:
    """An agent and what stands around it."""

    agent: Agent
    probe: Probe
    closing: tuple[Closable, ...] = field(repr=False)

    async def close(self) -> None:
        """Give back the connections."""
        for one in self.closing:
            await one.close()


def name_of(settings: Settings) -> str:
    """What this agent is called among the processes of a machine: the same for the same client of the same provider."""
    told = "\0".join((settings.agent.issuer, settings.agent.client_id, sealed_for(settings), *settings.session.keys))
    return f"phantomgate-agent-{sha256(told.encode('utf-8')).hexdigest()}"


def agent_problems(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    """What is wrong with the settings for an agent. That there is no gateway beside it isn't."""
    of_keys, of_client = session_keys(settings, environ)[1], _client(settings, environ, time.time, os.urandom)[1]
    return [*_problems(settings, environ), *of_keys, *of_client]


def _problems(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    """The same, but for the keys of cookies and how we show who we are, which whoever needs them reads once."""
    problems = [Problem(name, text, settings.origin(name)) for name, text in problems_between(settings)]
    if not settings.has_agent:
        problems.append(Problem(NAME, "is missing; write issuer and the others under [agent]", settings.origin("")))
    problems = [one for one in problems if not of_a_gateway(one, settings)]
    problems += certificates(settings) + state_problems(settings, environ)
    return problems + (shared_secrets(settings, environ)[1] if settings.redis.nodes else [])


def draft_agent(sources: Sources) -> tuple[Settings, list[Problem]]:
    """As `loading.draft`, without what only a gateway beside the agent would mind."""
    settings, problems = draft(sources)
    return settings, [one for one in problems if not of_a_gateway(one, settings)]


def of_a_gateway(problem: Problem, settings: Settings) -> bool:
    """Whether *problem* is only that there is no gateway beside the agent, or what an authorizer on AWS would mind."""
    nothing = settings.introspection == Introspection() and not settings.issuers
    if nothing and problem.setting.startswith("introspection."):
        return True
    return (problem.setting, problem.message) in problems_on_aws(settings)


def wire_agent(
    settings: Settings,
    family: Family = "nonblocking",
    *,
    environ: Mapping[str, str] | None = None,
    write: Callable[[LogLine], None] | None = None,
    now: Clock = time.time,
    ticks: Clock = time.monotonic,
    random: Random = os.urandom,
    http: Http | None = None,
    left: Callable[[], float] | None = None,
    metrics: Metrics | None = None,
    gateways: Gateways | None = None,
    keeping: Keeping | None = None,
) -> WiredAgent:
    """The agent that *settings* describe; parameters as for `wiring.wire`. Raises SettingsError.

    *gateways* tells them of sessions that are over; by default the store of [redis] does, if there is one. What the
    agent remembers is always taken from *keeping*, where there is one.
    """
    environ = process_environ() if environ is None else environ
    ring, of_keys = session_keys(settings, environ)
    authenticate, of_client = _client(settings, environ, now, random)
    problems = [*_problems(settings, environ), *of_keys, *of_client]
    if problems or ring is None:
        raise SettingsError(problems)
    metrics = Metrics() if metrics is None else metrics
    write = write or stderr(settings, metrics, now)
    asked, prints, kept = settings.agent, Prints(environ), None if keeping is None else keeping.part
    part = kept or anew
    ends = back_ends(settings, family, ticks, http, left, part=kept, prints=prints)
    memory = (asked.state, asked.timeout, prints(settings.redis)) if shares_state(settings) else ()

    def of_state(key: Hashable, make: Callable[[], Any]) -> Any:
        return part((key, *memory), make)

    state = part(("state", *memory), lambda: state_of(settings, ends, family, environ, now, ticks, random, of_state))
    client = guarding(settings, ends, metrics, write, now=now, ticks=ticks, random=random, part=part)
    server, probe = part(
        ("agent", prints(asked), settings.policy.clock_skew, settings.resilience, *memory),
        lambda: _server(settings, ends, client, authenticate, write, now, ticks, state),
    )
    jar = Jar(ring, cookie_names(settings), sealed_for(settings), settings.session.legacy_cookies, random)
    if gateways is None:
        gateways = gateways_by_notes(settings, environ, family, ends, write, now=now, ticks=ticks, random=random)
    endings = Endings(state.ended, now, asked.max_age, gateways, asked.issuer)
    logins = Logins(
        server,
        jar,
        endings,
        state.used,
        now,
        random,
        asked.redirect_uri,
        " ".join(asked.scope),
        asked.return_to,
        frozenset(asked.extra_params),
    )
    refreshes = Refreshes(server, jar, endings, state.once, state.answers, now, asked.refresh_window, LEAST_WINDOW)
    facts = Facts(server, endings, frozenset(asked.claims))
    logouts = Logouts(server, jar, endings, state.used, asked.post_logout_redirect_uri, asked.id_token_hint, ends.later)
    session = settings.session
    agent = Agent(
        ways(logins, refreshes, facts, logouts),
        jar,
        frozenset(session.trusted_web_origins),
        session.allow_cross_site,
        agent_observer(write, now=now, allowed=settings.log.allows),
    )
    return WiredAgent(agent, probe, () if keeping is not None else tuple(ends.closing))


def _client(
    settings: Settings, environ: Mapping[str, str], now: Clock, random: Random
) -> tuple[Authenticate, list[Problem]]:
    """How we show who we are, and what is wrong with the secret or key for it."""
    auth, wrong = authentication(settings.agent, environ, now=now, random=random)
    problems = [Problem(f"{NAME}.{key}", text, settings.origin(f"{NAME}.{key}")) for key, text in wrong]
    return _each_time(auth), problems


def _each_time(auth: ClientAuth | ByAssertion) -> Authenticate:
    async def authenticate() -> ClientAuth:
        return auth if isinstance(auth, ClientAuth) else await auth()

    return authenticate


def _server(
    settings: Settings,
    ends: BackEnds,
    client: HttpFor,
    authenticate: Authenticate,
    write: Callable[[LogLine], None],
    now: Clock,
    ticks: Clock,
    state: State,
) -> tuple[Server, Probe]:
    asked, failed = settings.agent, saying(write, now)
    http = client(NAME, asked.ca_file, certificate(asked), asked.max_connections)

    def held(what: str, fetch: Callable[[], Awaitable[Any]]) -> Held[Any]:
        return Held(
            f"{what} of {NAME}",
            fetch,
            ends.key_once,
            ticks=ticks,
            later=ends.later,
            failed=lambda no, seconds: failed(NAME, what, no, seconds),
        )

    metadata: Held[Metadata] | None = None
    if discovers(settings):
        fetch = metadata_of(
            http,
            asked.issuer,
            cast("tuple[Form, ...]", asked.discovery),
            timeout=asked.timeout,
            origins=asked.endpoint_origins,
            allow_insecure_http=asked.allow_insecure_http,
            wanted=FOR_LOGIN,
        )
        metadata = held("metadata", fetch)
    keys: Keys = held("keys", _keys(settings, http, metadata))
    endpoints = _endpoints(settings, metadata)

    async def verify_jwt(jwt: str, rules: Rules) -> Verified:
        said, _ = await by_newest(keys, lambda newest: verify(jwt, newest, rules, now(), max_bytes=MAX_BYTES))
        return said

    skew = settings.policy.clock_skew
    server = Server(
        asked.issuer,
        asked.client_id,
        http,
        endpoints,
        authenticate,
        verify_jwt,
        id_token_rules(asked.issuer, asked.client_id, skew),
        logout_token_rules(asked.issuer, asked.client_id, skew),
        asked.timeout,
        cast('Literal["auto", "always", "never"]', asked.par),
        keys.get,
    )
    return server, Probe(NAME, asked.issuer, _asking(endpoints, keys, state))


def _keys(settings: Settings, http: Http, metadata: Held[Metadata] | None) -> Callable[[], Awaitable[Any]]:
    asked = settings.agent
    if asked.keys.startswith("file:"):
        from pathlib import Path

        name = asked.keys.removeprefix("file:")
        return keys_in(Path(name).read_bytes, name, asked.algorithms)

    async def configured() -> str:
        return asked.keys

    where = configured if asked.keys else endpoint_in(cast("Held[Metadata]", metadata), "jwks_uri")
    return keys_at(http, where, asked.algorithms, timeout=asked.timeout)


def _endpoints(settings: Settings, metadata: Held[Metadata] | None) -> Endpoints:
    """What the metadata says; what the settings say comes first."""
    asked = settings.agent
    written = {
        "authorization_endpoint": asked.authorization_endpoint,
        "token_endpoint": asked.endpoint,
        "pushed_authorization_request_endpoint": asked.par_endpoint,
        "userinfo_endpoint": asked.userinfo_endpoint,
        "revocation_endpoint": asked.revocation_endpoint,
        "end_session_endpoint": asked.end_session_endpoint,
    }
    ours: dict[str, Any] = {name: url for name, url in written.items() if url}

    async def endpoints() -> Metadata:
        said = Metadata(asked.issuer) if metadata is None else (await metadata.get()).value
        return said._replace(**ours)

    return endpoints


def _asking(endpoints: Endpoints, keys: Keys, state: State) -> Callable[[], Any]:
    """Looks for what a login needs: both endpoints, a key that can be used, and what the agent remembers by."""

    async def ask() -> Refused | None:
        try:
            said, found = await endpoints(), (await keys.get()).value
        except Refused as no:
            return no
        for name in ("authorization_endpoint", "token_endpoint"):
            if not getattr(said, name):
                return Refused(Reason.BAD_ANSWER, f"the metadata has no {name}")
        if found.keys:
            return await state.trouble()
        why = f": {found.skipped[0].why}" if found.skipped else ""
        return Refused(Reason.BAD_ANSWER, f"key set: none of its {len(found.skipped)} keys can be used{why}")

    return ask
