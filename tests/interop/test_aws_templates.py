"""The SAM templates of deploy/aws/sam: they lint, and what AWS makes of them lets nobody past the authorizer."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from interop.aws_stacks import alarms, allowed, authorizer, filled, function, invoked_by, of_type
from interop.needs import needs, python_of
from interop.sam_templates import FOLDER, PARAMETERS, REST, TEMPLATES, sam
from phantomgate.cli.main import main
from phantomgate.config.function import load_function

pytestmark = pytest.mark.interop
BEARER = "^[Bb][Ee][Aa][Rr][Ee][Rr] +[A-Za-z0-9._~+/=-]{8,4096}$"


@pytest.fixture(autouse=True)
def here():
    needs("cfn-lint")


def stack(name: str) -> dict[str, Any]:
    return filled(sam(name), PARAMETERS)


def body(name: str) -> dict[str, Any]:
    kind = "AWS::ApiGatewayV2::Api" if name == "http-api" else "AWS::ApiGateway::RestApi"
    (api,) = of_type(sam(name), kind).values()
    return api["Body"]


def test_there_are_no_others():
    assert ["agent", *TEMPLATES] == sorted(file.stem for file in FOLDER.glob("*.yaml"))


def test_they_lint():
    files = [FOLDER / f"{name}.yaml" for name in TEMPLATES]
    command = [python_of("sam").with_name("cfn-lint"), "--regions", "eu-west-1", "--", *files]
    environ = {**os.environ, "AWS_DEFAULT_REGION": "eu-west-1"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environ)
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize("name", TEMPLATES)
def test_our_own_check_has_nothing_to_say_about_what_aws_makes_of_it(name, tmp_path, capsys):
    file = tmp_path / "template.json"
    file.write_text(json.dumps({"Resources": stack(name)}))
    code = main(["check", "--aws", str(file), "--json"], {})

    assert (0, []) == (code, json.loads(capsys.readouterr().out)["findings"])


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
    assert [
        (["logs:CreateLogStream", "logs:PutLogEvents"], "its log"),
        (["secretsmanager:GetSecretValue"], PARAMETERS["ClientSecretArn"]),
    ] == allowed(stack(name))


@pytest.mark.parametrize("name", TEMPLATES)
def test_only_the_authorizers_of_this_api_may_invoke_it(name):
    assert "authorizers of its API" == invoked_by(stack(name))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "rest-token",
            {
                "Type": "TOKEN",
                "AuthorizerResultTtlInSeconds": 300,
                "IdentitySource": ["method.request.header.Authorization"],
                "IdentityValidationExpression": BEARER,
            },
        ),
        (
            "rest-request",
            {
                "Type": "REQUEST",
                "AuthorizerResultTtlInSeconds": 300,
                "IdentitySource": ["method.request.header.Authorization"],
            },
        ),
        (
            "http-api",
            {
                "Type": "REQUEST",
                "AuthorizerResultTtlInSeconds": 300,
                "IdentitySource": ["$context.routeKey", "$request.header.Authorization"],
                "AuthorizerPayloadFormatVersion": "2.0",
                "EnableSimpleResponses": True,
            },
        ),
        ("websocket", {"Type": "REQUEST", "IdentitySource": ["route.request.header.Authorization"]}),
    ],
)
def test_answers_are_remembered_by_all_that_they_depend_on(name, said):
    assert said == authorizer(stack(name))


@pytest.mark.parametrize("name", TEMPLATES)
def test_our_own_reading_of_its_variables_has_no_problem(name):
    said = function(stack(name))
    settings = load_function(said["Variables"]).settings
    assert (0.0 if name == "websocket" else 300.0) == settings.aws.cache_ttl
    assert "#client_secret" in settings.introspection.client_secret
    assert "phantomgate.aws.handler" == said["Handler"]


@pytest.mark.parametrize("name", ["http-api", *REST])
def test_one_parameter_is_what_api_gateway_and_the_function_are_told(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    assert 1 == text.count("ReauthorizeEvery: !Ref CacheTtl\n")
    assert 1 == text.count("PHANTOMGATE__AWS__CACHE_TTL: !Sub ${CacheTtl}s\n")


@pytest.mark.parametrize("name", TEMPLATES)
def test_trouble_rings_and_a_refusal_does_not(name):
    rings = alarms(stack(name))
    lines = {metric: one["lines"] for metric, one in rings.items()}
    assert (3, 2) == (rings["Unavailable"]["Threshold"], rings["Unavailable"]["EvaluationPeriods"])
    assert {
        "Trouble": '{ $.level = "error" }',
        "Unavailable": '{ $.event = "decision" && $.status = 503 }',
        "Ended": '?"Task timed out" ?"Runtime exited" ?"Runtime.ImportModuleError"',
        "Throttles": "",
    } == lines
