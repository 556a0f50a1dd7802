"""Secrets that AWS keeps: asked for as AWS wants it, and never told to anybody else."""

from __future__ import annotations

import json

import pytest

from phantomgate.backends.aws_secrets import fetch
from phantomgate.backends.secrets import read_secret
from phantomgate.backends.sigv4 import Credentials, signed
from phantomgate.core.errors import Unavailable
from phantomgate.testing import FakeHttp, reply

CANARY = "canary-a3c9"
API = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret-key"}
LAMBDA = {**API, "AWS_SESSION_TOKEN": "session", "AWS_LAMBDA_FUNCTION_NAME": "f"}


def of_manager(text: object):
    return reply(200, json.dumps({"Name": "n", "SecretString": text}))


def of_store(text: object):
    return reply(200, json.dumps({"Parameter": {"Name": "n", "Value": text}}))


def get(reference: str, answer, environ=API):
    http = FakeHttp(answer)
    return fetch(reference, environ, http=http, now=lambda: 1_440_938_160.0), http.calls


def test_a_signature_is_that_of_the_published_example():
    """AWS's test suite for Signature Version 4: post-vanilla."""
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    fields = signed(credentials, "us-east-1", "service", "20150830T123600Z", "example.amazonaws.com", {}, b"")

    assert (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    ) == fields["authorization"]
    assert "wJalr" not in repr(credentials)


def test_a_session_token_is_signed_too():
    fields = signed(Credentials("A", "B", "C"), "r", "s", "20150830T123600Z", "h", {"X-Amz-Target": "t"}, b"{}")

    assert "C" == fields["x-amz-security-token"]
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target," in fields["authorization"]


def test_secrets_manager_is_asked_by_its_api():
    secret, (call,) = get("aws-sm:prod/gateway", of_manager(CANARY))

    assert CANARY == secret
    assert ("POST", "https://secretsmanager.eu-west-1.amazonaws.com") == (call.method, call.url)
    assert {"SecretId": "prod/gateway"} == json.loads(call.body)
    assert "secretsmanager.GetSecretValue" == dict(call.headers)["x-amz-target"]
    assert "20150830T123600Z" == dict(call.headers)["x-amz-date"]


def test_the_parameter_store_is_asked_by_its_api():
    secret, (call,) = get("aws-ssm:/prod/gateway", of_store(CANARY))

    assert CANARY == secret
    assert "https://ssm.eu-west-1.amazonaws.com" == call.url
    assert {"Name": "/prod/gateway", "WithDecryption": True} == json.loads(call.body)


def test_a_member_of_a_secret_can_be_meant():
    assert CANARY == get("aws-sm:a#k", of_manager(json.dumps({"k": CANARY, "other": "x"})))[0]


@pytest.mark.parametrize("text", [CANARY, json.dumps([CANARY]), json.dumps({"x": CANARY}), json.dumps({"k": 7})])
def test_a_member_that_is_not_there_is_told_without_the_rest(text):
    with pytest.raises(ValueError, match='must be JSON with text under "k"') as no:
        get("aws-sm:a#k", of_manager(text))
    assert "canary" not in str(no.value)


@pytest.mark.parametrize(
    ("region", "name", "url"),
    [
        ("cn-north-1", "a", "https://secretsmanager.cn-north-1.amazonaws.com.cn"),
        (
            "eu-west-1",
            "arn:aws:secretsmanager:us-east-2:1:secret:a-X",
            "https://secretsmanager.us-east-2.amazonaws.com",
        ),
    ],
)
def test_every_region_has_its_address(region, name, url):
    _, (call,) = get(f"aws-sm:{name}", of_manager("s"), {**API, "AWS_REGION": region})
    assert url == call.url


def test_another_endpoint_can_be_named_and_is_private():
    _, (call,) = get("aws-sm:a", of_manager("s"), {**API, "AWS_ENDPOINT_URL": "http://127.0.0.1:5000"})
    assert "http://127.0.0.1:5000" == call.url
    with pytest.raises(ValueError, match="in the clear"):
        get("aws-sm:a", of_manager("s"), {**API, "AWS_ENDPOINT_URL": "http://moto:5000"})


def test_the_extension_is_asked_first_where_there_may_be_one():
    secret, (call,) = get("aws-sm:prod/a b#k".replace(" ", "+"), of_manager('{"k": "s"}'), LAMBDA)

    assert "s" == secret
    assert "http://localhost:2773/secretsmanager/get?secretId=prod%2Fa%2Bb" == call.url
    assert "session" == dict(call.headers)["X-Aws-Parameters-Secrets-Token"]
    _, (call,) = get("aws-ssm:/a", of_store("s"), {**LAMBDA, "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "2999"})
    assert "http://localhost:2999/systemsmanager/parameters/get?name=%2Fa&withDecryption=true" == call.url


@pytest.mark.parametrize("first", [Unavailable("nobody there"), reply(400, "not ready"), reply(200, "no JSON")])
def test_without_the_extension_the_api_is_asked(first):
    secret, calls = get("aws-sm:a", [first, of_manager("s")], LAMBDA)

    assert "s" == secret
    assert ["http://localhost:2773", "https://secretsmanager.eu-west-1.amazonaws.com"] == [
        call.url.partition("/secretsmanager/")[0] for call in calls
    ]
    assert "X-Aws-Parameters-Secrets-Token" not in dict(calls[1].headers)


def test_port_0_goes_past_the_extension():
    _, (call,) = get("aws-sm:a", of_manager("s"), {**LAMBDA, "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "0"})
    assert call.url.startswith("https://")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(400, '{"__type":"com.amazonaws#ResourceNotFoundException","Message":"canary"}'), "ResourceNotFound"),
        (reply(400, '{"__type":"canary is here"}'), r"AWS refused \(400\)"),
        (reply(403, "canary"), r"AWS refused \(403\)"),
        (reply(200, '{"SecretBinary":"Y2FuYXJ5"}'), "keep it as text"),
        (reply(200, '{"SecretString":7}'), "no text"),
        (reply(200, "canary"), "no text"),
        (Unavailable("no connection"), "can't be asked: no connection"),
    ],
)
def test_what_aws_says_instead_is_told_without_its_text(answer, said):
    with pytest.raises(ValueError, match=said) as no:
        get("aws-sm:a", answer)
    assert "canary" not in str(no.value)


@pytest.mark.parametrize("missing", API)
def test_without_credentials_there_is_a_remedy(missing):
    with pytest.raises(ValueError, match="Lambda sets them"):
        get("aws-sm:a", of_manager("s"), {key: value for key, value in API.items() if key != missing})


def test_a_secret_of_aws_is_read_where_every_other_is():
    with pytest.raises(ValueError, match="Lambda sets them"):
        read_secret("aws-ssm:/a", {})
