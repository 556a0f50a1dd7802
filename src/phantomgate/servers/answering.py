"""From a decision to the answer that whoever asked understands: a policy, a plain yes or no, or an exception.

Rule: nothing is decided here, and a policy allows what was decided or what the table grants, never what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from phantomgate.adapters import aws_policies as policies
from phantomgate.adapters.aws_answers import (
    Unauthorized,
    write_context,
    write_denied,
    write_policy,
    write_principal,
    write_resolver,
    write_simple,
    write_trouble,
)
from phantomgate.adapters.aws_events import Asked, Surface
from phantomgate.backends.blocking import finish
from phantomgate.config.log import Level
from phantomgate.config.wiring import Wired
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, HeaderChange, Refuse, Request, Token
from phantomgate.core.nouns import dataclass, field
from phantomgate.gateway.rule import Rule

if TYPE_CHECKING:
    from phantomgate.gateway.iam import Table  # only with [[routes]]

Decided: TypeAlias = Allow | Refuse
Say: TypeAlias = Callable[..., None]
"""Tells the log: (level, event, **fields)."""

_OF_TABLE = (Reason.NO_ROUTE, Reason.INSUFFICIENT_SCOPE)
"""What the table refuses: a token may reach other resources all the same."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A function that can decide; *rules* and *table* are empty and None without [[routes]]."""

    wired: Wired
    rules: tuple[Rule, ...]
    table: Table | None
    secret: str = field(repr=False)


def write_answer(ready: Ready, asked: Asked, decision: Decided, say: Say) -> dict[str, Any]:
    """The answer for whoever *asked*. Raises Unauthorized where AWS makes 401 of it, and Trouble for every 5xx."""
    if isinstance(decision, Refuse) and decision.reason.status >= 500:
        raise write_trouble(decision)
    if asked.surface is Surface.APPSYNC:
        return _to_appsync(ready, decision)
    if is_simple(ready, asked):
        return _simply(ready, asked, decision)
    answer = _by_policy(ready, asked, decision, say)
    if isinstance(decision, Refuse) and asked.surface is Surface.HTTP_2:
        return {"isAuthorized": False, **answer}
    return answer


def is_simple(ready: Ready, asked: Asked) -> bool:
    """Whether the answer is a plain yes or no."""
    return asked.surface is Surface.HTTP_2 and ready.wired.settings.aws.http_api == "simple"


def _by_policy(ready: Ready, asked: Asked, decision: Decided, say: Say) -> dict[str, Any]:
    """An IAM policy; 401 by the exception, but for HTTP APIs with payload 2.0."""
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
        return _by_table(ready, ready.table, asked, decision, say)
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
        say(Level.INFO, "denied", detail=text, path=asked.request.path)
        return write_denied(policies.nothing(arn), Refuse(Reason.NO_ROUTE, ready.wired.gateway.new_id(), text))
    return write_policy(*_told(ready, asked.request, decision.token, decision.upstream, policy))


def _by_table(ready: Ready, table: Table, asked: Asked, decision: Decided, say: Say) -> dict[str, Any]:
    """The same policy for a token whatever it called: all that it may reach."""
    from phantomgate.gateway.reach import reach

    arn = asked.arn
    try:
        reached = finish(reach(ready.wired.gateway, asked.request, ready.rules))
    except Refused as no:
        refuse = Refuse(no.reason, ready.wired.gateway.new_id(), no.detail)
        say(Level.WARNING, "reach", reason=no.reason.label, detail=no.detail, decision=refuse.id)
        if no.reason.status >= 500:
            raise write_trouble(refuse) from None
        if no.reason in _OF_TABLE:  # never back to the table, whatever it was that refused
            return write_denied(policies.nothing(arn), refuse)
        return _by_policy(ready, asked, refuse, say)
    if reached.token is None or reached.upstream is None:
        refuse = decision if isinstance(decision, Refuse) else Refuse(Reason.NO_ROUTE, ready.wired.gateway.new_id())
        return write_denied(policies.nothing(arn), refuse)
    policy = policies.of_table(arn, table.reachable(reached.places))
    return write_policy(*_told(ready, asked.request, reached.token, reached.upstream, policy))


def _simply(ready: Ready, asked: Asked, decision: Decided) -> dict[str, Any]:
    """Yes or no, for an HTTP API with simple answers."""
    aws = ready.wired.settings.aws
    if isinstance(decision, Refuse):
        if aws.raise_unauthorized and decision.reason.status in (400, 401):
            raise Unauthorized
        return {"isAuthorized": False}
    if aws.resource and not policies.covers(aws.resource, asked.arn):
        return {"isAuthorized": False}
    return write_simple(_context(ready, decision.token, decision.upstream))


def _to_appsync(ready: Ready, decision: Decided) -> dict[str, Any]:
    wired = ready.wired
    if isinstance(decision, Refuse):
        return {"isAuthorized": False, "ttlOverride": 0}
    context = _context(ready, decision.token, decision.upstream)
    return write_resolver(context, decision.lifetime(wired.now(), wired.ticks()))


def _told(
    ready: Ready, request: Request, token: Token, upstream: HeaderChange, policy: policies.Policy
) -> tuple[str, policies.Policy, Mapping[str, Any]]:
    return write_principal(token, request), policy, _context(ready, token, upstream)


def _context(ready: Ready, token: Token, upstream: HeaderChange) -> Mapping[str, Any]:
    aws = ready.wired.settings.aws
    return write_context(token, upstream, bearer_prefix=aws.bearer_prefix, key=aws.context_key)
