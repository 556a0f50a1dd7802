"""From [policy] and [[routes]] to what the gateway matches and judges by.

Rule: nothing here looks at a request; it makes what does.
"""

from __future__ import annotations

from typing import cast

from phantomgate.config.issuing import DEFAULT_NAME
from phantomgate.config.settings import Settings
from phantomgate.config.table import policy_route, rules_of
from phantomgate.core.model import Request, Route, ScopeStrategy, Token
from phantomgate.core.ports import Clock, Match, Policy
from phantomgate.gateway import judge
from phantomgate.gateway.rule import policy_only


def match_of(settings: Settings) -> Match:
    """Which rules apply to a request: the table of [[routes]], or [policy] alone."""
    policy = policy_route(settings)
    if not settings.routes:
        return policy_only(policy)
    from phantomgate.gateway.routes import route_table  # and with it the reading of paths

    return route_table(rules_of(settings), policy)


def policies_of(settings: Settings, now: Clock) -> dict[str, Policy]:
    """The checks that these settings need, by name, in the order in which they run."""
    policy, routes = settings.policy, settings.routes
    everywhere = policy_route(settings)
    scopes = judge.scopes(cast("ScopeStrategy", policy.scope_strategy))
    policies = {"not expired": judge.not_expired(now, policy.clock_skew)}
    if policy.issuers:
        policies["issuer"] = judge.issuer()
    if any(one.audiences for one in settings.issuers):
        default = {settings.introspection.issuer or DEFAULT_NAME: frozenset[str]()}
        named = {one.name: frozenset(one.audiences) for one in settings.issuers}
        policies["audience of its issuer"] = judge.audience_of_issuer(default | named)
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
