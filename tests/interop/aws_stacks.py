"""What a stack deploys, read into the same words whoever wrote it, so that stacks can be compared.

Here from CloudFormation: what AWS makes of a SAM template, and what the CDK synthesises. Logical ids are not compared;
references are written as `${Id}` and `${Id.Attribute}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Resources = Mapping[str, Mapping[str, Any]]
METHOD = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
PROPERTIES = ("Handler", "Runtime", "Architectures", "MemorySize", "Timeout")
ALARM = ("Period", "Statistic", "Threshold", "EvaluationPeriods", "ComparisonOperator", "TreatMissingData")
AUTHORIZER = ("AuthorizerResultTtlInSeconds", "IdentitySource", "IdentityValidationExpression")
SIMPLE = ("AuthorizerPayloadFormatVersion", "EnableSimpleResponses")


def filled(value: Any, parameters: Mapping[str, str]) -> Any:
    """*value* with its references, joins and substitutions made text, parameters by what they are set to."""
    match value:
        case {"Ref": name}:
            return parameters.get(name, f"${{{name}}}")
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Join": [between, parts]}:
            return between.join(filled(part, parameters) for part in parts)
        case {"Fn::Select": [index, {"Fn::Split": [at, text]}]}:
            return f"${{{index} of {filled(text, parameters)} at {at}}}"
        case {"Fn::Sub": [text, more]}:
            names = {**parameters, **{name: filled(one, parameters) for name, one in more.items()}}
            return filled({"Fn::Sub": text}, names)
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: parameters.get(found[1], found[0]), text)
        case dict():
            return {key: filled(one, parameters) for key, one in value.items()}
        case list():
            return [filled(one, parameters) for one in value]
    return value


def of_type(resources: Resources, kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> properties of each resource of *kind*."""
    return {key: one["Properties"] for key, one in resources.items() if kind == one["Type"]}


def facts(resources: Resources) -> dict[str, Any]:
    """What is deployed: the authorizer, what has it, what is passed on, what clients see, who may what, what rings."""
    return {
        "authorizer": authorizer(resources),
        "routes": dict(sorted(routes(resources))),
        "preflight": preflight(resources),
        "answers": answers(resources),
        "allowed": allowed(resources),
        "function": function(resources),
        "invoked by": invoked_by(resources),
        "alarms": alarms(resources),
    }


def authorizer(resources: Resources) -> dict[str, Any]:
    """Its kind, its TTL, what answers are remembered by, and for HTTP APIs the form of answers."""
    for body in _bodies(resources):
        (scheme,) = (body.get("securityDefinitions") or body["components"]["securitySchemes"]).values()
        said = {key[0].upper() + key[1:]: one for key, one in scheme["x-amazon-apigateway-authorizer"].items()}
        said["Type"] = said["Type"].upper()
        said.setdefault("IdentitySource", f"method.request.header.{scheme['name']}")
        break
    else:
        kinds = ("AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer")
        (said,) = [one for kind in kinds for one in of_type(resources, kind).values()]
    found = {"Type": said.get("Type") or said["AuthorizerType"]}
    found |= {key: said[key] for key in (*AUTHORIZER, *SIMPLE) if key in said}
    if found.get("AuthorizerResultTtlInSeconds") is not None:
        found["AuthorizerResultTtlInSeconds"] = int(found["AuthorizerResultTtlInSeconds"])
    sources = found["IdentitySource"]
    return {**found, "IdentitySource": [sources] if isinstance(sources, str) else sorted(sources)}


def routes(resources: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    """Method and path of what is passed on -> whether the authorizer is asked, where to, and with what changed."""
    for body in _bodies(resources):
        for path, methods in body["paths"].items():
            for method, said in methods.items():
                passed = said[INTEGRATION]
                if passed["type"] != "mock":
                    name = "ANY" if method == METHOD else method.upper()
                    key = "$default" if path == "/$default" else f"{name} {path}"
                    yield (
                        key,
                        route(said["security"] == [{"Phantomgate": []}], passed["uri"], passed["requestParameters"]),
                    )
    paths = {key: f"/{one['PathPart']}" for key, one in of_type(resources, "AWS::ApiGateway::Resource").items()}
    for one in of_type(resources, "AWS::ApiGateway::Method").values():
        passed = one["Integration"]
        if passed["Type"] != "MOCK":
            path = paths.get(one["ResourceId"].strip("${}"), "/")
            yield f"{one['HttpMethod']} {path}", route(_asked(one), passed["Uri"], passed["RequestParameters"])
    passes = of_type(resources, "AWS::ApiGatewayV2::Integration")
    for one in of_type(resources, "AWS::ApiGatewayV2::Route").values():
        passed = passes[one["Target"].removeprefix("integrations/").strip("${}")]
        yield one["RouteKey"], route(_asked(one), passed["IntegrationUri"], passed.get("RequestParameters", {}))


def preflight(resources: Resources) -> dict[str, Any]:
    """What AWS answers a preflight with by itself."""
    for body in _bodies(resources):
        if said := body.get("x-amazon-apigateway-cors"):
            return ordered(said)
        answers = [one["options"][INTEGRATION]["responses"]["default"] for one in body["paths"].values()]
        return same(cors(one["responseParameters"]) for one in answers)
    for one in of_type(resources, "AWS::ApiGatewayV2::Api").values():
        said = one.get("CorsConfiguration", {})
        return ordered({key[0].lower() + key[1:]: value for key, value in said.items()})
    methods = of_type(resources, "AWS::ApiGateway::Method").values()
    mocks = [one["Integration"]["IntegrationResponses"] for one in methods if one["Integration"]["Type"] == "MOCK"]
    return same(cors(one["ResponseParameters"]) for (one,) in mocks)


def answers(resources: Resources) -> dict[str, Any]:
    """What clients see of API Gateway's own answers, by their kind."""
    for body in _bodies(resources):
        said = body.get("x-amazon-apigateway-gateway-responses", {})
        return {
            kind: answer(one.get("statusCode"), one["responseParameters"], one.get("responseTemplates"))
            for kind, one in said.items()
        }
    return {
        one["ResponseType"]: answer(one.get("StatusCode"), one["ResponseParameters"], one.get("ResponseTemplates"))
        for one in of_type(resources, "AWS::ApiGateway::GatewayResponse").values()
    }


def answer(status: Any, fields: Mapping[str, str], templates: Mapping[str, str] | None) -> dict[str, Any]:
    """One of them."""
    named = {name.removeprefix("gatewayresponse.header."): value for name, value in fields.items()}
    return {"status": str(status) if status else "", "fields": named, "body": dict(templates or {})}


def allowed(resources: Resources) -> list[tuple[list[str], str]]:
    """Actions and resource of each statement of the function's role; its log is `its log`."""
    (role,) = of_type(resources, "AWS::IAM::Role").values()
    assert "ManagedPolicyArns" not in role
    policies = [*role.get("Policies", []), *of_type(resources, "AWS::IAM::Policy").values()]
    statements = [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]
    assert {"Allow"} == {one["Effect"] for one in statements}
    (log,) = of_type(resources, "AWS::Logs::LogGroup")
    return [
        (
            [one["Action"]] if isinstance(one["Action"], str) else one["Action"],
            "its log" if one["Resource"] == f"${{{log}.Arn}}" else one["Resource"],
        )
        for one in statements
    ]


def function(resources: Resources) -> dict[str, Any]:
    """How the function runs, and its settings."""
    (said,) = of_type(resources, "AWS::Lambda::Function").values()
    return {**{key: said[key] for key in PROPERTIES}, "Variables": said["Environment"]["Variables"]}


def invoked_by(resources: Resources) -> str:
    """Who may invoke the function: `authorizers of its API`, or else the ARN of who may."""
    (function_id,) = of_type(resources, "AWS::Lambda::Function")
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    (own,) = [one for one in permissions if one["FunctionName"] == f"${{{function_id}.Arn}}"]
    assert ("lambda:InvokeFunction", "apigateway.amazonaws.com") == (own["Action"], own["Principal"])
    apis = [key for kind in ("ApiGateway::RestApi", "ApiGatewayV2::Api") for key in of_type(resources, f"AWS::{kind}")]
    (api,) = apis
    arn = re.fullmatch(r"arn:.+:execute-api:.+:.+:\$\{(\w+)\}/authorizers/(\*|\$\{\w+\})", own["SourceArn"])
    return "authorizers of its API" if arn and arn[1] == api else own["SourceArn"]


def alarms(resources: Resources) -> dict[str, Any]:
    """Metric -> when it rings and, for one that is made of the log, by which lines."""
    patterns = {
        one["MetricTransformations"][0]["MetricName"]: one["FilterPattern"]
        for one in of_type(resources, "AWS::Logs::MetricFilter").values()
    }
    return {
        one["MetricName"]: {"lines": patterns.get(one["MetricName"], ""), **{key: one[key] for key in ALARM}}
        for one in of_type(resources, "AWS::CloudWatch::Alarm").values()
    }


def _bodies(resources: Resources) -> Iterator[dict[str, Any]]:
    for kind in ("AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api"):
        yield from (one["Body"] for one in of_type(resources, kind).values() if "Body" in one)


def route(asked: bool, to: str, changed: Mapping[str, str]) -> dict[str, Any]:
    """Whether the authorizer is asked about what is passed on, where to, and with what changed."""
    function = re.search(r"functions/(.+)/invocations", to)
    return {"asked": asked, "to": function[1] if function else to, "changed": dict(changed)}


def _asked(said: Mapping[str, Any]) -> bool:
    return said.get("AuthorizationType") == "CUSTOM" and "AuthorizerId" in said


def cors(fields: Mapping[str, str]) -> dict[str, str]:
    """What the fields of an answer to a preflight say."""
    named = {name.removeprefix("method.response.header."): value for name, value in fields.items()}
    return {name: value for name, value in named.items() if name != "Vary"}  # one fixed origin: nothing varies


def ordered(said: Mapping[str, Any]) -> dict[str, Any]:
    """*said* with its lists in order, as none of them means anything by it."""
    return {key: sorted(one) if isinstance(one, list) else one for key, one in said.items()}


def same(found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What all of *found* are."""
    (one,) = {json.dumps(each, sort_keys=True) for each in found}
    return json.loads(one)
