"""The CDK app of deploy/aws/cdk: the real CDK synthesises it as shipped, and it deploys what the SAM templates do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interop.aws_stacks import facts, filled
from interop.cdk_app import APP, run
from interop.needs import needs, python_of
from interop.sam_templates import PARAMETERS, TEMPLATES, sam

pytestmark = pytest.mark.interop
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


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_deploys_what_the_sam_template_deploys(cdk_app, name):
    theirs, ours = facts(filled(sam(name), PARAMETERS)), facts(filled(synthesised(cdk_app, name), {}))
    for what in theirs:
        assert theirs[what] == ours[what], what


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_deploys_the_zip_that_the_command_wrote(cdk_app, name):
    (function,) = [one for one in synthesised(cdk_app, name).values() if "AWS::Lambda::Function" == one["Type"]]
    asset = cdk_app / "cdk.out" / f"asset.{function['Properties']['Code']['S3Key']}"
    assert (cdk_app / "phantomgate-lambda.zip").read_bytes() == asset.read_bytes()


WRONG = """
from aws_cdk import App, Duration, Stack, aws_apigateway
from aws_cdk.aws_secretsmanager import Secret
from phantomgate_cdk import PhantomgateAuthorizer, add_gateway_responses
stack = Stack(App(), "stack")
secret = Secret.from_secret_name_v2(stack, "Secret", "gateway")
for wrong in (
    lambda: PhantomgateAuthorizer(stack, "Authorizer", zip_file="none.zip", introspection_endpoint="", client_id="",
                                  client_secret=secret, scopes=[], cache_ttl=Duration.seconds(0)),
    lambda: add_gateway_responses(aws_apigateway.RestApi(stack, "Api"), "https://a.example',evil='b"),
):
    try:
        wrong()
    except ValueError as no:
        print(no)
"""


def test_without_the_zip_it_says_how_to_make_it_and_an_origin_with_a_quote_is_refused():
    done = run(APP, python_of("cdk"), "-c", WRONG)
    assert [
        "none.zip is not there; `phantomgate package --python 3.13 --arch arm64` makes it",
        "web_origin is \"https://a.example',evil='b\"; want an origin such as https://www.example.com",
    ] == done.stdout.splitlines(), done.stderr
