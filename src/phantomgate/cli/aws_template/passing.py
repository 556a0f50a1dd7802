"""Whether each route has the authorizer, and passes on what the function gives in the place of what a client sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from phantomgate.cli.aws_template.apis import Api, ApiKind, Guard, Integration, Route
from phantomgate.cli.aws_template.finding import Finding, Kind
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.template import Node
from phantomgate.cli.aws_template.told import Told

_TO_HTTP = ("http", "http_proxy")


def unguarded(api: Api, *, meant: bool) -> Iterator[Finding]:
    """An API without an authorizer of ours; *meant*: nothing else in its template has the function's."""
    yield from elsewhere(api)
    yield from _known_later(api)
    if any(one.authorizer in (Guard.NONE, Guard.OPEN) for one in api.routes):
        what = f"{api.kind.value} {api.name} has routes without an authorizer, and none of its own asks the function"
        kind = Kind.UNSAFE if meant else Kind.ADVICE
        yield Finding(kind, "api-open", what, api.at.path, "give it an authorizer that asks the function")


def passing(api: Api, judged: Mapping[str, Told]) -> Iterator[Finding]:
    """What is wrong with the routes of *api*; *judged* are its authorizers that are ours, with what they are told."""
    yield from _unguarded(api)
    yield from _known_later(api)
    yield from _preflights(api, judged)
    for route in api.routes:
        if isinstance(route.authorizer, str) and route.authorizer in judged:
            yield from _mapping(api, route, judged[route.authorizer])
        elif isinstance(route.authorizer, Guard) and route.authorizer is not Guard.OTHER:
            yield from _forgery(api, route, judged)
    yield from elsewhere(api)


def elsewhere(api: Api) -> Iterator[Finding]:
    """What can't be known of its routes."""
    for node in api.elsewhere:
        what = "the routes of this API are written elsewhere: whether they have the authorizer can't be known from here"
        yield Finding(
            Kind.ADVICE, "routes-elsewhere", what, node.path, "write them into the template, as DefinitionBody"
        )


def _known_later(api: Api) -> Iterator[Finding]:
    """Routes of which nobody can say from here whether they have the authorizer."""
    for route in api.routes:
        if route.authorizer is Guard.LATER and (route.method != "OPTIONS" or route.path == "$default"):
            what = f"whether {route.title} has the authorizer is only known when it is deployed"
            change = "write it into the template, or say by --parameter what decides it"
            yield Finding(Kind.ADVICE, "route-not-known", what, route.at.path, change)


def _unguarded(api: Api) -> Iterator[Finding]:
    for route in api.routes:
        if route.method == "OPTIONS" and route.path != "$default":
            continue
        if route.authorizer is Guard.NONE:
            what = f"{route.title} has no authorizer: anybody gets to your API by it"
            if route.path == "$default":
                what += "; and AWS finds /orders/ (with a slash) by $default, whatever route /orders has"
            change = f"give it the authorizer; or say that it is meant: {_meant(route)}"
            if api.kind is not ApiKind.REST and route.path in ("$default", "$connect"):
                change = "give it the authorizer"
            yield Finding(Kind.UNSAFE, "route-open", what, route.at.path, change)
        elif route.authorizer is Guard.OPEN:
            default = route.path in ("$default", "$connect")
            what = f"{route.title} is open to everybody, and says so"
            if route.path == "$default":
                what += "; but AWS finds /orders/ (with a slash) by $default, whatever route /orders has"
            change = "give it the authorizer" if default else "nothing, if it is meant; your API gets no JWT there"
            yield Finding(Kind.UNSAFE if default else Kind.ADVICE, "route-open", what, route.at.path, change)


def _meant(route: Route) -> str:
    """How a template says that a route is open to everybody."""
    if route.at.path.endswith(".Properties"):
        return "Metadata: {phantomgate: {open: true}}"
    return "Auth: {Authorizer: NONE}" if ".Events." in route.at.path else "security: [NONE: []]"


def _preflights(api: Api, judged: Mapping[str, Told]) -> Iterator[Finding]:
    what = "a preflight has no token, so it is refused, and pages of other origins can't call the API"
    if api.preflight_guarded is not None:
        yield Finding(Kind.BROKEN, "preflight", what, api.preflight_guarded.path, "write false")
    for route in api.routes:
        if route.method == "OPTIONS" and isinstance(route.authorizer, str) and route.authorizer in judged:
            yield Finding(Kind.ADVICE, "preflight", what, route.at.path, "take the authorizer off OPTIONS")


def _mapping(api: Api, route: Route, told: Told) -> Iterator[Finding]:
    integration = route.integration
    if integration is None:
        return  # a function of this template, which reads the context
    if not integration.kind and api.kind is not ApiKind.WEBSOCKET:
        what = f"where {route.title} leads, and whether the JWT gets there, can't be known from here"
        change = "give the template that has its integration to --aws too, in one with the API"
        yield Finding(Kind.ADVICE, "mapping-not-known", what, integration.at.path, change)
    place = integration.parameters.path
    by_header = {one.header: one for one in integration.mapping}
    authorization = by_header.get("authorization")
    if api.kind is ApiKind.REST and integration.kind in ("aws", "aws_proxy") and authorization is not None:
        what = f"{route.title}: Authorization can't be mapped for Lambda and AWS integrations; AWS answers 500"
        change = 'leave it out; the function behind reads event["requestContext"]["authorizer"]'
        yield Finding(Kind.BROKEN, "mapping-illegal", what, authorization.at.path, change)
    if integration.kind not in _TO_HTTP:
        return
    if isinstance(integration.parameters.value, Later):
        yield _not_known(route, integration.parameters)
        return
    if api.kind is ApiKind.REST:
        yield from _rest(route, told, integration, place)
    elif api.kind is ApiKind.HTTP:
        yield from _http(route, told, integration, place)
    for name in told.settings.forward.claims if told.knows("forward") else ():
        mapped = [one for one in integration.mapping if one.header == name.lower() and one.operation != "append"]
        if not mapped:
            what = f"{route.title}: your API believes {name} ([forward] claims), and a client can send its own"
            expression = f"context.authorizer.{name}"
            change = f"map integration.request.header.{name} to {expression}"
            if api.kind is ApiKind.HTTP:
                change = f"write overwrite:header.{name}: ${expression}"
            yield Finding(Kind.UNSAFE, "mapping-forward", what, place, change)


def _not_known(route: Route, at: Node) -> Finding:
    what = f"{route.title}: whether your API gets the JWT is only known when it is deployed"
    change = "write it into the template, or say by --parameter what decides it"
    return Finding(Kind.ADVICE, "mapping-not-known", what, at.path, change)


def _rest(route: Route, told: Told, integration: Integration, place: str) -> Iterator[Finding]:
    key = told.settings.aws.context_key
    name = "integration.request.header.Authorization"
    mapped = next((one for one in integration.mapping if one.header == "authorization"), None)
    if mapped is None:
        what = f"{route.title}: your API gets the client's own token, and no JWT: nothing maps Authorization"
        yield Finding(Kind.UNSAFE, "mapping-missing", what, place, f"write {name}: context.authorizer.{key}")
    elif isinstance(mapped.value, Later):
        yield _not_known(route, mapped.at)
    elif mapped.value != f"context.authorizer.{key}" and told.knows("aws.context_key"):
        what = f"{route.title}: Authorization is {mapped.value[:60]}, and the JWT is in context.authorizer.{key}; a \
client's own would get through"
        yield Finding(Kind.UNSAFE, "mapping-other", what, mapped.at.path, f"write context.authorizer.{key}")
    elif not told.settings.aws.bearer_prefix and told.knows("aws.bearer_prefix"):
        what = f"{route.title}: your API gets the JWT without Bearer in front of it"
        yield Finding(Kind.ADVICE, "mapping-bare", what, mapped.at.path, "leave aws.bearer_prefix out")


def _http(route: Route, told: Told, integration: Integration, place: str) -> Iterator[Finding]:
    key = told.settings.aws.context_key
    wanted = f"$context.authorizer.{key}"
    change = f"write overwrite:header.X-Access-Token: {wanted}"
    for one in integration.mapping:
        if one.header == "authorization":
            what = f"{route.title}: HTTP APIs can't map Authorization, and AWS doesn't deploy it"
            yield Finding(Kind.BROKEN, "mapping-reserved", what, one.at.path, change)
        elif one.operation == "append" and _is(one.value, wanted):
            what = f"{route.title}: append keeps the {one.header} that a client sends, before the JWT"
            yield Finding(Kind.UNSAFE, "mapping-append", what, one.at.path, change)
    if not told.knows("aws.context_key") or any(
        one.operation == "overwrite" and _is(one.value, wanted) for one in integration.mapping
    ):
        return
    if any(isinstance(one.value, Later) for one in integration.mapping):
        yield _not_known(route, integration.parameters)
    elif not any(one.operation == "append" and _is(one.value, wanted) for one in integration.mapping):
        what = f"{route.title}: your API gets the client's own token, and no JWT: nothing maps {wanted} to a header"
        yield Finding(Kind.UNSAFE, "mapping-missing", what, place, change)


def _is(value: str | Later, wanted: str) -> bool:
    return isinstance(value, str) and value.replace("{", "").replace("}", "") == wanted


def _forgery(api: Api, route: Route, judged: Mapping[str, Told]) -> Iterator[Finding]:
    """A route without the authorizer by which a client's own word gets where the JWT is believed."""
    if route.integration is None or route.integration.kind not in _TO_HTTP or api.kind is not ApiKind.HTTP:
        return
    believed = {
        one.header
        for other in api.routes
        if other.authorizer in judged and other.integration is not None
        for one in other.integration.mapping
        if isinstance(one.value, str) and one.value.startswith("$context.authorizer.")
    }
    handled = {one.header for one in route.integration.mapping if one.operation in ("overwrite", "remove")}
    for header in sorted(believed - handled - {"authorization"}):
        what = f"{route.title} has no authorizer, and passes on a {header} that a client makes up"
        change = f"write remove:header.{header}: \"''\""
        yield Finding(Kind.UNSAFE, "mapping-forged", what, route.integration.at.path, change)
