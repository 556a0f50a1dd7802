"""What settings can't mean on AWS: problems that stop the function, and that `check` tells where [aws] is written.

Rule: as `checks`. Whatever would let API Gateway's cache answer for a request that we would refuse is a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from phantomgate.config.settings import Introspection, Settings
from phantomgate.config.table import rules_of, wanted
from phantomgate.oauth.urls import insecure


def problems_on_aws(settings: Settings, unread: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong with it and how to mend it)."""
    for name, also, check in _CHECKS:
        if not any(one == other or one.startswith(f"{other}[") for one in unread for other in (name, *also)):
            text = check(settings)
            if text:
                yield name, text


def _exact_is_not_cached(settings: Settings) -> str:
    if settings.aws.policy == "cached" or not settings.aws.cache_ttl:
        return ""
    return 'is "exact", and aws.cache_ttl is not "0s": a remembered policy would refuse every other path; turn the \
authorizer\'s caching off and write cache_ttl = "0s", or leave policy out'


def _table_can_be_said(settings: Settings) -> str:
    """IAM's `*` crosses slashes, Deny wins, and statements have no order: not every table can be a policy."""
    if settings.aws.policy == "exact" or not settings.routes:
        return ""
    from phantomgate.gateway.iam import Table  # only with [[routes]]

    rules = rules_of(settings)
    try:
        clash = Table(rules).clashes([wanted(rule.route) for rule in rules])
    except ValueError:
        return ""  # a path that is told of by itself
    if clash is None:
        return ""
    one, other = (f"routes[{place + 1}] ({rules[place].route.name})" for place in clash)
    too_much = f"{one}, whose wildcards take slashes too in a policy"
    if clash[0] == clash[1]:
        return f"can't be said in a policy: {too_much}; {_REMEDY}"
    return f"can't be said in a policy: {too_much}, or which must be denied where {other} is allowed; {_REMEDY}"


_REMEDY = 'let one route rule all below a path ("/orders/**"), or turn the authorizer\'s caching off and write \
policy = "exact" and cache_ttl = "0s" under [aws]'


def _one_jwt_for_all_routes(settings: Settings) -> str:
    if settings.aws.policy == "exact" or len({rule.upstream_audience for rule in settings.routes}) < 2:
        return ""
    return f"have different upstream_audience, and API Gateway remembers one JWT for all of them; {_REMEDY}"


def _resource_is_alone(settings: Settings) -> str:
    says_itself = settings.routes or settings.session.keys or settings.aws.policy == "exact"
    if not settings.aws.resource or not says_itself:
        return ""
    return 'has no meaning beside [[routes]], [session] or policy = "exact", which say themselves what is allowed; \
keep one'


def _sessions_are_not_cached(settings: Settings) -> str:
    """A remembered Allow skips the CSRF and Origin checks of the next request."""
    if not settings.session.keys or settings.aws.cache_ttl == 0:
        return ""
    return 'are for cookies, whose requests are each checked for forgery, which an answer that API Gateway remembers \
would skip; turn the authorizer\'s caching off and write cache_ttl = "0s" under [aws]'


def _keys_are_alone(settings: Settings) -> str:
    if not settings.aws.keys:
        return ""
    if settings.issuers or settings.introspection != Introspection():
        return "and [introspection] or [[issuers]] are both there; keep one"
    if insecure(settings.aws.keys):
        return "is http, so anybody on the way could give us other keys; write https://"
    return ""


def _somebody_is_let_in(settings: Settings) -> str:
    if settings.aws.bearer_tokens or settings.session.keys:
        return ""
    return "is false, and there are no sessions, so nobody would be let in; write keys under [session], or leave it out"


def _nothing_sealed_is_judged(settings: Settings) -> str:
    """What a sealed token claims is verified by nobody here, so no rule could be met by it, and no JWT made of it."""
    if not settings.aws.forward_sealed:
        return ""
    if not settings.session.keys:
        return "is for sessions, and there are none; write keys under [session], or leave it out"
    policy = settings.policy
    judged = bool(policy.scopes or policy.any_scopes or policy.issuers or policy.audiences) or any(
        rule.scopes or rule.any_scopes or rule.audiences or rule.issuer or rule.upstream_audience
        for rule in settings.routes
    )
    if not (judged or settings.issuers or settings.makes_jwts or settings.forward.claims):
        return ""
    return "gives tokens that nobody here has verified, so [policy], [[routes]], [[issuers]], [forward], [mint] and \
[exchange] can look at nothing in them; leave it out and name who is asked under [introspection], or leave those out"


def _somebody_hears(settings: Settings) -> str:
    if not settings.revokes or settings.redis.nodes:
        return ""
    return "is for `phantomgate serve`: nothing listens in a function, so a purge would be over nowhere here; share \
[redis] with a `serve` that listens, or leave [revocation] out"


_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Settings], str]], ...] = (
    ("aws.policy", ("aws.cache_ttl",), _exact_is_not_cached),
    ("routes", ("aws.policy", "policy"), _table_can_be_said),
    ("routes", ("aws.policy",), _one_jwt_for_all_routes),
    ("aws.resource", ("aws.policy",), _resource_is_alone),
    ("session.keys", ("aws.cache_ttl",), _sessions_are_not_cached),
    ("aws.keys", ("introspection", "issuers"), _keys_are_alone),
    ("aws.bearer_tokens", ("session",), _somebody_is_let_in),
    ("revocation.listen", ("redis.nodes",), _somebody_hears),
    ("aws.forward_sealed", ("session", "policy", "routes", "issuers", "forward", "mint"), _nothing_sealed_is_judged),
)
"""(the setting that is blamed, the others it looks at, the check)."""
