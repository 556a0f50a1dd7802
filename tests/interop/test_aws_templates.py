"""The SAM templates of deploy/aws/sam: they lint, and what AWS makes of them lets nobody past the authorizer."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from interop.needs import needs, python_of
from phantomgate.config.function import load_function

pytestmark = pytest.mark.interop
FOLDER = Path(__file__).parents[2] / "deploy" / "aws" / "sam"
TEMPLATES = ("http-api", "rest-request", "rest-token", "websocket")
REST = ("rest-request", "rest-token")
REGION = {"AWS_DEFAULT_REGION": "eu-west-1"}
PARAMETERS = {
    "IntrospectionEndpoint": "https://as.example/introspect",
    "ClientId": "gateway",
    "Scopes": "read",
    "${ClientSecretArn}": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-AbCdEf",
    "${CacheTtl}": "300",
}


@pytest.fixture(autouse=True)
def here():
    needs("cfn-lint")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **REGION}
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False, env=environ)


@cache
def resources(name: str) -> dict[str, Any]:
    """What AWS deploys for a template, by logical id."""
    done = run(python_of("sam"), Path(__file__).parent / "sam" / "transform.py", FOLDER / f"{name}.yaml")
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)["Resources"]


def of_type(name: str, kind: str) -> dict[str, dict[str, Any]]:
    return {key: one["Properties"] for key, one in resources(name).items() if kind == one["Type"]}


def body(name: str) -> dict[str, Any]:
    kind = "AWS::ApiGatewayV2::Api" if name == "http-api" else "AWS::ApiGateway::RestApi"
    (api,) = of_type(name, kind).values()
    return api["Body"]


def test_there_are_no_others():
    assert ["agent", *TEMPLATES] == sorted(file.stem for file in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_lints(name):
    done = run(python_of("sam").with_name("cfn-lint"), "--regions", "eu-west-1", "--", FOLDER / f"{name}.yaml")
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize("name", ["http-api", *REST])
def test_every_method_but_a_preflight_has_the_authorizer(name):
    """The attack AWS-025: a path that another route matches than the one that was protected."""
    methods = {
        (path, method): said for path, methods in body(name)["paths"].items() for method, said in methods.items()
    }
    assert any("default" in path or "proxy" in path for path, _ in methods)
    for (path, method), said in methods.items():
        if method != "options":
            assert [{"Phantomgate": []}] == said["security"], path


def test_what_passes_an_http_api_without_the_authorizer_has_lost_its_access_token():
    for path, methods in body("http-api")["paths"].items():
        for method, said in methods.items():
            mapped = said["x-amazon-apigateway-integration"]["requestParameters"]
            if method == "options":
                assert "''" == mapped["remove:header.X-Access-Token"], path
            else:
                assert "$context.authorizer.Authorization" == mapped["overwrite:header.X-Access-Token"], path


@pytest.mark.parametrize("name", REST)
def test_a_rest_api_gets_the_jwt_as_authorization_on_every_path(name):
    for path, methods in body(name)["paths"].items():
        mapped = methods["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]["requestParameters"]
        assert "context.authorizer.Authorization" == mapped["integration.request.header.Authorization"], path


@pytest.mark.parametrize("name", REST)
def test_refusals_and_trouble_can_be_read_by_pages_and_say_what_they_are(name):
    answers = body(name)["x-amazon-apigateway-gateway-responses"]
    for kind, status in {"UNAUTHORIZED": "401", "ACCESS_DENIED": "403", "AUTHORIZER_FAILURE": "503"}.items():
        assert status == str(answers[kind]["statusCode"])
    for kind, answer in answers.items():
        assert "gatewayresponse.header.Access-Control-Allow-Origin" in answer["responseParameters"], kind
    for kind, error in {"UNAUTHORIZED": "invalid_token", "ACCESS_DENIED": "insufficient_scope"}.items():
        challenge = answers[kind]["responseParameters"]["gatewayresponse.header.WWW-Authenticate"]
        assert f'\'Bearer realm="api", error="{error}"\'' == challenge
    assert "'5'" == answers["AUTHORIZER_FAILURE"]["responseParameters"]["gatewayresponse.header.Retry-After"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_function_may_write_its_log_and_read_one_secret_and_nothing_else(name):
    ((role),) = of_type(name, "AWS::IAM::Role").values()
    assert "ManagedPolicyArns" not in role
    allowed = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    assert [
        (["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": ["AuthorizerLog", "Arn"]}),
        ("secretsmanager:GetSecretValue", {"Ref": "ClientSecretArn"}),
    ] == [(one["Action"], one["Resource"]) for one in allowed]


@pytest.mark.parametrize("name", TEMPLATES)
def test_only_the_authorizers_of_this_api_may_invoke_it(name):
    permissions = of_type(name, "AWS::Lambda::Permission").values()
    own = [one for one in permissions if {"Fn::GetAtt": ["Authorizer", "Arn"]} == one["FunctionName"]]
    assert 1 == len(own)
    arn, variables = own[0]["SourceArn"]["Fn::Sub"]
    assert arn.endswith("${__ApiId__}/authorizers/*")
    assert {"__ApiId__": {"Ref": "Api"}} == variables


@pytest.mark.parametrize("name", TEMPLATES)
def test_our_own_reading_of_its_variables_has_no_problem(name):
    (function,) = of_type(name, "AWS::Lambda::Function").values()

    def value(said: Any) -> str:
        text = said if isinstance(said, str) else said.get("Fn::Sub") or PARAMETERS[said["Ref"]]
        for parameter, filled in PARAMETERS.items():
            text = text.replace(parameter, filled) if parameter.startswith("$") else text
        return text

    variables = {key: value(said) for key, said in function["Environment"]["Variables"].items()}
    settings = load_function(variables).settings
    assert (0.0 if name == "websocket" else 300.0) == settings.aws.cache_ttl
    assert "#client_secret" in settings.introspection.client_secret
    assert "phantomgate.aws.handler" == function["Handler"]


@pytest.mark.parametrize("name", ["http-api", *REST])
def test_one_parameter_is_what_api_gateway_and_the_function_are_told(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    assert 1 == text.count("ReauthorizeEvery: !Ref CacheTtl\n")
    assert 1 == text.count("PHANTOMGATE__AWS__CACHE_TTL: !Sub ${CacheTtl}s\n")


@pytest.mark.parametrize("name", TEMPLATES)
def test_trouble_rings_and_a_refusal_does_not(name):
    alarms = of_type(name, "AWS::CloudWatch::Alarm").values()
    assert {"Trouble", "Ended", "Throttles"} == {one["MetricName"] for one in alarms}
    filters = of_type(name, "AWS::Logs::MetricFilter")
    assert '{ $.level = "error" }' == filters["TroubleLines"]["FilterPattern"]
