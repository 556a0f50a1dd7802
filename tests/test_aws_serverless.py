"""The Serverless file for the OAuth proxy authorizer's variables: what its CORS says, and what it passes on."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from interop.needs import command, needs
from phantomgate.config.function import load_function
from sealed import KEY

FOLDER = Path(__file__).parents[1] / "deploy" / "aws" / "serverless"
PAGES = "https://www.example.com, https://app.example.com"
ENVIRON = {"TRUSTED_WEB_ORIGINS": PAGES, "COOKIE_NAME_PREFIX": "example"}


def cors(what: str, **environ: str):
    """What the file says of *what*, or the error that it ends with."""
    needs("Node")
    script = f"console.log(JSON.stringify(require('{FOLDER}/cors.js').{what}()))"
    done = subprocess.run(
        [command("node") or "node", "-e", script],
        capture_output=True, text=True, check=False, timeout=300,
        env={"PATH": os.environ["PATH"], **ENVIRON, **environ},
    )  # fmt: skip
    return done.stderr if done.returncode else json.loads(done.stdout)


@pytest.mark.interop
def test_the_old_variables_say_what_preflights_are_answered():
    more = {"ALLOW_METHODS": "GET, POST", "ALLOW_HEADERS": "Content-Type", "CORS_MAX_AGE": "600"}

    assert {
        "origins": ["https://www.example.com", "https://app.example.com"],
        "methods": ["GET", "POST"],
        "headers": ["Content-Type", "x-example-csrf"],
        "allowCredentials": True,
        "maxAge": 600,
    } == cors("preflight", **more)
    usual = cors("preflight")
    assert (["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"], 86400) == (usual["methods"], usual["maxAge"])
    assert [1, 1] == [cors("preflight", CORS_MAX_AGE=never)["maxAge"] for never in ("0", "-1")]
    low = cors("preflight", ALLOW_HEADERS="x_trace", COOKIE_NAME_PREFIX="my_app")
    assert ["x_trace", "x-my_app-csrf"] == low["headers"]
    assert ["X-Example-CSRF"] == cors("preflight", ALLOW_HEADERS="X-Example-CSRF")["headers"]


@pytest.mark.interop
def test_every_answer_of_api_gateway_names_one_origin():
    responses = cors("gatewayResponses", EXPOSE_HEADERS="etag")
    fields = [one["Properties"]["ResponseParameters"] for one in responses.values()]

    assert ["'https://www.example.com'"] * 6 == [
        one["gatewayresponse.header.Access-Control-Allow-Origin"] for one in fields
    ]
    assert ["'etag'"] * 6 == [one["gatewayresponse.header.Access-Control-Expose-Headers"] for one in fields]
    kinds = {one["Properties"]["ResponseType"]: one["Properties"].get("StatusCode") for one in responses.values()}
    assert {
        "DEFAULT_4XX": None,
        "DEFAULT_5XX": None,
        "UNAUTHORIZED": "401",
        "ACCESS_DENIED": "403",
        "AUTHORIZER_FAILURE": "503",
        "AUTHORIZER_CONFIGURATION_ERROR": "503",
    } == kinds


@pytest.mark.interop
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("TRUSTED_WEB_ORIGINS", ""), ("TRUSTED_WEB_ORIGINS", "*"), ("TRUSTED_WEB_ORIGINS", "https://a'b")),
        *(("ALLOW_HEADERS", "a'b"), ("EXPOSE_HEADERS", "*"), ("CORS_MAX_AGE", "1.5"), ("CORS_MAX_AGE", "long")),
    ],
)
def test_what_would_be_no_header_is_not_deployed(name, value):
    assert name in cors("gatewayResponses" if name == "EXPOSE_HEADERS" else "preflight", **{name: value})


def test_what_the_file_passes_on_is_what_the_function_reads():
    text = (FOLDER / "serverless.yml").read_text()
    authorizer = text.partition("  api:")[0]
    names = set(re.findall(r"^      ([A-Z_]+): ", authorizer, re.MULTILINE))
    values = {
        **dict.fromkeys(names, ""),
        "TRUSTED_WEB_ORIGINS": PAGES,
        "COOKIE_NAME_PREFIX": "example",
        "ENCRYPTION_KEY": KEY,
        "USE_PHANTOM_TOKEN": "true",
        "INTROSPECTION_URL": "https://as.example/i",
        "CLIENT_ID": "a",
        "CLIENT_SECRET": "b",
        "ALLOW_TOKEN": "true",
        "PHANTOMGATE__AWS__CACHE_TTL": "0s",
    }

    assert names == set(values)
    assert () == load_function(values).warnings
    assert "resultTtlInSeconds: 0" in text


@pytest.mark.parametrize(
    ("origin", "told"),
    [("https://app.example.com", "https://app.example.com"), ("https://evil.example", None), (None, None)],
)
def test_the_example_api_lets_its_own_pages_read(origin, told, monkeypatch):
    monkeypatch.setenv("TRUSTED_WEB_ORIGINS", PAGES)
    spec = importlib.util.spec_from_file_location("serverless_api", FOLDER / "api.py")
    api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(api)
    event = {"requestContext": {"authorizer": {"sub": "ann", "token": "Bearer x"}}, "headers": {"Origin": origin}}
    answer = api.handler(event, None)

    assert told == answer["headers"].get("Access-Control-Allow-Origin")
    assert {"sub": "ann", "has_jwt": True} == json.loads(answer["body"])
