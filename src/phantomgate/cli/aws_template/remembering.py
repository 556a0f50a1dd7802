"""Whether what API Gateway remembers our answers by, and for how long, fits what the function believes and decides.

Rule: what the function would do is asked of the code that does it, once as the function is told and once as the
template has it. Where they differ, the function is wrong about the API, and that is what is found.
"""

from __future__ import annotations

from collections.abc import Iterator

from phantomgate.adapters.aws_cache import check_identities, check_route_key
from phantomgate.adapters.aws_events import Asked, Surface
from phantomgate.cli.aws_template.apis import Api, ApiKind, Authorizer, Identity, Source
from phantomgate.cli.aws_template.finding import Finding, Kind
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.told import Told
from phantomgate.cli.aws_template.validating import CREDENTIAL, of_token
from phantomgate.config.aws_checks import problems_on_aws
from phantomgate.config.table import rules_of
from phantomgate.core.errors import Refused
from phantomgate.core.model import Headers, Request
from phantomgate.core.nouns import replace
from phantomgate.gateway.iam import Table

USUAL_TTL = 300.0
"""Seconds for which API Gateway remembers when nothing is said."""
_LONG = 300


def remembering(api: Api, authorizer: Authorizer, told: Told) -> Iterator[Finding]:
    """What is wrong with the caching of *authorizer*."""
    seconds = ttl_of(api, authorizer)
    yield from _ttls(api, authorizer, told, seconds)
    yield from _settings(authorizer, told, seconds)
    if api.kind is ApiKind.HTTP:
        yield from _of_http(api, authorizer, told, seconds)
    elif api.kind is ApiKind.WEBSOCKET:
        yield from _of_websocket(authorizer)
    elif authorizer.form == "REQUEST":
        yield from _of_request(authorizer, seconds)
    elif authorizer.form == "TOKEN":
        yield from of_token(authorizer.at, authorizer.validation, told)


def ttl_of(api: Api, authorizer: Authorizer) -> float | Later:
    """For how long its answers are remembered."""
    if api.kind is ApiKind.WEBSOCKET:
        return 0.0  # a connection is asked about once
    said = authorizer.ttl.number()
    return USUAL_TTL if said is None else said


def _ttls(api: Api, authorizer: Authorizer, told: Told, seconds: float | Later) -> Iterator[Finding]:
    """The TTL of the authorizer, and what the function is told of it."""
    believed, place = told.ttl, authorizer.ttl.path
    if api.kind is ApiKind.WEBSOCKET:
        return
    if believed is None:
        what = f"the function isn't told that API Gateway remembers its answers for {_said(seconds)}"
        change = f"{_told_as(seconds)} in {told.place('aws.cache_ttl')}; until then caching counts as on"
        yield Finding(Kind.ADVICE, "ttl-not-told", what, place, change)
    elif isinstance(seconds, Later) or isinstance(believed, Later):
        known = believed.text.removesuffix("s") if isinstance(believed, Later) else believed
        if known != (seconds.text if isinstance(seconds, Later) else seconds):
            what = (
                f"the TTL is {_said(seconds)}, and the function is told {_said(believed)}: whether they are the same \
can't be known from here"
            )
            yield Finding(Kind.ADVICE, "ttl-not-known", what, place, "make both of one parameter")
    elif believed != seconds:
        what = f"API Gateway remembers answers for {_said(seconds)}, and the function believes {_said(believed)}"
        unsafe = believed == 0
        if unsafe:
            what += ", so it gives answers that must not be remembered"
        change = f"{_told_as(seconds)} in {told.place('aws.cache_ttl')}, or make both of one parameter"
        yield Finding(Kind.UNSAFE if unsafe else Kind.ADVICE, "ttl-differs", what, place, change)
    if isinstance(seconds, (int, float)) and seconds > _LONG:
        what = f"a token that is revoked, or expires, still works for up to {seconds:g} s"
        yield Finding(Kind.ADVICE, "ttl-long", what, place, f"write {_LONG} or less")


def _told_as(seconds: float | Later) -> str:
    return "write the same" if isinstance(seconds, Later) else f"write {seconds:g}s"


def _said(seconds: float | Later) -> str:
    return seconds.text if isinstance(seconds, Later) else f"{seconds:g} s"


def _settings(authorizer: Authorizer, told: Told, seconds: float | Later) -> Iterator[Finding]:
    """What the function would say when it starts, if it were told how long its answers really are remembered."""
    unread = {problem.setting for problem in told.problems}
    if told.unknown:
        unread |= {name for name in ("routes", "policy", "session", "issuers", "aws.policy") if not told.knows(name)}
    really = None if isinstance(seconds, Later) else float(seconds)
    already = set(problems_on_aws(told.settings, unread)) if told.knows("aws.cache_ttl") else set()
    settings = replace(told.settings, aws=replace(told.settings.aws, cache_ttl=really))
    for name, text in problems_on_aws(settings, unread):
        if (name, text) not in already:
            if really is None:
                text = f"{text} (the TTL, {_said(seconds)}, is only known when it is deployed)"
            kind = Kind.ADVICE if really is None else Kind.UNSAFE
            change = "write 0, and the same in aws.cache_ttl; or change the setting"
            yield Finding(kind, "rules-and-ttl", f"{name} {text}", authorizer.ttl.path, change)


def _of_request(authorizer: Authorizer, seconds: float | Later) -> Iterator[Finding]:
    """A REST API's event doesn't say what its answer is remembered by, so the function can't look."""
    if seconds == 0:
        return
    if authorizer.identities is None:
        yield _not_known(authorizer)
        return
    place = authorizer.identity_at.path
    if not _by_credential(authorizer.identities):
        sources = ", ".join(one.text for one in authorizer.identities) or "nothing"
        what = (
            f"an answer is remembered for {_said(seconds)} by {sources}, and given again to whoever sends another token"
        )
        change = "name the Authorization header as an identity source, or turn caching off: TTL 0, and aws.cache_ttl 0s"
        yield Finding(Kind.UNSAFE, "identity-without-token", what, place, change)
    others = [one for one in authorizer.identities if one.source in (Source.HEADER, Source.QUERY) and not _is_it(one)]
    if others and _by_credential(authorizer.identities):
        names = " and ".join(one.name for one in others)
        what = f"with caching, a request without {names} is answered 401 before the function is asked"
        yield Finding(Kind.ADVICE, "identity-too-many", what, place, "leave it out, unless every request has it")


def _not_known(authorizer: Authorizer) -> Finding:
    what = "what answers are remembered by is only known when it is deployed: without the Authorization header in it, \
one token's answer is given to another"
    change = "write the identity sources into the template"
    return Finding(Kind.ADVICE, "identity-not-known", what, authorizer.identity_at.path, change)


def _of_websocket(authorizer: Authorizer) -> Iterator[Finding]:
    place = authorizer.identity_at.path
    for one in authorizer.identities or ():
        if one.source is Source.QUERY:
            what = "a token in the query is not read: it would be in every access log"
            yield Finding(Kind.BROKEN, "websocket-query", what, place, "write route.request.header.Authorization")
        elif not one.text.startswith(("route.", "context.", "stageVariables.")):
            what = f"{one.text} is no identity source of a WebSocket API"
            yield Finding(Kind.BROKEN, "websocket-identity", what, place, "write route.request.header.Authorization")


def _of_http(api: Api, authorizer: Authorizer, told: Told, seconds: float | Later) -> Iterator[Finding]:
    """As the function sees it, and as it is."""
    if authorizer.identities is None:
        yield _not_known(authorizer)
        return
    place = authorizer.identity_at.path
    really = None if isinstance(seconds, Later) else float(seconds)
    believed = None if isinstance(told.ttl, Later) else told.ttl
    sources = ", ".join(one.text for one in authorizer.identities) or "nothing"
    if not authorizer.identities and seconds != 0:
        what = f"answers are remembered for {_said(seconds)}, and no identity source says by what"
        change = "write $request.header.Authorization, or turn caching off"
        yield Finding(Kind.UNSAFE, "identity-without-token", what, place, change)
        return
    outcome = [_problem(authorizer, "$default", ttl) for ttl in (believed, really)]
    if outcome[1] and not outcome[0]:
        what = (
            f"an answer is remembered for {_said(seconds)} by {sources}, and given again to whoever sends another token"
        )
        change = "name $request.header.Authorization, or turn caching off: TTL 0"
        yield Finding(Kind.UNSAFE, "identity-without-token", what, place, change)
    elif outcome[0]:
        what = f"the function refuses every token: {outcome[0].detail}"
        yield Finding(Kind.BROKEN, "identity-without-token", what, place, "name $request.header.Authorization")
    elif told.settings.session.keys and _not_of_sessions(authorizer.identities):
        names = " and ".join(one.name for one in _not_of_sessions(authorizer.identities))
        what = f"an HTTP API answers 401 to a request without {names} before the function is asked, so to sessions too"
        change = "leave the identity sources out (the TTL is 0), or give sessions an authorizer of their own"
        yield Finding(Kind.BROKEN, "identity-and-session", what, place, change)
    rules = rules_of(told.settings)
    if not rules or told.settings.aws.http_api != "simple" or not told.knows("routes"):
        return
    table = Table(rules)
    refused: list[str] = []
    for key in route_keys(api, authorizer):
        seen, is_so = (_problem(authorizer, key, ttl, table) for ttl in (believed, really))
        if is_so and not seen:
            what = f"a plain yes to {key} is remembered for {_said(seconds)}, and is given again where other rules hold"
            change = "add $context.routeKey to the identity sources, or turn caching off: TTL 0"
            yield Finding(Kind.UNSAFE, "identity-without-route", what, place, change)
            return
        if seen:
            refused.append(key)
    if refused and not outcome[0]:
        names = ", ".join(refused)
        what = f"the function refuses all requests to {names}: a plain yes would be remembered for other rules too"
        change = "add $context.routeKey, with a route for each rule of [[routes]]; or turn caching off in both"
        yield Finding(Kind.BROKEN, "identity-without-route", what, place, change)


def route_keys(api: Api, authorizer: Authorizer) -> list[str]:
    """The routes of *api* that *authorizer* is on, as events name them."""
    found = [one.title for one in api.routes if one.authorizer == authorizer.name and one.method != "OPTIONS"]
    return list(dict.fromkeys("$default" if "$default" in one else one for one in found)) or ["$default"]


def _problem(authorizer: Authorizer, key: str, ttl: float | None, table: Table | None = None) -> Refused | None:
    """What the function would find wrong with a request to the route *key*, if answers were remembered for *ttl*."""
    headers = Headers.of([("authorization", CREDENTIAL)])
    values = [CREDENTIAL if _is_it(one) else key if _is_route_key(one) else "x" for one in authorizer.identities or ()]
    first = authorizer.payload.word() == "1.0"
    identities = (",".join(values),) if first else tuple(values)
    surface = Surface.HTTP_1 if first else Surface.HTTP_2
    asked = Asked(surface, Request("GET", "/", headers), route_key=key, identities=identities or None)
    check_identities(asked, ttl)
    if table is not None and not first:
        check_route_key(asked, table, ttl)
    return asked.request.problem


def _not_of_sessions(identities: tuple[Identity, ...]) -> list[Identity]:
    """The headers that a request with a session needn't have."""
    return [one for one in identities if one.source is Source.HEADER and one.name.lower() != "cookie"]


def _by_credential(identities: tuple[Identity, ...]) -> bool:
    return any(map(_is_it, identities))


def _is_it(one: Identity) -> bool:
    return one.source is Source.HEADER and one.name.lower() == "authorization"


def _is_route_key(one: Identity) -> bool:
    return one.source is Source.CONTEXT and one.name == "routeKey"
