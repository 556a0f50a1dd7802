"""Group AWS, what is deployed around the authorizer: routes without it, and messages after the token is over."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from attacks.cases import attack
from lambdas import Lambda, answers, sample
from phantomgate.cli.main import main
from tokens import NOW

FOLDER = Path(__file__).parents[2] / "deploy" / "aws" / "sam"
FILE = FOLDER / "websocket_messages.py"
ACCOUNTS = """\
          /v1/accounts:
            get:
              responses: {}
              x-amazon-apigateway-integration:
                type: http_proxy
                httpMethod: GET
                uri: !Ref UpstreamUrl
                payloadFormatVersion: "1.0"
                requestParameters: {overwrite:header.X-Access-Token: $context.authorizer.Authorization}
"""


@attack("AWS-025")
def test_a_default_route_without_the_authorizer_would_let_a_trailing_slash_in_and_is_found(case, tmp_path, capsys):
    text = (FOLDER / "http-api.yaml").read_text().replace("          /$default:", f"{ACCOUNTS}          /$default:")
    open_by_default = text.replace(
        "isDefaultRoute: true\n", "isDefaultRoute: true\n              security: [NONE: []]\n"
    )
    codes, holes = [], []
    for weak in (text, open_by_default):
        (tmp_path / "template.yaml").write_text(weak)
        codes.append(main(["check", "--aws", str(tmp_path / "template.yaml"), "--json"], {}))
        found = json.loads(capsys.readouterr().out)["findings"]
        holes.append([(one["kind"], one["place"].split(".")[-2]) for one in found if one["check"] == "route-open"])

    assert [0, 1] == codes
    assert [[], [("unsafe", "/$default")]] == holes


@pytest.fixture(scope="module")
def messages():
    spec = importlib.util.spec_from_file_location("websocket_messages", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def connected(**claims: Any) -> dict[str, str]:
    """What the authorizer says at $connect, as AWS gives it to every later message: all of it is text."""
    said = Lambda(answers(**claims))(sample("websocket_connect"))
    return {name: str(value) for name, value in {**said["context"], "principalId": said["principalId"]}.items()}


def message(authorizer: Any, kind: str = "MESSAGE") -> dict[str, Any]:
    context = {"eventType": kind, "connectionId": "EXqgWfmZjoECIbw=", "domainName": "ws.example", "stage": "prod"}
    return {"requestContext": {**context, **({} if authorizer is ... else {"authorizer": authorizer})}}


@attack("AWS-029")
def test_a_message_after_exp_is_refused_and_the_connection_ended(case, messages):
    closed: list[str] = []
    known = connected(exp=NOW + 60)

    def at(seconds: float) -> int:
        return messages.answer(message(known), seconds, lambda about: closed.append(about["connectionId"]))[
            "statusCode"
        ]

    assert [200, 200] == [at(NOW), at(NOW + 59.9)]
    assert [] == closed
    assert [401, 401] == [at(NOW + 60), at(NOW + 7200)]
    assert ["EXqgWfmZjoECIbw="] * 2 == closed


@pytest.mark.parametrize("known", [..., None, {}, {"exp": "0"}, {"exp": "soon"}, {"exp": ""}, {"exp": None}, "x"])
def test_where_nobody_says_when_the_token_is_over_it_is(known, messages):
    closed: list[dict[str, Any]] = []
    assert 401 == messages.answer(message(known), NOW, closed.append)["statusCode"]
    assert 1 == len(closed)


def test_a_connection_that_is_not_there_yet_is_refused_and_one_that_ends_may(messages):
    def no(about: object) -> None:
        raise AssertionError("there is nothing to close")

    assert 401 == messages.answer(message({"exp": str(NOW)}, "CONNECT"), NOW, no)["statusCode"]
    assert 200 == messages.answer(message(connected(), "CONNECT"), NOW, no)["statusCode"]
    assert 200 == messages.answer(message({}, "DISCONNECT"), NOW, no)["statusCode"]
