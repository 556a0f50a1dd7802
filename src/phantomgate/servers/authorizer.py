"""One Lambda function: an event in, an answer or an exception out, driven by the blocking back ends.

Rule: adapters read and write, the gateway decides, and here the two are joined; what could not be decided is raised,
never answered. Wired at the first event, because the extension that holds secrets is not there before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from phantomgate.adapters import aws_policies as policies
from phantomgate.adapters.aws_answers import (
    Trouble,
    Unauthorized,
    write_context,
    write_denied,
    write_policy,
    write_principal,
    write_resolver,
    write_simple,
    write_trouble,
)
from phantomgate.adapters.aws_cache import check_identities, check_route_key
from phantomgate.adapters.aws_events import Asked, Surface, UnknownEvent, read_asked
from phantomgate.backends.blocking import finish
from phantomgate.backends.secrets import read_secret
from phantomgate.config.function import load_function
from phantomgate.config.log import Level, Log, LogLine, frames, kinds_of
from phantomgate.config.table import rules_of
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Problem, Reason, Refused, SettingsError
from phantomgate.core.model import Allow, Answer, HeaderChange, Refuse, Request, Token
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Clock, Http
from phantomgate.gateway.rule import Rule

if (
    TYPE_CHECKING
):  # each is imported when the first event or the settings need it: most functions know one kind of event
    from phantomgate.adapters.aws_http import HttpAsked
    from phantomgate.gateway.iam import Table

RENEWAL_SECONDS = 60.0
"""Secrets are read anew for an authorization server that refuses them, no more often than this."""
_FRESH = {"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "0"}  # past the extension, which remembers the old ones
_Decision: TypeAlias = Allow | Refuse
_OF_TABLE = (Reason.NO_ROUTE, Reason.INSUFFICIENT_SCOPE)
"""What the table refuses: a token may reach other resources all the same."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A function that can decide; *rules* and *table* are empty and None without [[routes]]."""

    wired: Wired
    rules: tuple[Rule, ...]
    table: Table | None
    secret: str


class Authorizer:
    """Answers events. Its state: what was wired at the first one, what was warned of, when secrets were read anew."""

    def __init__(
        self,
        environ: Callable[[], Mapping[str, str]],
        *,
        write: Callable[[LogLine], None] | None = None,
        now: Clock = time.time,
        ticks: Clock = time.monotonic,
        http: Http | None = None,
    ) -> None:
        self._environ = environ
        self._now, self._ticks, self._http = now, ticks, http
        self._write = write
        self._ready: _Ready | None = None
        self._warned_of_url = False
        self._renewed_at = -RENEWAL_SECONDS

    def answer(self, event: object) -> dict[str, Any]:
        """The answer to *event*. Raises Unauthorized where AWS makes 401 of it, and Trouble when nothing is decided."""
        try:
            return self._answer(event)
        except (Unauthorized, Trouble) as said:
            if isinstance(said, Trouble) and not said.logged:
                self._say(Level.ERROR, "not_answered", detail=str(said))
            raise said from None
        except SettingsError as no:
            self._say(Level.ERROR, "settings", problems=[_shown(problem) for problem in no.problems])
            raise Trouble("server_error: the settings of this function can't be used; its log says why") from None
        except Exception as bug:  # noqa: BLE001 - a message may quote what it found, so only its kind is told
            self._say(Level.ERROR, "not_answered", cause=kinds_of(bug), trace=frames(bug))
            raise Trouble("server_error: the request could not be authorized; the function's log says why") from None

    def _answer(self, event: object) -> dict[str, Any]:
        ready = self._ready or self._get_ready()
        serve, aws = ready.wired.settings.serve, ready.wired.settings.aws
        if isinstance(event, dict) and "type" not in event:  # API Gateway's have one
            from phantomgate.adapters.aws_http import read_http

            http = read_http(event, serve.source)
            if http is not None:
                return self._answer_http(http, ready)
        try:
            asked = read_asked(event, bare_token=aws.bare_token, table=ready.table is not None)
        except UnknownEvent as no:
            self._say(Level.ERROR, "unknown_event", detail=str(no))
            raise Trouble("server_error: no event that we know; the log names its keys", logged=True) from None
        check_identities(asked, aws.cache_ttl)
        simple = asked.surface is Surface.HTTP_2 and aws.http_api == "simple"
        if simple and ready.table is not None:
            check_route_key(asked, ready.table, aws.cache_ttl)
        decision, ready = self._decide(asked.request, ready)
        if isinstance(decision, Refuse) and decision.reason.status >= 500:
            raise write_trouble(decision)
        if asked.surface is Surface.APPSYNC:
            return _to_appsync(ready, decision)
        if simple:
            return _simply(ready, asked, decision)
        return self._by_policy(ready, asked, decision)

    def _answer_http(self, asked: HttpAsked, ready: _Ready) -> dict[str, Any]:
        from phantomgate.adapters.aws_http import check_secret, write_http, write_plain

        plain = write_plain(asked)
        if plain is not None:
            return plain
        if ready.secret:
            check_secret(asked, ready.secret)
        elif asked.of_url and not asked.identified and not self._warned_of_url:
            self._warned_of_url = True
            text = "anybody who knows this URL can try tokens; use AuthType AWS_IAM, or set aws.shared_secret"
            self._say(Level.WARNING, "open_function_url", detail=text)
        decision, ready = self._decide(asked.request, ready)
        wired = ready.wired
        seconds = decision.lifetime(wired.now(), wired.ticks()) if isinstance(decision, Allow) else 0
        return write_http(asked, decision, seconds, wired.settings.serve.realm, wired.resource_metadata)

    def _by_policy(self, ready: _Ready, asked: Asked, decision: _Decision) -> dict[str, Any]:
        """An IAM policy; 401 by the exception, but for HTTP APIs with payload 2.0."""
        answer = self._policy(ready, asked, decision)
        if isinstance(decision, Refuse) and asked.surface is Surface.HTTP_2:
            return {"isAuthorized": False, **answer}
        return answer

    def _policy(self, ready: _Ready, asked: Asked, decision: _Decision) -> dict[str, Any]:
        aws, arn = ready.wired.settings.aws, asked.arn
        if isinstance(decision, Refuse) and decision.reason.status in (400, 401):
            if asked.surface is not Surface.HTTP_2 or aws.raise_unauthorized:
                raise Unauthorized
            return write_denied(policies.nothing(arn), decision)
        # Whoever is let in without the field came by a session, and has shown what he may do for this request alone
        by_session = bool(ready.wired.settings.session.keys) and b"authorization" not in asked.request.headers
        remembered = aws.policy == "cached" and asked.surface is not Surface.WEBSOCKET and not by_session
        of_table = isinstance(decision, Allow) or decision.reason in _OF_TABLE
        if ready.table is not None and remembered and of_table:
            return self._of_table(ready, ready.table, asked, decision)
        if isinstance(decision, Refuse):
            return write_denied(policies.nothing(arn), decision)
        if asked.surface is Surface.WEBSOCKET and (by_session or ready.table is not None):
            policy: policies.Policy | None = policies.of_connect(arn)
        elif aws.policy == "exact" or (by_session and ready.table is not None):
            policy = policies.exact(arn)
        elif by_session and arn.method in policies.READING:
            policy = policies.reading(arn)
        else:
            policy = policies.fixed(aws.resource) if aws.resource else policies.whole_stage(arn)
        if policy is None:
            text = "no policy can name this path: it has a wildcard or is too long"
            self._say(Level.INFO, "denied", detail=text, path=asked.request.path)
            return write_denied(policies.nothing(arn), Refuse(Reason.NO_ROUTE, ready.wired.gateway.new_id(), text))
        return write_policy(*_told(ready, asked.request, decision.token, decision.upstream, policy))

    def _of_table(self, ready: _Ready, table: Table, asked: Asked, decision: _Decision) -> dict[str, Any]:
        """The same policy for a token whatever it called: all that it may reach."""
        from phantomgate.gateway.reach import reach

        arn = asked.arn
        try:
            reached = finish(reach(ready.wired.gateway, asked.request, ready.rules))
        except Refused as no:
            refuse = Refuse(no.reason, ready.wired.gateway.new_id(), no.detail)
            self._say(Level.WARNING, "reach", reason=no.reason.label, detail=no.detail, decision=refuse.id)
            if no.reason.status >= 500:
                raise write_trouble(refuse) from None
            # never back to the table, whatever it was that refused
            return (
                write_denied(policies.nothing(arn), refuse)
                if no.reason in _OF_TABLE
                else self._policy(ready, asked, refuse)
            )
        if reached.token is None or reached.upstream is None:
            refuse = decision if isinstance(decision, Refuse) else Refuse(Reason.NO_ROUTE, ready.wired.gateway.new_id())
            return write_denied(policies.nothing(arn), refuse)
        policy = policies.of_table(arn, table.reachable(reached.places))
        return write_policy(*_told(ready, asked.request, reached.token, reached.upstream, policy))

    def _decide(self, request: Request, ready: _Ready) -> tuple[_Decision, _Ready]:
        """Decides; once more with secrets read anew, when the authorization server doesn't know us by the old ones."""
        decision = _decide(ready, request)
        refused = isinstance(decision, Refuse) and decision.reason is Reason.CLIENT_REFUSED
        if not refused or not self._may_renew(ready):
            return decision, ready
        self._renewed_at = self._ticks()
        self._say(Level.WARNING, "secrets_read_anew", detail="the authorization server refused those that we had")
        try:
            renewed = self._get_ready(_FRESH)
        except SettingsError as no:
            self._say(Level.ERROR, "settings", problems=[_shown(problem) for problem in no.problems])
            return decision, ready
        finish(ready.wired.close())
        return _decide(renewed, request), renewed

    def _may_renew(self, ready: _Ready) -> bool:
        settings = ready.wired.settings
        askers = (settings.introspection, *(one.introspection for one in settings.issuers))
        kept = [secret for one in askers for secret in (one.client_secret, one.client_key)]
        by_aws = any(secret.startswith(("aws-sm:", "aws-ssm:")) for secret in kept)
        return by_aws and self._ticks() - self._renewed_at >= RENEWAL_SECONDS

    def _get_ready(self, more: Mapping[str, str] | None = None) -> _Ready:
        function = load_function({**self._environ(), **(more or {})})
        settings = function.settings
        first = self._ready is None
        write = self._write or Log(2, now=self._now, level=Level[settings.log.level.upper()])
        self._write = write
        wired = wire(settings, environ=function.environ, write=write, now=self._now, ticks=self._ticks, http=self._http)
        try:
            secret = read_secret(settings.aws.shared_secret, function.environ) if settings.aws.shared_secret else ""
        except ValueError as no:
            name = "aws.shared_secret"
            raise SettingsError([Problem(name, str(no), settings.origin(name))]) from None
        for warning in function.warnings if first else ():
            self._say(Level.WARNING, "settings", setting=warning.setting, detail=warning.message, origin=warning.origin)
        rules = rules_of(settings)
        table: Table | None = None
        if rules:
            from phantomgate.gateway.iam import Table

            table = Table(rules)
        self._ready = _Ready(wired, rules, table, secret)
        return self._ready

    def _say(self, level: Level, event: str, **fields: Any) -> None:
        write = self._write or Log(2, now=self._now)
        write(LogLine(self._now(), level, event, fields))


def _decide(ready: _Ready, request: Request) -> _Decision:
    decision = finish(ready.wired.gateway.decide(request))
    if isinstance(decision, Answer):  # API Gateway answers those itself, and an authorizer has no words for it
        return Refuse(Reason.NO_ROUTE, ready.wired.gateway.new_id(), "a preflight, which is nothing to authorize")
    return decision


def _told(
    ready: _Ready, request: Request, token: Token, upstream: HeaderChange, policy: policies.Policy
) -> tuple[str, policies.Policy, Mapping[str, Any]]:
    return write_principal(token, request), policy, _context(ready, token, upstream)


def _context(ready: _Ready, token: Token, upstream: HeaderChange) -> Mapping[str, Any]:
    aws = ready.wired.settings.aws
    return write_context(token, upstream, bearer_prefix=aws.bearer_prefix, key=aws.context_key)


def _simply(ready: _Ready, asked: Asked, decision: _Decision) -> dict[str, Any]:
    """Yes or no, for an HTTP API with simple answers."""
    aws = ready.wired.settings.aws
    if isinstance(decision, Refuse):
        if aws.raise_unauthorized and decision.reason.status in (400, 401):
            raise Unauthorized
        return {"isAuthorized": False}
    if aws.resource and not policies.covers(aws.resource, asked.arn):
        return {"isAuthorized": False}
    return write_simple(_context(ready, decision.token, decision.upstream))


def _to_appsync(ready: _Ready, decision: _Decision) -> dict[str, Any]:
    wired = ready.wired
    if isinstance(decision, Refuse):
        return {"isAuthorized": False, "ttlOverride": 0}
    context = _context(ready, decision.token, decision.upstream)
    return write_resolver(context, decision.lifetime(wired.now(), wired.ticks()))


def _shown(problem: Problem) -> str:
    return f"{problem.setting} {problem.message} ({problem.origin})"
