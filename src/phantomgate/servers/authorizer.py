"""One Lambda function: an event in, an answer or an exception out, driven by the blocking back ends.

Rule: adapters read and write, the gateway decides, and here the two are joined; what could not be decided is raised,
never answered, and nothing is waited for so long that no time is left to say so. Wired at the first event, because the
extension that holds secrets is not there before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from phantomgate.adapters.aws_answers import Trouble, Unauthorized
from phantomgate.adapters.aws_cache import check_identities, check_route_key
from phantomgate.adapters.aws_events import UnknownEvent, read_asked
from phantomgate.backends.blocking import finish
from phantomgate.backends.secrets import UNTIL, read_secret
from phantomgate.config.function import load_function
from phantomgate.config.log import Level, Log, LogLine, frames, kinds_of
from phantomgate.config.table import rules_of
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Problem, Reason, SettingsError, Unavailable
from phantomgate.core.model import Allow, Answer, Refuse, Request
from phantomgate.core.ports import Clock, Http
from phantomgate.servers.answering import Decided, Ready, is_simple, write_answer

if (
    TYPE_CHECKING
):  # each is imported when the first event or the settings need it: most functions know one kind of event
    from phantomgate.adapters.aws_http import HttpAsked
    from phantomgate.gateway.iam import Table

RENEWAL_SECONDS = 60.0
"""Secrets are read anew for an authorization server that refuses them, no more often than this."""
KEPT_SECONDS = 0.5
"""What is kept of an invocation's time to answer in: Lambda ends a function that has none left without a word."""
FRESH = {"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "0"}  # past the extension, which remembers the old ones


class Invocation:
    """How long one may wait for others. State: when that ends, on the monotonic clock *ticks*."""

    def __init__(self, ticks: Clock) -> None:
        self._ticks = ticks
        self._until = inf

    def begin(self, context: object) -> None:
        """By Lambda's *context*: the time that it has, less what is kept to answer in."""
        self._until = self._ticks() + _seconds(context) - KEPT_SECONDS

    def environ(self, now: float) -> Mapping[str, str]:
        """The variable that says to `aws_secrets` when it ends, at Unix time *now*."""
        return {UNTIL: str(now + self._until - self._ticks())} if self._until < inf else {}

    def left(self) -> float:
        """Seconds, more than 0. Raises Unavailable once there are none."""
        left = self._until - self._ticks()
        if left <= 0:
            text = f"this invocation has less than {KEPT_SECONDS:g} s left, which are kept to answer in; was the \
authorization server slow, or is the function's Timeout short?"
            raise Unavailable(text, reason=Reason.OVERLOADED)  # nobody was asked
        return left


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
        self._ready: Ready | None = None
        self._warned_of_url = False
        self._renewed_at = -RENEWAL_SECONDS
        self._invocation = Invocation(ticks)

    def answer(self, event: object, context: object = None) -> dict[str, Any]:
        """The answer to *event*. Raises Unauthorized where AWS makes 401 of it, and Trouble when nothing is decided.

        *context* is Lambda's: nobody is waited for longer than it has time, less what is kept to answer in.
        """
        self._invocation.begin(context)
        try:
            return self._answer(event)
        except (Unauthorized, Trouble) as said:
            if isinstance(said, Trouble) and not said.logged:
                self._say(Level.ERROR, "not_answered", detail=str(said))
            raise said from None
        except SettingsError as no:
            self._say(Level.ERROR, "settings", problems=[shown(problem) for problem in no.problems])
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
        if ready.table is not None and is_simple(ready, asked):
            check_route_key(asked, ready.table, aws.cache_ttl)
        decision, ready = self._decide(asked.request, ready)
        return write_answer(ready, asked, decision, self._say)

    def _answer_http(self, asked: HttpAsked, ready: Ready) -> dict[str, Any]:
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

    def _decide(self, request: Request, ready: Ready) -> tuple[Decided, Ready]:
        """Decides; once more with secrets read anew, when the authorization server doesn't know us by the old ones."""
        decision = _decide(ready, request)
        refused = isinstance(decision, Refuse) and decision.reason is Reason.CLIENT_REFUSED
        if not refused or not self._may_renew(ready):
            return decision, ready
        self._renewed_at = self._ticks()
        self._say(Level.WARNING, "secrets_read_anew", detail="the authorization server refused those that we had")
        try:
            renewed = self._get_ready(FRESH)
        except SettingsError as no:
            self._say(Level.ERROR, "settings", problems=[shown(problem) for problem in no.problems])
            return decision, ready
        finish(ready.wired.close())
        return _decide(renewed, request), renewed

    def _may_renew(self, ready: Ready) -> bool:
        settings = ready.wired.settings
        askers = (settings.introspection, *(one.introspection for one in settings.issuers))
        kept = [secret for one in askers for secret in (one.client_secret, one.client_key)]
        by_aws = any(secret.startswith(("aws-sm:", "aws-ssm:")) for secret in kept)
        return by_aws and self._ticks() - self._renewed_at >= RENEWAL_SECONDS

    def _get_ready(self, more: Mapping[str, str] | None = None) -> Ready:
        function = load_function({**self._environ(), **(more or {}), **self._invocation.environ(self._now())})
        settings = function.settings
        first = self._ready is None
        write = self._write or Log(2, now=self._now, level=Level[settings.log.level.upper()])
        self._write = write
        wired = wire(
            settings,
            environ=function.environ,
            write=write,
            now=self._now,
            ticks=self._ticks,
            http=self._http,
            left=self._invocation.left,
        )
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
        self._ready = Ready(wired, rules, table, secret)
        return self._ready

    def _say(self, level: Level, event: str, **fields: Any) -> None:
        write = self._write or Log(2, now=self._now)
        write(LogLine(self._now(), level, event, fields))


def _decide(ready: Ready, request: Request) -> Decided:
    decision = finish(ready.wired.gateway.decide(request))
    if isinstance(decision, Answer):  # API Gateway answers those itself, and an authorizer has no words for it
        return Refuse(Reason.NO_ROUTE, ready.wired.gateway.new_id(), "a preflight, which is nothing to authorize")
    return decision


def _seconds(context: object) -> float:
    """What is left of the invocation by Lambda's *context*; no end where it doesn't say."""
    told = getattr(context, "get_remaining_time_in_millis", None)
    millis = told() if callable(told) else None
    return millis / 1000 if isinstance(millis, (int, float)) else inf


def shown(problem: Problem) -> str:
    return f"{problem.setting} {problem.message} ({problem.origin})"
