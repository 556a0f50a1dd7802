"""The CDK app of deploy/aws/cdk: the real CDK synthesises it as shipped, and it deploys what the SAM templates do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interop.aws_stacks import facts, filled
from interop.needs import HERE, needs, python_of
from interop.sam_templates import PARAMETERS, TEMPLATES, sam

pytestmark = pytest.mark.interop
APP = Path(__file__).parents[2] / "deploy" / "aws" / "cdk"
SOURCE = Path(__file__).parents[2] / "src"
REDUNDANT = "W3005"  # the CDK says twice that the function needs its role
QUIET = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1", "CDK_DISABLE_VERSION_CHECK": "1"}


@pytest.fixture(scope="module", autouse=True)
def here():
    needs("the AWS CDK", "cfn-lint")


def run(folder: Path, *command: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "AWS_DEFAULT_REGION": "eu-west-1", **environ},
    )  # fmt: skip


def cdk(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{python_of('cdk').parent}{os.pathsep}{os.environ['PATH']}"  # cdk.json says python3
    command = HERE / "cdk" / "node_modules" / ".bin" / "cdk"
    return run(folder, command, *arguments, PATH=path, PYTHONDONTWRITEBYTECODE="1", **QUIET)


def copied(to: Path) -> Path:
    return Path(shutil.copytree(APP, to, ignore=shutil.ignore_patterns("__pycache__", "cdk.out", "*.zip")))


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Path:
    """A copy of the app as shipped, with the zip that the command writes, synthesised."""
    folder = copied(tmp_path_factory.mktemp("cdk") / "app")
    made = run(folder, sys.executable, "-m", "phantomgate", "package", "--ca", "none", PYTHONPATH=str(SOURCE))
    assert 0 == made.returncode, made.stderr
    done = cdk(folder, "synth", "--quiet")
    assert 0 == done.returncode, done.stderr
    return folder


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


def test_it_lints(app):
    files = sorted((app / "cdk.out").glob("*.template.json"))
    assert list(TEMPLATES) == [file.name.removesuffix(".template.json") for file in files]
    lint = python_of("sam").with_name("cfn-lint")
    done = run(app, lint, "--regions", "eu-west-1", "--ignore-checks", REDUNDANT, "--", *files)
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_deploys_what_the_sam_template_deploys(app, name):
    theirs, ours = facts(filled(sam(name), PARAMETERS)), facts(filled(synthesised(app, name), {}))
    for what in theirs:
        assert theirs[what] == ours[what], what


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_deploys_the_zip_that_the_command_wrote(app, name):
    (function,) = [one for one in synthesised(app, name).values() if "AWS::Lambda::Function" == one["Type"]]
    asset = app / "cdk.out" / f"asset.{function['Properties']['Code']['S3Key']}"
    assert (app / "phantomgate-lambda.zip").read_bytes() == asset.read_bytes()


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
    done = run(APP, python_of("cdk"), "-c", WRONG, PYTHONDONTWRITEBYTECODE="1", **QUIET)
    assert [
        "none.zip is not there; `phantomgate package --python 3.13 --arch arm64` makes it",
        "web_origin is \"https://a.example',evil='b\"; want an origin such as https://www.example.com",
    ] == done.stdout.splitlines(), done.stderr
