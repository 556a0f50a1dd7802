"""What Terraform has created, read from its state into the words of `aws_stacks`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from interop.aws_stacks import ALARM, PROPERTIES, answer, cors, ordered, route, same

Attributes = Mapping[str, Any]


class Created:
    """The resources below one module of a state."""

    def __init__(self, state: Mapping[str, Any], module: str) -> None:
        self._resources = [one for one in state["resources"] if f"{one.get('module', '')}.".startswith(f"{module}.")]

    def of_type(self, kind: str) -> list[Attributes]:
        """The attributes of each resource of *kind* that Terraform made."""
        found = [one for one in self._resources if ("managed", kind) == (one["mode"], one["type"])]
        return [instance["attributes"] for one in found for instance in one["instances"]]

    def one(self, *kinds: str) -> Attributes:
        """The only resource of these kinds."""
        (found,) = [one for kind in kinds for one in self.of_type(kind)]
        return found


def facts(created: Created) -> dict[str, Any]:
    """As `aws_stacks.facts`."""
    return {
        "authorizer": authorizer(created),
        "routes": dict(sorted(routes(created))),
        "preflight": preflight(created),
        "answers": {
            one["response_type"]: answer(one["status_code"], one["response_parameters"], one["response_templates"])
            for one in created.of_type("aws_api_gateway_gateway_response")
        },
        "allowed": allowed(created),
        "function": function(created),
        "invoked by": invoked_by(created),
        "alarms": alarms(created),
    }


def authorizer(created: Created) -> dict[str, Any]:
    """Without the expression that values are looked at by first, which moto forgets."""
    said = created.one("aws_api_gateway_authorizer", "aws_apigatewayv2_authorizer")
    found = {"Type": said.get("type") or said["authorizer_type"]}
    sources = [said["identity_source"]] if "identity_source" in said else sorted(said["identity_sources"])
    more = {
        "AuthorizerResultTtlInSeconds": said["authorizer_result_ttl_in_seconds"],
        "AuthorizerPayloadFormatVersion": said.get("authorizer_payload_format_version"),
        "EnableSimpleResponses": said.get("enable_simple_responses"),
    }
    return {**found, "IdentitySource": sources, **{key: one for key, one in more.items() if one}}


def routes(created: Created) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is passed on, by method and path."""
    paths = {one["id"]: one["path"] for one in created.of_type("aws_api_gateway_resource")}
    asked = {
        (one["resource_id"], one["http_method"]): "CUSTOM" == one["authorization"] and bool(one["authorizer_id"])
        for one in created.of_type("aws_api_gateway_method")
    }
    for one in created.of_type("aws_api_gateway_integration"):
        if "MOCK" != one["type"]:
            where = one["resource_id"], one["http_method"]
            key = f"{one['http_method']} {paths.get(one['resource_id'], '/')}"
            yield key, route(asked[where], one["uri"], one["request_parameters"])
    passes = {f"integrations/{one['id']}": one for one in created.of_type("aws_apigatewayv2_integration")}
    for one in created.of_type("aws_apigatewayv2_route"):
        passed = passes[one["target"]]
        with_authorizer = "CUSTOM" == one["authorization_type"] and bool(one["authorizer_id"])
        yield one["route_key"], route(with_authorizer, passed["integration_uri"], passed["request_parameters"] or {})


def preflight(created: Created) -> dict[str, Any]:
    """What AWS answers a preflight with by itself."""
    for api in created.of_type("aws_apigatewayv2_api"):
        for said in api["cors_configuration"]:
            names = {
                "allow_origins": "allowOrigins",
                "allow_methods": "allowMethods",
                "allow_headers": "allowHeaders",
                "max_age": "maxAge",
            }
            return ordered({name: said[key] for key, name in names.items()})
        return {}
    return same(cors(one["response_parameters"]) for one in created.of_type("aws_api_gateway_integration_response"))


def allowed(created: Created) -> list[tuple[list[str], str]]:
    """Actions and resource of each statement of the function's role."""
    assert [] == created.of_type("aws_iam_role_policy_attachment")
    log = f"{created.one('aws_cloudwatch_log_group')['arn']}:*"
    statements = json.loads(created.one("aws_iam_role_policy")["policy"])["Statement"]
    assert {"Allow"} == {one["Effect"] for one in statements}
    return [
        (
            [one["Action"]] if isinstance(one["Action"], str) else one["Action"],
            "its log" if one["Resource"] == log else one["Resource"],
        )
        for one in statements
    ]


def function(created: Created) -> dict[str, Any]:
    """How the function runs, and its settings."""
    said = created.one("aws_lambda_function")
    names = dict(zip(PROPERTIES, ("handler", "runtime", "architectures", "memory_size", "timeout"), strict=True))
    (environment,) = said["environment"]
    return {**{name: said[key] for name, key in names.items()}, "Variables": environment["variables"]}


def invoked_by(created: Created) -> str:
    """Who may invoke the function."""
    name = created.one("aws_lambda_function")["function_name"]
    permissions = created.of_type("aws_lambda_permission")
    (own,) = [one for one in permissions if name == one["function_name"]]
    assert ("lambda:InvokeFunction", "apigateway.amazonaws.com") == (own["action"], own["principal"])
    api = created.one("aws_api_gateway_rest_api", "aws_apigatewayv2_api")["execution_arn"]
    said = created.one("aws_api_gateway_authorizer", "aws_apigatewayv2_authorizer")["id"]
    return "authorizers of its API" if own["source_arn"] == f"{api}/authorizers/{said}" else own["source_arn"]


def alarms(created: Created) -> dict[str, Any]:
    """Metric -> when it rings and, for one that is made of the log, by which lines."""
    patterns = {
        one["metric_transformation"][0]["name"]: one["pattern"]
        for one in created.of_type("aws_cloudwatch_log_metric_filter")
    }
    attributes = (
        "period", "statistic", "threshold", "evaluation_periods", "comparison_operator", "treat_missing_data",
    )  # fmt: skip
    names = dict(zip(ALARM, attributes, strict=True))
    return {
        one["metric_name"]: {
            "lines": patterns.get(one["metric_name"], ""),
            **{name: one[key] for name, key in names.items()},
        }
        for one in created.of_type("aws_cloudwatch_metric_alarm")
    }
