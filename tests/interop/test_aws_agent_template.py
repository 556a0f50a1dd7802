"""The SAM template of the OAuth agent: it lints, and what AWS makes of it is an agent with a state of its own."""

from __future__ import annotations

import os
import subprocess

import pytest

from interop.aws_stacks import alarms, allowed, filled, function, of_type
from interop.needs import needs, python_of
from interop.sam_templates import FOLDER, sam
from phantomgate.config.agent_function import load_agent

pytestmark = pytest.mark.interop
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:agent-AbCdEf"
PARAMETERS = {
    "DomainName": "api.example.com",
    "Issuer": "https://login.example.com",
    "ClientId": "web",
    "SecretArn": SECRET,
    "Algorithms": "RS256",
    "Scopes": "openid,offline_access",
    "WebOrigin": "https://www.example.com",
    "PageUrl": "https://www.example.com/",
    "State": "agent-State-1ABC",
}


@pytest.fixture(autouse=True)
def here():
    needs("cfn-lint")


@pytest.fixture
def stack():
    return filled(sam("agent"), PARAMETERS)


def test_it_lints():
    command = [python_of("sam").with_name("cfn-lint"), "--regions", "eu-west-1", "--", FOLDER / "agent.yaml"]
    environ = {**os.environ, "AWS_DEFAULT_REGION": "eu-west-1"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environ)
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_our_own_reading_of_its_variables_has_no_problem(stack):
    said = function(stack)
    settings = load_agent(said["Variables"]).settings
    assert "phantomgate.aws.agent" == said["Handler"]
    assert "dynamodb:agent-State-1ABC" == settings.agent.state
    assert (f"aws-sm:{SECRET}#session_key",) == settings.session.keys
    assert f"aws-sm:{SECRET}#client_secret" == settings.agent.client_secret
    assert ("openid", "offline_access") == settings.agent.scope
    assert PARAMETERS["Issuer"] == settings.session.issuer
    assert 2 * settings.agent.timeout < said["Timeout"]


def test_the_function_may_write_its_log_read_one_secret_and_use_its_table_and_nothing_else(stack):
    assert [
        (["logs:CreateLogStream", "logs:PutLogEvents"], "its log"),
        (["secretsmanager:GetSecretValue"], SECRET),
        (["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"], "${State.Arn}"),
    ] == allowed(stack)


def test_the_table_is_the_one_that_the_agent_writes_and_forgets_what_is_over(stack):
    (table,) = of_type(stack, "AWS::DynamoDB::Table").values()
    assert [{"AttributeName": "key", "KeyType": "HASH"}] == table["KeySchema"]
    assert [{"AttributeName": "key", "AttributeType": "B"}] == table["AttributeDefinitions"]
    assert {"AttributeName": "ttl", "Enabled": True} == table["TimeToLiveSpecification"]


def test_its_paths_are_the_agents_alone_under_its_own_name(stack):
    (api,) = of_type(stack, "AWS::ApiGatewayV2::Api").values()
    assert ["/oauth-agent/{proxy+}"] == list(api["Body"]["paths"])
    assert "CorsConfiguration" not in api
    assert "x-amazon-apigateway-cors" not in api["Body"]
    (servers,) = api["Body"]["servers"]
    assert servers["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"] is True
    (mapping,) = of_type(stack, "AWS::ApiGatewayV2::ApiMapping").values()
    assert ("${Api}", "${Name}", False) == (mapping["ApiId"], mapping["DomainName"], "ApiMappingKey" in mapping)


def test_trouble_rings_and_a_refusal_does_not(stack):
    rings = alarms(stack)
    assert {"Trouble", "Unavailable", "Ended", "Throttles"} == set(rings)
    assert '{ $.level = "error" }' == rings["Trouble"]["lines"]
    assert '{ $.status = 502 || $.note = "*copies of the cookies*" }' == rings["Unavailable"]["lines"]
