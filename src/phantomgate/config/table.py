"""From [policy] and [[routes]] to the rules that the gateway matches by, and what each wants of a token."""

from __future__ import annotations

from phantomgate.config.settings import RouteRule, Settings
from phantomgate.core.model import Route
from phantomgate.gateway.rule import Rule


def policy_route(settings: Settings) -> Route:
    """What [policy] alone wants."""
    policy = settings.policy
    return Route(
        "policy",
        frozenset(policy.scopes),
        frozenset(policy.any_scopes),
        frozenset(policy.issuers),
        frozenset(policy.audiences),
        allow_stale=policy.allow_stale,
    )


def rules_of(settings: Settings) -> tuple[Rule, ...]:
    """The table, in order; empty without [[routes]]."""
    policy = policy_route(settings)
    return tuple(Rule(rule.path, rule.methods, _route(rule, policy)) for rule in settings.routes)


def _route(rule: RouteRule, policy: Route) -> Route:
    """One line of the table. Where both it and the policy name alternatives, `wiring` judges by each."""
    return Route(
        f"{','.join(rule.methods) or '*'} {rule.path}",
        policy.scopes | frozenset(rule.scopes),
        frozenset(rule.any_scopes) or policy.any_scopes,
        policy.issuers,
        frozenset(rule.audiences) or policy.audiences,
        rule.issuer,
        rule.upstream_audience,
        rule.allow_stale,
        of_table=True,
    )


def wanted(route: Route) -> frozenset[tuple[str, object]]:
    """What *route* wants of a token, as a set: a token that has it all has every part of it."""
    found: set[tuple[str, object]] = {("scope", scope) for scope in route.scopes}
    found |= {(name, value) for name, value in (("any", route.any_scopes), ("audience", route.audiences)) if value}
    return frozenset(found | ({("issuer", route.issuer)} if route.issuer else set()))
