"""CloudFormation's own resources: what SAM, the CDK and the Serverless Framework deploy in the end."""

from __future__ import annotations

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
    Response,
    Route,
    identities,
    named,
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
        if said.at("BodyS3Location"):
            api.elsewhere.append(said.at("BodyS3Location"))
        if said.at("Target"):  # a quick-created API: $default, and no authorizer
            api.routes.append(Route("ANY", "$default", said.at("Target"), Guard.NONE, None))
    _rest_routes(deployed)
    _http_routes(deployed)
    for _, _, said in template.resources(f"{_REST}GatewayResponse"):
        api = _api_of(deployed, said.at("RestApiId"), ApiKind.REST)
        api.responses[said.at("ResponseType").word().upper()] = _response(said)
    for _, _, said in template.resources(f"{_REST}Stage"):
        _api_of(deployed, said.at("RestApiId"), ApiKind.REST).logs += said.at("AccessLogSetting", "Format").each()
    for _, _, said in template.resources(f"{_V2}Stage"):
        _api_of(deployed, said.at("ApiId"), ApiKind.HTTP).logs += said.at("AccessLogSettings", "Format").each()


def _functions(deployed: Deployed) -> None:
    template = deployed.template
    aliases = {
        name: named(said.at("FunctionName").whole())
        for name, _, said in template.resources("AWS::Lambda::Alias", "AWS::Lambda::Version")
    }
    urls: dict[str, Node] = {}
    for _, _, said in template.resources("AWS::Lambda::Url"):
        urls[named(said.at("TargetFunctionArn").whole())] = said.at("AuthType")
    for name, resource, said in template.resources("AWS::Lambda::Function"):
        deployed.functions[name] = Function(name, resource, said, said.at("FunctionUrlConfig"))
    for name, url in urls.items():
        if name in deployed.functions:
            deployed.functions[name] = replace(deployed.functions[name], url=url)
    for alias, name in aliases.items():
        if name in deployed.functions:
            deployed.functions[alias] = deployed.functions[name]
    for _, _, said in template.resources("AWS::Lambda::Permission"):
        function = named(said.at("FunctionName").whole()) or _by_name(deployed, said.at("FunctionName").word())
        of_url = bool(said.at("FunctionUrlAuthType") or said.at("InvokedViaFunctionUrl"))
        deployed.permissions.append(
            Permission(said, function, said.at("Principal").whole(), said.at("SourceArn"), of_url)
        )


def _by_name(deployed: Deployed, name: str) -> str:
    return next(
        (one.name for one in deployed.functions.values() if name and one.properties.at("FunctionName").word() == name),
        "",
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
    if kind in (None, "NONE"):  # the CDK writes NONE also where nobody thought of it
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


def _response(said: Node) -> Response:
    headers = {
        name.lower().removeprefix("gatewayresponse.header."): value.whole()
        for name, value in said.at("ResponseParameters").items()
    }
    texts = tuple(value.whole() for _, value in said.at("ResponseTemplates").items())
    return Response(said, said.at("StatusCode"), headers, texts)
