"""The CDK app of deploy/aws/cdk: the real CDK synthesises it as shipped, and it deploys what the SAM templates do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interop.aws_stacks import allowed, facts, filled, function, of_type
from interop.cdk_app import APP, run
from interop.needs import needs, python_of
from interop.sam_templates import PARAMETERS, TEMPLATES, sam
from phantomgate.cli.main import main

pytestmark = [pytest.mark.interop, pytest.mark.slow]
REDUNDANT = "W3005"  # the CDK says twice that the function needs its role


@pytest.fixture(scope="module", autouse=True)
def here():
    needs("the AWS CDK", "cfn-lint")


def synthesised(app: Path, name: str) -> dict[str, Any]:
    return json.loads((app / "cdk.out" / f"{name}.template.json").read_text())["Resources"]


def test_the_app_says_what_the_templates_are_told():
    said = json.loads((APP / "cdk.json").read_text())["context"]
    assert PARAMETERS == {
        "UpstreamUrl": said["upstream_url"],
        "IntrospectionEndpoint": said["introspection_endpoint"],
        "ClientId": said["client_id"],
        "ClientSecretArn": said["client_secret_arn"],
        "Scopes": ",".join(said["scopes"]),
        "CacheTtl": str(said["cache_ttl"]),
        "WebOrigin": said["web_origin"],
        "RouteFunctionArn": said["websocket_function_arn"],
    }


def test_it_lints(cdk_app):
    files = sorted((cdk_app / "cdk.out").glob("*.template.json"))
    assert list(TEMPLATES) == [file.name.removesuffix(".template.json") for file in files]
    lint = python_of("sam").with_name("cfn-lint")
    done = run(cdk_app, lint, "--regions", "eu-west-1", "--ignore-checks", REDUNDANT, "--", *files)
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_our_own_check_has_nothing_to_say_about_it(cdk_app, capsys):
    files = sorted((cdk_app / "cdk.out").glob("*.template.json"))
    code = main(["check", "--aws", *map(str, files), "--json"], {})
    said = json.loads(capsys.readouterr().out)

    assert (0, [], len(TEMPLATES)) == (code, said["findings"], len(said["templates"]))


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_deploys_what_the_sam_template_deploys(cdk_app, name):
    theirs, ours = facts(filled(sam(name), PARAMETERS)), facts(filled(synthesised(cdk_app, name), {}))
    for what in theirs:
        assert theirs[what] == ours[what], what


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_deploys_the_zip_that_the_command_wrote(cdk_app, name):
    (code,) = [
        one["Properties"]["Code"]
        for one in synthesised(cdk_app, name).values()
        if "AWS::Lambda::Function" == one["Type"]
    ]
    asset = cdk_app / "cdk.out" / f"asset.{code['S3Key']}"
    assert (cdk_app / "phantomgate-lambda.zip").read_bytes() == asset.read_bytes()


IN_AN_APP = """
import json
from aws_cdk import App, Duration, Stack, aws_kms, aws_sns
from aws_cdk.aws_apigateway import AuthorizationType, MethodOptions, RestApi
from aws_cdk.assertions import Template
from aws_cdk.aws_secretsmanager import Secret
from phantomgate_cdk import PhantomgateAuthorizer, add_gateway_responses
stack = Stack(App(), "stack")
key = aws_kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:eu-west-1:123456789012:key/ours")
secret = Secret.from_secret_attributes(stack, "Secret", encryption_key=key,
    secret_partial_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway")
topic = aws_sns.Topic.from_topic_arn(stack, "Topic", "arn:aws:sns:eu-west-1:123456789012:alarms")
def ours(name, zip_file):
    return PhantomgateAuthorizer(stack, name, zip_file=zip_file, introspection_endpoint="https://as.example/introspect",
        client_id="gateway", client_secret=secret, scopes=["read", "write"], cache_ttl=Duration.minutes(1),
        environment={"PHANTOMGATE__AWS__POLICY": "exact"}, alarm_topic=topic)
token = ours("Authorizer", "phantomgate-lambda.zip").rest_token()
api = RestApi(stack, "Api", cloud_watch_role=False,
    default_method_options=MethodOptions(authorization_type=AuthorizationType.CUSTOM, authorizer=token))
api.root.add_method("GET")
for wrong in (lambda: ours("Other", "none.zip"), lambda: add_gateway_responses(api, "https://a.example',evil='b")):
    try:
        wrong()
    except ValueError as no:
        print(no)
print(json.dumps(Template.from_stack(stack).to_json()["Resources"]))
"""


@pytest.fixture(scope="module")
def said(cdk_app) -> list[str]:
    """What the constructs say and deploy in an app of somebody's own."""
    done = run(cdk_app, python_of("cdk"), "-c", IN_AN_APP)
    assert 0 == done.returncode, done.stderr
    return done.stdout.splitlines()


def test_without_the_zip_it_says_how_to_make_it_and_an_origin_with_a_quote_is_refused(said):
    assert [
        "none.zip is not there; `phantomgate package --python 3.13 --arch arm64` makes it",
        "web_origin is \"https://a.example',evil='b\"; want an origin such as https://www.example.com",
    ] == said[:2]


def test_a_secret_with_a_key_brings_that_key_through_secrets_manager_and_nothing_else(said):
    resources = filled(json.loads(said[2]), {"AWS::Region": "eu-west-1"})
    assert [
        (["logs:CreateLogStream", "logs:PutLogEvents"], "its log"),
        (["secretsmanager:GetSecretValue"], "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gateway-??????"),
        (["kms:Decrypt"], "arn:aws:kms:eu-west-1:123456789012:key/ours"),
    ] == allowed(resources)
    (policy,) = of_type(resources, "AWS::IAM::Policy").values()
    condition = {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}
    assert condition == policy["PolicyDocument"]["Statement"][2]["Condition"]


def test_more_settings_and_a_topic_get_there(said):
    resources = filled(json.loads(said[2]), {})
    variables = function(resources)["Variables"]
    assert ("exact", "read,write", "60s") == (
        variables["PHANTOMGATE__AWS__POLICY"],
        variables["PHANTOMGATE__POLICY__SCOPES"],
        variables["PHANTOMGATE__AWS__CACHE_TTL"],
    )
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    assert [["arn:aws:sns:eu-west-1:123456789012:alarms"]] * 4 == [one["AlarmActions"] for one in alarms]
