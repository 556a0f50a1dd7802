"""SAM's resources: APIs with their Auth, functions with their events. Globals count where a resource says nothing."""

from __future__ import annotations

from phantomgate.cli.aws_template.apis import (
    Api,
    ApiKind,
    Authorizer,
    Deployed,
    Function,
    Guard,
    Identity,
    Permit,
    Route,
    Source,
    identities,
    named,
    response,
)
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.openapi import guard_named, read_definition
from phantomgate.cli.aws_template.template import Node

_KINDS = {
    "AWS::Serverless::Api": (ApiKind.REST, "Api"),
    "AWS::Serverless::HttpApi": (ApiKind.HTTP, "HttpApi"),
    "AWS::Serverless::WebSocketApi": (ApiKind.WEBSOCKET, "WebSocketApi"),
}
_EVENTS = {
    "Api": (ApiKind.REST, "RestApiId", "ServerlessRestApi", "Api"),
    "HttpApi": (ApiKind.HTTP, "ApiId", "ServerlessHttpApi", "HttpApi"),
}
"""An event's type: the kind of API, where it is named, what it is called when it isn't, and its part of Globals."""
_NOTHING_SAID: dict[ApiKind, str] = {ApiKind.REST: "method.request", ApiKind.HTTP: "$request"}


def read_sam(deployed: Deployed) -> None:
    """Adds what SAM's resources deploy."""
    template = deployed.template
    globally = template.root.at("Globals")
    for kind, (of, section) in _KINDS.items():
        for name, resource, properties in template.resources(kind):
            deployed.apis[name] = _api(of, name, resource, properties.over(globally.at(section)))
    for name, resource, properties in template.resources("AWS::Serverless::Function"):
        said = properties.over(globally.at("Function"))
        url = said.at("FunctionUrlConfig", "AuthType")
        deployed.functions[name] = Function(name, resource, said, (url,) if url else ())
        for event in said.at("Events").values():
            _add_event(deployed, globally, event, name)
    for _, _, said in template.resources("AWS::Serverless::StateMachine"):
        for event in said.at("Events").values():
            _add_event(deployed, globally, event, "")


def _api(kind: ApiKind, name: str, resource: Node, said: Node) -> Api:
    api = Api(kind, name, resource)
    auth = said.at("Auth")
    api.logs += [one for one in (said.at("AccessLogSetting", "Format"), said.at("AccessLogSettings", "Format")) if one]
    if kind is ApiKind.WEBSOCKET:
        _of_websocket(api, auth, said)
        return api
    for title, one in auth.at("Authorizers").items():
        found = _authorizer(kind, title, one)
        if found is None:
            api.others.add(title)
        else:
            api.authorizers[title] = found
    read_definition(api, said.at("DefinitionBody"), _default(api, auth))
    if said.at("DefinitionUri"):
        api.elsewhere.append(said.at("DefinitionUri"))
    for title, one in said.at("GatewayResponses").items():
        parameters, templates = one.at("ResponseParameters", "Headers"), one.at("ResponseTemplates")
        api.responses[title.upper()] = response(one, one.at("StatusCode"), parameters, templates)
    api.cors = bool(said.at("Cors") or said.at("CorsConfiguration"))
    switch = auth.at("AddDefaultAuthorizerToCorsPreflight")
    if kind is ApiKind.REST and api.cors and auth.at("DefaultAuthorizer") and switch.switch() is not False:
        api.preflight_guarded = switch
    return api


def _default(api: Api, auth: Node) -> str | Guard:
    return _named(api, auth, auth.at("DefaultAuthorizer"))


def _named(api: Api, auth: Node, said: Node) -> str | Guard:
    """What stands before a route that has the authorizer that is *said*."""
    name = said.text()
    if isinstance(name, Later) or _later(auth) or _later(auth.at("Authorizers")):
        return Guard.LATER
    return Guard.NONE if name is None else guard_named(api, [name])


def _authorizer(kind: ApiKind, name: str, said: Node) -> Authorizer | None:
    if said.at("UserPoolArn") or said.at("JwtConfiguration") or said.at("OpenIdConnectUrl"):
        return None  # Cognito's, or AWS's own for JWTs
    identity = said.at("Identity")
    form = "REQUEST" if kind is ApiKind.HTTP else said.at("FunctionPayloadType").text() or "TOKEN"
    token = form == "TOKEN"
    if said.at("FunctionInvokeRole") and said.at("FunctionInvokeRole").word() != "NONE":
        permit, permit_at = Permit.GIVEN, said.at("FunctionInvokeRole")
    elif kind is ApiKind.HTTP:
        permit_at = said.at("EnableFunctionDefaultPermissions")
        permit = Permit.GIVEN if permit_at.switch() is True or _later(permit_at) else Permit.WITHHELD
    else:
        permit_at = said.at("DisableFunctionDefaultPermissions")
        permit = Permit.WITHHELD if permit_at.switch() is True else Permit.GIVEN
    return Authorizer(
        name,
        said,
        form.upper() if isinstance(form, str) else "",
        named(said.at("FunctionArn").whole()),
        identity.at("ReauthorizeEvery"),
        (_header(kind, identity.at("Header").word() or "Authorization"),) if token else _sources(identity),
        identity,
        identity.at("ValidationExpression"),
        said.at("AuthorizerPayloadFormatVersion"),
        said.at("EnableSimpleResponses"),
        permit,
        permit_at,
    )


def _later(node: Node) -> bool:
    return isinstance(node.value, Later)


def _header(kind: ApiKind, name: str) -> Identity:
    return Identity(Source.HEADER, name, f"{_NOTHING_SAID[kind]}.header.{name}")


def _sources(identity: Node) -> tuple[Identity, ...] | None:
    found: list[Identity] = []
    for key, source in (
        ("Headers", Source.HEADER),
        ("QueryStrings", Source.QUERY),
        ("Context", Source.CONTEXT),
        ("StageVariables", Source.STAGE),
    ):
        for one in identity.at(key).each():
            text = one.text()
            if not isinstance(text, str):
                return None
            found.append(Identity(source, text, f"{key}: {text}"))
    return tuple(found)


def _of_websocket(api: Api, auth: Node, said: Node) -> None:
    kind = auth.at("AuthType")
    guard: str | Guard = Guard.OTHER if kind else Guard.NONE
    if kind.word().upper() in ("NONE", "CUSTOM"):
        guard = Guard.OPEN if kind.word().upper() == "NONE" else "Auth"
    if _later(auth) or _later(kind):
        guard = Guard.LATER
    if kind.word().upper() == "CUSTOM" or _later(kind):
        sources = auth.at("IdentitySource")
        api.authorizers["Auth"] = Authorizer(
            "Auth",
            auth,
            "REQUEST",
            named(auth.at("AuthArn").whole()),
            auth.at("AuthorizerResultTtlInSeconds"),
            identities([one.text() for one in sources.each()]),
            sources,
            auth.at("IdentityValidationExpression"),
            auth.at("AuthorizerPayloadFormatVersion"),
            auth.at("EnableSimpleResponses"),
            Permit.GIVEN,
            auth.at("AuthArn"),
        )
    for key, route in said.at("Routes").items():
        if key == "$connect":
            api.routes.append(Route("GET", key, route, guard, None))


def _add_event(deployed: Deployed, globally: Node, event: Node, function: str) -> None:
    """A function's event that is a route of an API."""
    event.unseen_if_later()
    known = _EVENTS.get(event.at("Type").word())
    if known is None:
        return
    kind, where, implicit, section = known
    said = event.at("Properties")
    name = named(said.at(where).whole()) if said.at(where) else implicit
    if name == implicit and name not in deployed.apis:
        api = _api(kind, name, globally.at(section), globally.at(section))
        deployed.apis[name] = api
    if name not in deployed.apis:
        return  # of another template
    api = deployed.apis[name]
    auth = said.at("Auth", "Authorizer")
    owner = deployed.template.root.at("Resources", name, "Properties").over(globally.at(section)).at("Auth")
    guard = _named(api, owner, auth) if auth else _default(api, owner)
    if auth.word() == "NONE":
        guard = Guard.OPEN
    path = said.at("Path").word() or "$default"
    method = said.at("Method").word().upper() or "ANY"
    if auth or not any((one.method, one.path) == (method, path) for one in api.routes):
        api.routes.append(Route(method, path, event, guard, None, function))
