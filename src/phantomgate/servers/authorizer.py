"""One Lambda function: an event in, an answer or an exception out, driven by the blocking back ends.

Rule: adapters read and write, the gateway decides, and here the two are joined; what could not be decided is raised,
never answered. Wired at the first event, because the
extension that holds secrets is not there before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phantomgate.adapters.aws_answers import Trouble, Unauthorized
from phantomgate.adapters.aws_cache import check_identities, check_route_key
from phantomgate.adapters.aws_events import UnknownEvent, read_asked
from phantomgate.backends.blocking import finish
from phantomgate.backends.secrets import read_secret
from phantomgate.config.function import Function, load_function
from phantomgate.config.log import Level
from phantomgate.config.table import rules_of
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Problem, Reason, SettingsError
from phantomgate.core.model import Allow, Answer, Refuse, Request
from phantomgate.servers.answering import Decided, Ready, is_simple, write_answer
from phantomgate.servers.invocation import Invoked

if (
    TYPE_CHECKING
):  # each is imported when the first event or the settings need it: most functions know one kind of event
    from phantomgate.adapters.aws_http import HttpAsked
    from phantomgate.gateway.iam import Table

LEAST_SECRET = 16
"""Characters of `aws.shared_secret`: who guesses it can try tokens."""


class Authorizer(Invoked):
    """Answers events. Its state, besides what every function has: what was wired at the first, what was warned of."""

    _ready: Ready | None = None
    _warned_of_url = False

    def answer(self, event: object, context: object = None) -> dict[str, Any]:
        """The answer to *event*. Raises Unauthorized where AWS makes 401 of it, and Trouble when nothing is decided.

        *context* is Lambda's: nobody is waited for longer than it has time, less what is kept to answer in.
        """
        try:
            self._invocation.begin(context)
            return self._answer(event)
        except (Unauthorized, Trouble) as said:
            if isinstance(said, Trouble) and not said.logged:
                self._invocation.say(Level.ERROR, "not_answered", detail=str(said))
            raise said from None
        except Exception as no:  # noqa: BLE001 - whatever it is, nothing was decided
            raise self._invocation.trouble(no, "the request could not be authorized") from None

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
            self._invocation.say(Level.ERROR, "unknown_event", detail=str(no))
            raise Trouble("server_error: no event that we know; the log names its keys", logged=True) from None
        check_identities(asked, aws.cache_ttl)
        if ready.table is not None and is_simple(ready, asked):
            check_route_key(asked, ready.table, aws.cache_ttl)
        decision, ready = self._decide(asked.request, ready)
        return write_answer(ready, asked, decision, self._invocation.say)

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
            self._invocation.say(Level.WARNING, "open_function_url", detail=text)
        decision, ready = self._decide(asked.request, ready)
        wired = ready.wired
        seconds = decision.lifetime(wired.now(), wired.ticks()) if isinstance(decision, Allow) else 0
        return write_http(asked, decision, seconds, wired.settings.serve.realm, wired.resource_metadata)

    def _decide(self, request: Request, ready: Ready) -> tuple[Decided, Ready]:
        """Decides; once more with secrets read anew, when the authorization server doesn't know us by the old ones."""
        decision = _decide(ready, request)
        refused = isinstance(decision, Refuse) and decision.reason is Reason.CLIENT_REFUSED
        if not refused or not _kept_by_aws(ready) or not self._invocation.renews():
            return decision, ready
        try:
            renewed = self._get_ready(fresh=True)
        except SettingsError as no:
            self._invocation.complain(no)
            return decision, ready
        finish(ready.wired.close())
        return _decide(renewed, request), renewed

    def _get_ready(self, *, fresh: bool = False) -> Ready:
        function = load_function(self._invocation.environ(fresh=fresh))
        settings = function.settings
        secret = _shared_secret(function)
        wired = wire(
            settings,
            environ=function.environ,
            write=self._invocation.log(settings),
            now=self._now,
            ticks=self._ticks,
            http=self._http,
            left=self._invocation.left,
        )
        if self._ready is None:
            self._invocation.warn(function.warnings)
        rules = rules_of(settings)
        table: Table | None = None
        if rules:
            from phantomgate.gateway.iam import Table

            table = Table(rules)
        self._ready = Ready(wired, rules, table, secret)
        return self._ready


def _shared_secret(function: Function) -> str:
    """What callers of a Function URL must send, or nothing. Raises SettingsError."""
    reference = function.settings.aws.shared_secret
    try:
        return read_secret(reference, function.environ, least=LEAST_SECRET) if reference else ""
    except ValueError as no:
        name = "aws.shared_secret"
        raise SettingsError([Problem(name, str(no), function.settings.origin(name))]) from None


def _kept_by_aws(ready: Ready) -> bool:
    """Whether a secret that an authorization server could refuse may be another by now."""
    settings = ready.wired.settings
    askers = (settings.introspection, *(one.introspection for one in settings.issuers))
    kept = [secret for one in askers for secret in (one.client_secret, one.client_key)]
    return any(secret.startswith(("aws-sm:", "aws-ssm:")) for secret in kept)


def _decide(ready: Ready, request: Request) -> Decided:
    decision = finish(ready.wired.gateway.decide(request))
    if isinstance(decision, Answer):  # API Gateway answers those itself, and an authorizer has no words for it
        return Refuse(Reason.NO_ROUTE, ready.wired.gateway.new_id(), "a preflight, which is nothing to authorize")
    return decision
