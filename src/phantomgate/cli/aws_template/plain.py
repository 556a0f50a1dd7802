"""CloudFormation's own resources: what SAM, the CDK and the Serverless Framework deploy in the end."""

from __future__ import annotations

import re
from dataclasses import replace

from phantomgate.cli.aws_template.apis import (
    Api,
    ApiKind,
    Authorizer,
    Deployed,
    Function,
    Guard,
    Integration,
    Permission,
    Permit,
    Route,
    identities,
    named,
    response,
)
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.openapi import mapped, read_definition
from phantomgate.cli.aws_template.template import Node

_V2 = "AWS::ApiGatewayV2::"
_REST = "AWS::ApiGateway::"


def read_plain(deployed: Deployed) -> None:
    """Adds what CloudFormation's own resources deploy."""
    _functions(deployed)
    template = deployed.template
    for name, resource, _ in template.resources(f"{_REST}RestApi"):
        deployed.apis[name] = Api(ApiKind.REST, name, resource)
    for name, resource, said in template.resources(f"{_V2}Api"):
        kind = ApiKind.WEBSOCKET if said.at("ProtocolType").word().upper() == "WEBSOCKET" else ApiKind.HTTP
        deployed.apis[name] = Api(kind, name, resource, cors=bool(said.at("CorsConfiguration")))
    _authorizers(deployed)
    for _, _, said in template.resources(f"{_REST}RestApi", f"{_V2}Api"):
        api = deployed.apis[said.path.split(".")[0]]
        read_definition(api, said.at("Body"), Guard.NONE)
        api.elsewhere += [one for one in (said.at("BodyS3Location"), said.at("CloneFrom")) if one]
        if said.at("Target"):  # a quick-created API: $default, and no authorizer
            api.routes.append(Route("ANY", "$default", said.at("Target"), Guard.NONE, None))
    _rest_routes(deployed)
    _http_routes(deployed)
    for _, _, said in template.resources(f"{_REST}GatewayResponse"):
        api = _api_of(deployed, said.at("RestApiId"), ApiKind.REST)
        parameters, templates = said.at("ResponseParameters"), said.at("ResponseTemplates")
        title = said.at("ResponseType").word().upper()
        api.responses[title] = response(said, said.at("StatusCode"), parameters, templates)
    for _, _, said in template.resources(f"{_REST}Stage"):
        _api_of(deployed, said.at("RestApiId"), ApiKind.REST).logs += said.at("AccessLogSetting", "Format").each()
    for _, _, said in template.resources(f"{_REST}Deployment"):
        logs = said.at("StageDescription", "AccessLogSetting", "Format").each()
        if logs:
            _api_of(deployed, said.at("RestApiId"), ApiKind.REST).logs += logs
    for _, _, said in template.resources(f"{_V2}Stage"):
        _api_of(deployed, said.at("ApiId"), ApiKind.HTTP).logs += said.at("AccessLogSettings", "Format").each()


def _functions(deployed: Deployed) -> None:
    template = deployed.template
    aliases = {
        name: said.at("FunctionName")
        for name, _, said in template.resources("AWS::Lambda::Alias", "AWS::Lambda::Version")
    }
    for name, resource, said in template.resources("AWS::Lambda::Function"):
        deployed.functions[name] = Function(name, resource, said, ())
    for alias, target in aliases.items():
        function = _function(deployed, target)
        if function in deployed.functions:
            deployed.functions[alias] = deployed.functions[function]
    for _, _, said in template.resources("AWS::Lambda::Url"):
        function = _function(deployed, said.at("TargetFunctionArn"))
        if function in deployed.functions:
            _add_url(deployed, deployed.functions[function].name, said.at("AuthType"))
    for _, _, said in template.resources("AWS::Lambda::Permission"):
        function = _function(deployed, said.at("FunctionName"))
        of_url = bool(said.at("FunctionUrlAuthType")) or said.at("InvokedViaFunctionUrl").switch() not in (None, False)
        deployed.permissions.append(
            Permission(said, function, said.at("Principal").whole(), said.at("SourceArn"), of_url)
        )


def _add_url(deployed: Deployed, name: str, url: Node) -> None:
    """The function called *name*, and whatever else leads to it, has one *url* more."""
    for key, one in deployed.functions.items():
        if one.name == name:
            deployed.functions[key] = replace(one, urls=(*one.urls, url))


_FUNCTION_NAME = re.compile(r"(?:.*:function:)?((?:\$\{[^}]*\}|[^:])+)(?::.*)?", re.DOTALL)


def _function(deployed: Deployed, reference: Node) -> str:
    """The logical id of the function that *reference* means: itself, or by its name or ARN; or of what isn't here."""
    text = reference.whole()
    if named(text) in deployed.functions:
        return named(text)
    name = _FUNCTION_NAME.fullmatch(text)
    known = deployed.functions.values() if name else ()
    return next(
        (one.name for one in known if name and one.properties.at("FunctionName").whole() == name[1]), named(text)
    )


def _api_of(deployed: Deployed, reference: Node, kind: ApiKind) -> Api:
    """The API that *reference* names; one of another template is known by what is said of it here."""
    text = reference.whole()
    name = named(text) or text or "an API"
    if name not in deployed.apis:
        deployed.apis[name] = Api(kind, name, reference)
    return deployed.apis[name]


def _authorizers(deployed: Deployed) -> None:
    for name, _, said in deployed.template.resources(f"{_REST}Authorizer", f"{_V2}Authorizer"):
        rest = bool(said.at("RestApiId"))
        kind = said.at("Type" if rest else "AuthorizerType")
        form = kind.word().upper()
        if form not in ("TOKEN", "REQUEST") and not isinstance(kind.value, Later):
            continue  # Cognito's, or AWS's own for JWTs
        sources = said.at("IdentitySource")
        role = said.at("AuthorizerCredentials" if rest else "AuthorizerCredentialsArn")
        api = _api_of(deployed, said.at("RestApiId" if rest else "ApiId"), ApiKind.REST if rest else ApiKind.HTTP)
        api.authorizers[name] = Authorizer(
            name,
            said,
            form,
            named(said.at("AuthorizerUri").whole()),
            said.at("AuthorizerResultTtlInSeconds"),
            identities([one.text() for one in sources.each()]),
            sources,
            said.at("IdentityValidationExpression"),
            said.at("AuthorizerPayloadFormatVersion"),
            said.at("EnableSimpleResponses"),
            Permit.GIVEN if role else Permit.WITHHELD,
            said.at("AuthorizerUri"),
        )


def _guard(api: Api, resource: Node, said: Node) -> str | Guard:
    kind = said.at("AuthorizationType").text()
    if isinstance(kind, Later) or (kind == "CUSTOM" and said.at("AuthorizerId").is_chosen_later):
        return Guard.LATER
    if kind is None or kind.upper() == "NONE":  # the CDK writes NONE also where nobody thought of it
        return Guard.OPEN if resource.at("Metadata", "phantomgate", "open").switch() is True else Guard.NONE
    name = named(said.at("AuthorizerId").whole())
    return name if kind == "CUSTOM" and name in api.authorizers else Guard.OTHER


def _rest_routes(deployed: Deployed) -> None:
    for _, resource, said in deployed.template.resources(f"{_REST}Method"):
        api = _api_of(deployed, said.at("RestApiId"), ApiKind.REST)
        target = said.at("Integration")
        leads = _integration(target, "Type")
        path = _path(deployed, said.at("ResourceId").whole())
        api.routes.append(Route(said.at("HttpMethod").word().upper(), path, said, _guard(api, resource, said), leads))
        api.cors = api.cors or said.at("HttpMethod").word().upper() == "OPTIONS"


def _path(deployed: Deployed, reference: str) -> str:
    """The path of a REST API's resource, which is a part and its parent."""
    parts: list[str] = []
    for _ in range(30):
        said = deployed.template.root.at("Resources", named(reference), "Properties")
        part = said.at("PathPart").whole()
        if not part:
            break
        parts.insert(0, part)
        reference = said.at("ParentId").whole()
    return "/" + "/".join(parts)


def _http_routes(deployed: Deployed) -> None:
    template = deployed.template
    integrations = template.resources(f"{_V2}Integration")
    leading = {name: _integration(said, "IntegrationType") for name, _, said in integrations}
    for _, resource, said in template.resources(f"{_V2}Route"):
        api = _api_of(deployed, said.at("ApiId"), ApiKind.HTTP)
        key = said.at("RouteKey").whole()
        unknown = Integration("", said.at("Target"), said.at("Target"), ())
        if api.kind is ApiKind.WEBSOCKET and key != "$connect":
            continue  # an authorizer is asked at $connect alone
        method, _, path = key.partition(" ")
        if not path:
            method, path = ("GET" if key == "$connect" else "ANY"), key
        api.routes.append(
            Route(
                method, path, said, _guard(api, resource, said), leading.get(named(said.at("Target").whole()), unknown)
            )
        )


def _integration(said: Node, kind: str) -> Integration:
    parameters = said.at("RequestParameters")
    return Integration(said.at(kind).word().lower(), said, parameters, tuple(mapped(parameters)))
