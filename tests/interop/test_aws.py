"""The handler under the real Lambda client, and secrets from moto in the place of AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from interop.aws.moto_server import PYTHON, boto, moto_server
from interop.aws.runtime_api import function
from interop.needs import needs
from lambdas import rest, sample
from loopback_server import SECRET, TOKEN, active, loopback_server
from phantomgate.backends.aws_secrets import fetch
from phantomgate.backends.sigv4 import Credentials, signed
from phantomgate.cli.main import main

pytestmark = pytest.mark.interop
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(autouse=True)
def here():
    needs("awslambdaric and moto")


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """moto's server, which keeps secrets and parameters as AWS does."""
    needs("awslambdaric and moto")
    with moto_server(tmp_path_factory.mktemp("moto") / "moto.log") as environ:
        boto(environ, "client('secretsmanager').list_secrets()\nclient('ssm').describe_parameters()")  # loads both
        yield environ


def test_the_real_client_gets_answers_and_the_word_and_trouble(tmp_path):
    log = tmp_path / "function.log"
    with loopback_server() as server:
        environ = server.environ(PHANTOMGATE__POLICY__SCOPES="read", PYTHONPATH=str(SOURCE))
        with function(tmp_path, environ) as api:
            allowed = api.invoke(rest("GET", "/orders/1", TOKEN))
            refused = api.invoke(rest("GET", "/orders/1", "nobody-knows-this"))
            unknown = api.invoke(sample("iot_mqtt"))
            server.answer = lambda form: (503, "", "")
            trouble = api.invoke(rest("GET", "/orders/1", "another"))

    assert not allowed.error, allowed.text
    assert "ann" == allowed.value["principalId"]
    assert allowed.value["context"]["Authorization"].startswith("Bearer eyJ")
    assert refused.error
    assert "Unauthorized" == refused.value["errorMessage"]
    assert unknown.error
    assert "no event that we know" in unknown.value["errorMessage"]
    assert trouble.error
    assert trouble.value["errorMessage"].startswith("temporarily_unavailable")
    for outcome in (unknown, trouble):
        assert "Unauthorized" not in outcome.text
    told = log.read_text()
    for secret in (TOKEN, SECRET, "nobody-knows-this"):
        assert secret not in told + refused.text + trouble.text
    lines = [json.loads(line) for line in told.splitlines() if line.startswith('{"time"')]
    assert ["inactive", "unavailable"] == [line["reason"] for line in lines if line["event"] == "decision"]
    assert ["unknown_event"] == [line["event"] for line in lines if line["event"] != "decision"]


EVENTS = ("rest_token", "rest_request", "http_v1", "http_v2", "websocket_connect", "appsync")
PLAIN = ("function_url_bearer_none_auth", "alb", "alb_multivalue")
"""Events that are HTTP requests, whose answers are HTTP too."""


def test_the_zip_under_the_real_client_answers_every_kind_of_event(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["package", "--python", "3.11", "--ca", "none"], {})
    with ZipFile("phantomgate-lambda.zip") as archive:
        archive.extractall()
    with loopback_server() as server, function(tmp_path, server.environ(PYTHONPATH=""), "index.handler") as api:
        server.answer = lambda form: active()
        allowed = {name: api.invoke(sample(name)) for name in (*EVENTS, *PLAIN)}
        http = [api.invoke(sample("function_url_bearer_none_auth", rawPath=path)) for path in ("/exchange", "/other")]
        server.answer = lambda form: (500, "text/html", "<p>no")
        another = "Bearer another"
        by_http = {"headers": {"authorization": another}, "identitySource": [another]}
        for event in (sample("rest_token", authorizationToken=another), sample("http_v2", **by_http)):
            raised = api.invoke(event)
            assert raised.error
            assert {"errorMessage", "errorType"} <= raised.value.keys()
            assert "Unauthorized" not in raised.text
        still = api.invoke(sample("rest_token", authorizationToken="Bearer not/a=token"))

    assert [] == [name for name, outcome in allowed.items() if outcome.error]
    for name in ("rest_token", "rest_request", "http_v1", "websocket_connect"):
        assert ["Allow"] == [one["Effect"] for one in allowed[name].value["policyDocument"]["Statement"]]
        assert allowed[name].value["context"]["Authorization"].startswith("Bearer eyJ")
    assert allowed["http_v2"].value["isAuthorized"] is True
    assert allowed["appsync"].value["resolverContext"]["Authorization"].startswith("Bearer eyJ")
    assert [200, 404] == [outcome.value["statusCode"] for outcome in http]
    assert (True, "Unauthorized") == (still.error, still.value["errorMessage"])  # the function goes on after errors


def test_settings_that_cant_be_used_are_an_error_of_every_event_and_said_in_the_log(tmp_path):
    environ = {"PYTHONPATH": str(SOURCE), "PHANTOMGATE__INTROSPECTION__ENDPOINT": "http://as.example/introspect"}
    with function(tmp_path, environ) as api:
        first, second = (api.invoke(rest("GET", "/orders/1", TOKEN)) for _ in range(2))

    for outcome in (first, second):
        assert (True, False) == (outcome.error, "Unauthorized" in outcome.text)
        assert outcome.value["errorMessage"].startswith("server_error")
    lines = [json.loads(line) for line in (tmp_path / "function.log").read_text().splitlines() if '"settings"' in line]
    assert 2 == len(lines)
    assert "allow_insecure_http" in lines[0]["problems"][0]


def test_secrets_and_parameters_are_read_from_what_boto3_wrote(moto):
    boto(
        moto,
        "client('secretsmanager').create_secret(Name='prod/gateway', SecretString=json.dumps({'key': 's3cr&t +ü'}))\n"
        "client('ssm').put_parameter(Name='/prod/gateway', Value='parameter', Type='SecureString')\n",
    )

    assert "s3cr&t +ü" == fetch("aws-sm:prod/gateway#key", moto)
    assert "parameter" == fetch("aws-ssm:/prod/gateway", moto)
    boto(moto, "client('secretsmanager').put_secret_value(SecretId='prod/gateway', SecretString='{\"key\": \"new\"}')")
    assert "new" == fetch("aws-sm:prod/gateway#key", moto)


def test_a_secret_that_is_not_there_has_awss_own_name_for_that(moto):
    with pytest.raises(ValueError, match="ResourceNotFoundException"):
        fetch("aws-sm:none", moto)
    with pytest.raises(ValueError, match="ParameterNotFound"):
        fetch("aws-ssm:/none", moto)


@pytest.mark.parametrize("token", ["", "session/token+="])
def test_a_signature_is_the_one_that_botocore_makes(token):
    code = f"""
import datetime
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
import botocore.compat
class Fixed(datetime.datetime):
    @classmethod
    def utcnow(cls): return cls(2026, 11, 22, 5, 6, 7)
    @classmethod
    def now(cls, tz=None): return cls(2026, 11, 22, 5, 6, 7, tzinfo=tz)
import botocore.auth
if hasattr(botocore.auth, 'get_current_datetime'):
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: Fixed(2026, 11, 22, 5, 6, 7)
else:
    botocore.auth.datetime.datetime = Fixed
request = AWSRequest('POST', 'https://ssm.eu-west-1.amazonaws.com/', data=b'{{"Name": "/a"}}',
                     headers={{'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': 'AmazonSSM.GetParameter'}})
SigV4Auth(Credentials('AKIDEXAMPLE', 'secret/key+1', {token!r} or None), 'ssm', 'eu-west-1').add_auth(request)
print(request.headers['Authorization'])
"""
    theirs = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    fields = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.GetParameter"}
    credentials = Credentials("AKIDEXAMPLE", "secret/key+1", token)
    host = "ssm.eu-west-1.amazonaws.com"
    ours = signed(credentials, "eu-west-1", "ssm", "20261122T050607Z", host, fields, b'{"Name": "/a"}')

    assert theirs == ours["authorization"]


def test_the_client_imports_what_the_benchmark_calls_preloaded():
    code = "import sys, awslambdaric.bootstrap; print(' '.join(sorted(sys.modules)))"
    loaded = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert {"json", "logging", "http.client", "traceback"} & set(loaded) >= {"json", "logging", "traceback"}
    assert sys.version_info >= (3, 11)
