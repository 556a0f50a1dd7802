"""The Terraform module of deploy/aws/terraform: the real Terraform applies its examples to moto, by AWS's own provider.

That proves that names, types and references are right, and what the four stacks consist of; not what AWS makes of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interop import aws_stacks
from interop.aws.moto_server import boto, moto_server
from interop.aws_stacks import filled
from interop.needs import command, needs
from interop.sam_templates import PARAMETERS, TEMPLATES, sam
from interop.terraform_stacks import Created, facts

pytestmark = [pytest.mark.interop, pytest.mark.slow]
MODULE = Path(__file__).parents[2] / "deploy" / "aws" / "terraform"
SOURCE = Path(__file__).parents[2] / "src"
PROVIDER = "needs Terraform's AWS provider, from its registry or from the folder in PHANTOMGATE_TERRAFORM_PLUGINS"
OURS = {
    "introspection_endpoint": PARAMETERS["IntrospectionEndpoint"],
    "client_id": PARAMETERS["ClientId"],
    "client_secret_arn": PARAMETERS["ClientSecretArn"],
}
REST = {"source": "./module/examples/rest", "upstream_url": PARAMETERS["UpstreamUrl"]}
EXAMPLES = {
    "rest-token": {**REST, "api_type": "rest-token"},
    "rest-request": {**REST, "api_type": "rest-request"},
    "http-api": {"source": "./module/examples/http", "upstream_origin": PARAMETERS["UpstreamUrl"]},
    "websocket": {"source": "./module/examples/websocket", "function_name": "chat"},
}
CHAT = """
role = client('iam').create_role(RoleName='chat', AssumeRolePolicyDocument='{}')['Role']['Arn']
client('lambda').create_function(FunctionName='chat', Runtime='python3.13', Role=role, Handler='chat.handler',
                                 Code={'ZipFile': b'PK\\5\\6' + bytes(18)})
"""
KEPT = """
rest, v2 = client('apigateway'), client('apigatewayv2')
found = {api['name']: rest.get_authorizers(restApiId=api['id'])['items'] for api in rest.get_rest_apis()['items']}
for api in v2.get_apis()['Items']:  # of these moto can't list authorizers
    used = {one.get('AuthorizerId') for one in v2.get_routes(ApiId=api['ApiId'])['Items']} - {None}
    found[api['Name']] = [v2.get_authorizer(ApiId=api['ApiId'], AuthorizerId=one) for one in used]
print(json.dumps(found))
"""


WRONG = {
    "client_secret_arn": ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:*", "the whole ARN of one secret"),
    "introspection_endpoint": ("http://login.example.com/introspect", "an https URL"),
    "web_origin": ("https://a.example',evil='b", "an origin such as"),
    "api_type": ("rest", "rest-token, rest-request, http or websocket"),
    "cache_ttl": (3601, "from 0 to 3600"),
}


@pytest.fixture(scope="module", autouse=True)
def here():
    needs("awslambdaric and moto", "cfn-lint")
    if not command("terraform"):  # nor does install.sh install it, so this is a skip in CI too
        pytest.skip("needs Terraform in the PATH")


def run(folder: Path, *command: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "TF_IN_AUTOMATION": "1", **environ},
    )  # fmt: skip


def terraform(folder: Path, what: str, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "terraform", what, "-no-color", *options, **environ)


def initialise(folder: Path) -> subprocess.CompletedProcess[str]:
    plugins = os.environ.get("PHANTOMGATE_TERRAFORM_PLUGINS")
    return terraform(folder, "init", "-input=false", *([f"-plugin-dir={plugins}"] if plugins else []))


@pytest.fixture(scope="module")
def initialised(tmp_path_factory) -> Path:
    """A configuration that has the four examples, beside the zip that the command writes."""
    folder = tmp_path_factory.mktemp("terraform")
    shutil.copytree(MODULE, folder / "module", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.zip"))
    modules = {name: {**OURS, **said, "name": name} for name, said in EXAMPLES.items()}
    (folder / "main.tf.json").write_text(json.dumps({"module": modules}))
    made = run(folder, sys.executable, "-m", "phantomgate", "package", "--ca", "none", PYTHONPATH=str(SOURCE))
    assert 0 == made.returncode, made.stderr
    done = initialise(folder)
    if done.returncode and "provider" in done.stderr:
        pytest.skip(PROVIDER)
    assert 0 == done.returncode, done.stderr
    return folder


@pytest.fixture(scope="module")
def applied(initialised) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """The state after all of it was made, and the environment of whoever asks moto."""
    with moto_server(initialised / "moto.log") as environ:
        boto(environ, CHAT)
        done = terraform(initialised, "apply", "-auto-approve", "-input=false", "-parallelism=30", **environ)
        assert 0 == done.returncode, done.stderr
        yield json.loads((initialised / "terraform.tfstate").read_text()), environ


def test_it_is_written_as_terraform_writes():
    done = terraform(MODULE, "fmt", "-check", "-recursive")
    assert (0, "") == (done.returncode, done.stdout)


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_example_makes_what_the_sam_template_deploys(applied, name):
    state, _ = applied
    theirs, ours = aws_stacks.facts(filled(sam(name), PARAMETERS)), facts(Created(state, f"module.{name}"))
    expression = theirs["authorizer"].pop("IdentityValidationExpression", "")  # moto forgets it
    assert expression == "" or f'"{expression}"' in (MODULE / "authorizer.tf").read_text()
    for what in theirs:
        assert theirs[what] == ours[what], what


def test_moto_has_the_authorizers(applied):
    """Their kinds, TTLs and identity sources, asked for by boto3."""
    _, environ = applied
    kept = json.loads(boto(environ, KEPT))
    said = {name: one for name, (one,) in kept.items()}
    assert {
        "rest-token": ("TOKEN", 300, "method.request.header.Authorization"),
        "rest-request": ("REQUEST", 300, "method.request.header.Authorization"),
    } == {
        name: (said[name]["type"], said[name]["authorizerResultTtlInSeconds"], said[name]["identitySource"])
        for name in ("rest-token", "rest-request")
    }
    http, websocket = said["http-api"], said["websocket"]
    assert ("REQUEST", 300, "2.0", True) == (
        http["AuthorizerType"], http["AuthorizerResultTtlInSeconds"],
        http["AuthorizerPayloadFormatVersion"], http["EnableSimpleResponses"],
    )  # fmt: skip
    assert {"$request.header.Authorization", "$context.routeKey"} == set(http["IdentitySource"])
    assert ("REQUEST", ["route.request.header.Authorization"]) == (
        websocket["AuthorizerType"], websocket["IdentitySource"],
    )  # fmt: skip


def test_a_wrong_variable_is_refused_with_what_is_wanted(initialised, tmp_path):
    api = {"api_type": "rest-token", "api_id": "a", "api_execution_arn": "arn:aws:execute-api:eu-west-1:1:a"}
    module = {**OURS, **api, "source": os.path.relpath(initialised / "module", tmp_path), "zip_file": "main.tf.json"}
    modules = {variable: {**module, variable: wrong} for variable, (wrong, _) in WRONG.items()}
    (tmp_path / "main.tf.json").write_text(json.dumps({"module": modules}))
    assert 0 == initialise(tmp_path).returncode

    done = terraform(tmp_path, "validate")
    assert 1 == done.returncode
    for _, wanted in WRONG.values():
        assert wanted in done.stderr
    assert len(WRONG) == done.stderr.count("Error: Invalid value for variable")
