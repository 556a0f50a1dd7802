"""The SAM template of the OAuth agent: it lints, and what AWS makes of it is an agent with a state of its own."""

from __future__ import annotations

from typing import Any

import pytest

from interop.needs import needs, python_of
from interop.test_aws_templates import FOLDER, of_type, resources, run
from phantomgate.config.agent_function import load_agent

pytestmark = pytest.mark.interop
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:agent-AbCdEf"
PARAMETERS = {
    "Issuer": "https://login.example.com",
    "ClientId": "web",
    "Algorithms": "RS256",
    "Scopes": "openid,offline_access",
    "WebOrigin": "https://www.example.com",
    "PageUrl": "https://www.example.com/",
    "${SecretArn}": SECRET,
    "${State}": "agent-State-1ABC",
}


@pytest.fixture(autouse=True)
def here():
    needs("cfn-lint")


def test_it_lints():
    done = run(python_of("sam").with_name("cfn-lint"), "--regions", "eu-west-1", "--", FOLDER / "agent.yaml")
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_our_own_reading_of_its_variables_has_no_problem():
    (function,) = of_type("agent", "AWS::Lambda::Function").values()

    def value(said: Any) -> str:
        text = said if isinstance(said, str) else said.get("Fn::Sub") or PARAMETERS[said["Ref"]]
        for parameter, filled in PARAMETERS.items():
            text = text.replace(parameter, filled) if parameter.startswith("$") else text
        return text

    variables = {key: value(said) for key, said in function["Environment"]["Variables"].items()}
    settings = load_agent(variables).settings
    assert "phantomgate.aws.agent" == function["Handler"]
    assert "dynamodb:agent-State-1ABC" == settings.agent.state
    assert (f"aws-sm:{SECRET}#session_key",) == settings.session.keys
    assert f"aws-sm:{SECRET}#client_secret" == settings.agent.client_secret
    assert ("openid", "offline_access") == settings.agent.scope
    assert PARAMETERS["Issuer"] == settings.session.issuer
    assert 2 * settings.agent.timeout < function["Timeout"]


def test_the_function_may_write_its_log_read_one_secret_and_use_its_table_and_nothing_else():
    (role,) = of_type("agent", "AWS::IAM::Role").values()
    assert "ManagedPolicyArns" not in role
    allowed = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    assert [
        (["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": ["AgentLog", "Arn"]}),
        ("secretsmanager:GetSecretValue", {"Ref": "SecretArn"}),
        (["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"], {"Fn::GetAtt": ["State", "Arn"]}),
    ] == [(one["Action"], one["Resource"]) for one in allowed]


def test_the_table_is_the_one_that_the_agent_writes_and_forgets_what_is_over():
    (table,) = of_type("agent", "AWS::DynamoDB::Table").values()

    assert [{"AttributeName": "key", "KeyType": "HASH"}] == table["KeySchema"]
    assert [{"AttributeName": "key", "AttributeType": "B"}] == table["AttributeDefinitions"]
    assert {"AttributeName": "ttl", "Enabled": True} == table["TimeToLiveSpecification"]


def test_its_paths_are_the_agents_alone_under_its_own_name():
    (api,) = of_type("agent", "AWS::ApiGatewayV2::Api").values()

    assert ["/oauth-agent/{proxy+}"] == list(api["Body"]["paths"])
    assert "CorsConfiguration" not in api
    (servers,) = api["Body"]["servers"]
    assert servers["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"] is True
    assert resources("agent")["Mapping"]["Properties"]["ApiId"] == {"Ref": "Api"}
    assert "ApiMappingKey" not in resources("agent")["Mapping"]["Properties"]


def test_trouble_rings_and_a_refusal_does_not():
    alarms = of_type("agent", "AWS::CloudWatch::Alarm").values()
    assert {"Trouble", "Ended", "Throttles"} == {one["MetricName"] for one in alarms}
    assert '{ $.level = "error" }' == of_type("agent", "AWS::Logs::MetricFilter")["TroubleLines"]["FilterPattern"]
