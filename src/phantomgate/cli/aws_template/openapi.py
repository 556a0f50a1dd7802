"""An API's definition as OpenAPI or Swagger, with API Gateway's extensions: its routes, authorizers and responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from phantomgate.cli.aws_template.apis import (
    Api,
    ApiKind,
    Authorizer,
    Guard,
    Integration,
    Mapped,
    Permit,
    Route,
    identities,
    named,
    response,
)
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.template import Node

ANY = "x-amazon-apigateway-any-method"
_METHODS = ("delete", "get", "head", "options", "patch", "post", "put", "trace")


def read_definition(api: Api, body: Node, default: str | Guard) -> None:
    """Adds what *body* says to *api*; *default* stands before routes that say nothing."""
    if not body:
        return
    if not isinstance(body.at("paths").value, dict) or body.at("Fn::Transform"):
        api.elsewhere.append(body)
    schemes = body.at("components", "securitySchemes") or body.at("securityDefinitions")
    for name, scheme in schemes.items():
        found = _authorizer(name, scheme.at("x-amazon-apigateway-authorizer"))
        if found is not None:
            api.authorizers.setdefault(name, found)
        elif name not in api.authorizers:
            api.others.add(name)
    if body.at("security"):
        default = _guard(body, default, api)
    for path, methods in body.at("paths").items():
        for method, said in methods.items():
            if method == ANY or method.lower() in _METHODS:
                word = "ANY" if method == ANY else method.upper()
                guard = _guard(said, default, api)
                api.routes.append(
                    Route(
                        word,
                        _path(api.kind, path),
                        said,
                        guard,
                        integration(said.at("x-amazon-apigateway-integration")),
                    )
                )
    for kind, said in body.at("x-amazon-apigateway-gateway-responses").items():
        parameters, templates = said.at("responseParameters"), said.at("responseTemplates")
        api.responses[kind.upper()] = response(said, said.at("statusCode"), parameters, templates)


def _path(kind: ApiKind, path: str) -> str:
    return "$default" if kind is ApiKind.HTTP and path == "/$default" else path


def _guard(said: Node, default: str | Guard, api: Api) -> str | Guard:
    security = said.at("security")
    if isinstance(said.value, Later) or isinstance(security.value, Later):
        return Guard.LATER
    if said.at("x-amazon-apigateway-auth", "type").word().upper() == "NONE":
        return Guard.OPEN
    if not security:
        return default
    if any(isinstance(one.value, Later) for one in security.each()):
        return Guard.LATER
    ways = [one.keys() for one in security.each()]
    if not ways or not all(ways) or ["NONE"] in ways:  # any one of them will do, so an empty one is none
        return Guard.OPEN
    return guard_named(api, [name for way in ways for name in way])


def guard_named(api: Api, names: Sequence[str]) -> str | Guard:
    """What stands before a route that *names* one thing or several; what isn't there guards nothing."""
    ours = [name for name in names if name in api.authorizers]
    if ours:
        return ours[0]
    return Guard.OTHER if api.others.intersection(names) else Guard.NONE


def _authorizer(name: str, said: Node) -> Authorizer | None:
    form = said.at("type").word().upper()
    if form not in ("TOKEN", "REQUEST"):
        return None
    return Authorizer(
        name,
        said,
        form,
        named(said.at("authorizerUri").whole()),
        said.at("authorizerResultTtlInSeconds"),
        identities([one.text() for one in said.at("identitySource").each()]),
        said.at("identitySource"),
        said.at("identityValidationExpression"),
        said.at("authorizerPayloadFormatVersion"),
        said.at("enableSimpleResponses"),
        Permit.GIVEN if said.at("authorizerCredentials") else Permit.WITHHELD,
        said.at("authorizerUri"),
    )


def integration(said: Node) -> Integration | None:
    """An integration as an extension writes it; None without one."""
    if not isinstance(said.value, dict):
        return None
    kind = said.at("type").word().lower()
    parameters = said.at("requestParameters")
    return Integration(kind, said, parameters, tuple(mapped(parameters)))


def mapped(parameters: Node) -> Iterator[Mapped]:
    """What *parameters* of an integration do to headers, in a REST API's words or an HTTP API's."""
    for name, value in parameters.items():
        text = value.text()
        if text is None:
            continue
        if name.lower().startswith("integration.request.header."):
            yield Mapped("overwrite", name[len("integration.request.header.") :].lower(), text, value)
            continue
        operation, _, target = name.partition(":")
        if target.lower().startswith("header."):
            yield Mapped(operation.lower(), target[len("header.") :].lower(), text, value)
