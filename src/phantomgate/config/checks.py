"""What two settings say together: problems that stop us, and warnings that `check` prints.

Rule: pure, one function a check, and each text ends with what to write instead. A check that looks at a setting which
couldn't be read is skipped, so that one mistake is one problem.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from phantomgate.config.asking_checks import IN_THE_CLEAR, missing, problems_of_asking, wants_secret
from phantomgate.config.network import insecure, is_loopback, read_address
from phantomgate.config.settings import (
    Introspection,
    Mint,
    Redis,
    Resource,
    Revocation,
    RouteRule,
    Serve,
    Settings,
    SplitTokens,
)
from phantomgate.config.settings_aws import Aws
from phantomgate.config.settings_session import Session
from phantomgate.core.model import Route
from phantomgate.gateway.rule import Rule
from phantomgate.oauth.urls import check_issuer

_ANY = Route("any")
_NO_TIME = 'has no effect without cache.stale_if_error; write stale_if_error = "30s" under [cache], or leave it out'


def problems_between(settings: Settings, unread: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong with it and how to mend it) for every check that fails."""
    for name, also, check in _checks(settings):
        if name not in unread and not any(other in unread for other in also):
            text = check(settings)
            if text:
                yield name, text
    yield from problems_of_asking("introspection", settings.introspection, settings.makes_jwts, unread)
    if settings.exchanges:
        from phantomgate.config.exchange_checks import problems_of_exchange

        yield from problems_of_exchange(settings, unread)
    if settings.has_agent:
        from phantomgate.config.agent_checks import problems_of_agent

        yield from problems_of_agent(settings, unread)
    if settings.splits or settings.split_tokens != SplitTokens():
        from phantomgate.config.splitting import problems_of_splitting

        yield from problems_of_splitting(settings, unread)
    if settings.issuers or any(rule.issuer for rule in settings.routes):
        from phantomgate.config.issuer_checks import problems_of_issuers  # and with it the verifier

        yield from problems_of_issuers(settings, unread)
    if settings.aws != Aws() or any(name.startswith("aws.") for name in settings.origins):
        from phantomgate.config.aws_checks import problems_on_aws

        yield from problems_on_aws(settings, unread)
    if settings.resource != Resource() and not any(name.startswith("resource") for name in unread):
        from phantomgate.config.published import problems_of_resource

        yield from problems_of_resource(settings)
    for place, rule in enumerate(settings.routes, 1):
        name = f"routes[{place}].path"
        if name not in unread and rule.path:
            text = _template(rule)
            if text:
                yield name, text
        if rule.allow_stale and settings.cache.stale_if_error <= 0 and "cache.stale_if_error" not in unread:
            yield f"routes[{place}].allow_stale", _NO_TIME
        if (
            rule.upstream_audience
            and not settings.makes_jwts
            and not {"mint.keys", f"routes[{place}].upstream_audience"} & set(unread)
        ):
            yield (
                f"routes[{place}].upstream_audience",
                "has no effect without keys under [mint], and without [exchange]; write one, or leave it out",
            )


def _endpoint_is_there(settings: Settings) -> str:
    introspection = settings.introspection
    if introspection.endpoint or _unused(settings):
        return ""
    if not introspection.issuer:
        return (
            missing("introspection", "endpoint", "https://as.example/oauth/v2/oauth-introspect")
            + '; or write issuer = "https://as.example", whose metadata says where it is'
        )
    try:
        check_issuer(introspection.issuer, allow_insecure_http=introspection.allow_insecure_http)
    except ValueError as no:
        return f"is missing, and can't be found in the metadata of introspection.issuer, which {no}; write endpoint"
    return ""


def _unused(settings: Settings) -> bool:
    """Whether [introspection] says nothing, and [[issuers]] or [aws] make up for it."""
    aws = settings.aws
    return bool(settings.issuers or aws.keys or aws.forward_sealed) and settings.introspection == Introspection()


def _client_is_there(settings: Settings) -> str:
    if _unused(settings):
        return ""
    return "" if settings.introspection.client_id else missing("introspection", "client_id", "api-gateway")


def _secret_is_there(settings: Settings) -> str:
    if _unused(settings) or settings.introspection.client_secret or not wants_secret(settings.introspection):
        return ""
    return missing("introspection", "client_secret", "env:NAME")


def _endpoint_is_private(settings: Settings) -> str:
    """RFC 7662 §4: introspection needs TLS. Loopback is our own machine."""
    endpoint = settings.introspection.endpoint
    if not endpoint or settings.introspection.allow_insecure_http or not insecure(endpoint):
        return ""
    return IN_THE_CLEAR


def _callers_are_named(settings: Settings) -> str:
    """Whoever reaches the decision listener can try tokens and say which request is judged."""
    serve = settings.serve
    if read_address(serve.listen).local or serve.allow_any_caller:
        return ""
    if any(not is_loopback(network.partition("/")[0]) for network in serve.trusted_proxies):
        return ""
    return f'is "{serve.listen}", which others can reach, but serve.trusted_proxies names nobody beyond this machine; \
write trusted_proxies = ["10.0.0.0/8"] with your gateway\'s network (or, where something else keeps strangers away, \
allow_any_caller = true)'


def _protocol_can_serve_this(settings: Settings) -> str:
    """What proxies speaks http; grpcio binds its own socket, and its workers serve checks and nothing else."""
    serve = settings.serve
    if serve.protocol == "spop" and serve.upstream:
        return 'is "spop", and the reverse proxy of serve.upstream speaks http; leave one of them out'
    if serve.protocol != "grpc":
        return ""
    if read_address(serve.listen).unix:
        return f'is "grpc" and serve.listen is "{serve.listen}"; write an address such as "127.0.0.1:9090"'
    if serve.upstream:
        return 'is "grpc", and the reverse proxy of serve.upstream speaks http; leave one of them out'
    if settings.splits:
        return 'is "grpc", whose workers receive no parts of split tokens; have Envoy ask over http'
    return ""


def _listeners_are_apart(settings: Settings) -> str:
    manage = read_address(settings.serve.manage)
    if read_address(settings.serve.listen) != manage or (not manage.unix and manage.port == 0):
        return ""
    return "is the address of serve.listen too; choose another, so that gateways can't reach the metrics"


def _keys_are_there(settings: Settings) -> str:
    if settings.mint.keys or settings.mint == Mint():
        return ""
    return 'is missing, so nothing would be minted; write keys = ["file:PATH"] under [mint], or leave [mint] out'


def _minter_has_a_name(settings: Settings) -> str:
    """RFC 9068 §2.2; and RFC 8725 §3.8: keys belong to an issuer, so two of them can't share a name."""
    if not settings.mint.keys:
        return ""
    if not settings.mint.issuer:
        return missing("mint", "issuer", "https://gateway.example")
    others = (settings.introspection.issuer, *settings.policy.issuers, *(one.issuer for one in settings.issuers))
    if settings.mint.issuer in others:
        return "is an authorization server's name, whose keys are others; write a name of your own"
    return ""


def _minter_has_an_audience(settings: Settings) -> str:
    return "" if settings.mint.audience or not settings.mint.keys else missing("mint", "audience", "orders-api")


def _stale_is_allowed_somewhere(settings: Settings) -> str:
    of_policy = settings.policy.allow_stale and not settings.routes  # with them, what no rule is for is refused
    allowed = of_policy or any(rule.allow_stale for rule in settings.routes)
    if settings.cache.stale_if_error <= 0 or allowed:
        return ""
    return (
        "has no effect: write allow_stale = true under those of [[routes]] (or under [policy], without routes) where \
reading something a minute too long does no harm"
    )


def _stale_is_for_some_time(settings: Settings) -> str:
    if settings.cache.stale_if_error > 0 or not settings.policy.allow_stale:
        return ""
    return _NO_TIME


def _template(rule: RouteRule) -> str:
    """The gateway's own reader is the judge of a path template."""
    from phantomgate.gateway.routes import route_table

    try:
        route_table([Rule(rule.path, rule.methods, _ANY)], _ANY)
    except ValueError as no:
        return f"can't be used: {no}"
    return ""


def _checks(settings: Settings) -> Iterator[_Check]:
    """What to look at. A section that says nothing has no problem, so a cold start doesn't import what would look."""
    yield from _ALWAYS
    if settings.session != Session():
        from phantomgate.config.session_checks import SESSION_CHECKS

        yield from SESSION_CHECKS
    if settings.redis != Redis():
        from phantomgate.config.sharing_checks import SHARING_CHECKS

        yield from SHARING_CHECKS
    if settings.revocation != Revocation():
        from phantomgate.config.revoking import REVOCATION_CHECKS

        yield from REVOCATION_CHECKS
    if settings.serve != Serve():
        yield from _OF_SERVE


_Check: TypeAlias = tuple[str, tuple[str, ...], Callable[[Settings], str]]
"""(the setting that is blamed, the others it looks at, the check)."""

_ALWAYS: tuple[_Check, ...] = (
    ("introspection.endpoint", (), _endpoint_is_there),
    ("introspection.endpoint", ("introspection.allow_insecure_http",), _endpoint_is_private),
    ("introspection.client_id", (), _client_is_there),
    ("introspection.client_secret", ("introspection.client_auth",), _secret_is_there),
    ("mint.keys", (), _keys_are_there),
    ("mint.issuer", ("mint.keys", "introspection.issuer", "policy.issuers", "issuers"), _minter_has_a_name),
    ("mint.audience", ("mint.keys",), _minter_has_an_audience),
    ("cache.stale_if_error", ("policy.allow_stale", "routes"), _stale_is_allowed_somewhere),
    ("policy.allow_stale", ("cache.stale_if_error",), _stale_is_for_some_time),
)
_OF_SERVE: tuple[_Check, ...] = (
    ("serve.listen", ("serve.trusted_proxies", "serve.allow_any_caller"), _callers_are_named),
    ("serve.manage", ("serve.listen",), _listeners_are_apart),
    ("serve.protocol", ("serve.listen", "serve.upstream", "issuers"), _protocol_can_serve_this),
)
