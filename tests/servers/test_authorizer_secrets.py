"""Secrets that AWS keeps are read when they are needed, and again when the authorization server refuses them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from in_a_thread import HttpServer, in_a_thread
from lambdas import ENVIRON, Lambda, answers, rest
from phantomgate.adapters.aws_answers import Trouble
from phantomgate.core.ports import HttpCall
from phantomgate.testing import FakeClock, reply


class Keeper:
    """Secrets Manager here: the API, which has the present secret, and the extension, which has the first."""

    def __init__(self, port: int) -> None:
        self.secret, self.remembered = "first", "first"
        self.asked: list[str] = []
        self.broken = False
        self.environ = {
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKID",
            "AWS_SECRET_ACCESS_KEY": "canary-key-55",
            "AWS_SESSION_TOKEN": "canary-session-66",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(port),
            "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "aws-sm:prod/gateway#client_secret",
        }


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            assert "canary-session-66" == self.headers["X-Aws-Parameters-Secrets-Token"]
            self._tell("extension", known.remembered)

        def do_POST(self):
            assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
            self.rfile.read(int(self.headers["Content-Length"]))
            self._tell("api", known.secret)

        def _tell(self, who, secret):
            known.asked.append(who)
            body = json.dumps({"SecretString": json.dumps({"client_secret": secret})}).encode()
            self.send_response(500 if known.broken else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Quiet."""

    with in_a_thread(HttpServer(("127.0.0.1", 0), Handler)) as port:
        known = Keeper(port)
        yield known


def server(keeper: Keeper):
    """An authorization server that knows us by the present secret only."""

    def answer(call: HttpCall):
        basic = dict(call.headers)["Authorization"].partition(" ")[2]
        return answers() if b64decode(basic).decode() == f"gateway:{keeper.secret}" else reply(401)

    return answer


def test_nothing_is_read_before_the_first_event_and_then_once(keeper):
    function = Lambda(server(keeper), ENVIRON, **keeper.environ)
    assert [] == keeper.asked
    for _ in range(3):
        function(rest("GET", "/x"))

    assert ["extension"] == keeper.asked


def test_a_secret_that_the_server_refuses_is_read_anew_past_the_extension(keeper):
    clock = FakeClock()
    function = Lambda(server(keeper), ENVIRON, clock, **keeper.environ)
    function(rest("GET", "/x"))
    keeper.secret = "second"

    assert "ann" == function(rest("GET", "/y", "another-token"))["principalId"]
    assert ["extension", "api"] == keeper.asked
    assert "secrets_read_anew" in function.log
    assert "second" not in function.log
    assert "canary" not in function.log


def test_a_client_that_stays_refused_does_not_ask_for_secrets_all_the_time(keeper):
    clock = FakeClock()
    function = Lambda(reply(401), ENVIRON, clock, **keeper.environ)
    for _ in range(5):
        with pytest.raises(Trouble, match="bad_gateway"):
            function(rest("GET", "/x"))
    assert ["extension", "api"] == keeper.asked
    clock.advance(60)
    with pytest.raises(Trouble):
        function(rest("GET", "/x"))

    assert ["extension", "api", "api"] == keeper.asked


def test_where_aws_cannot_be_asked_the_next_event_tries_again(keeper):
    keeper.broken = True
    function = Lambda(server(keeper), ENVIRON, **keeper.environ)
    with pytest.raises(Trouble, match="its log says why"):
        function(rest("GET", "/x"))
    assert "AWS refused (500)" in function.log
    keeper.broken = False

    assert "ann" == function(rest("GET", "/x"))["principalId"]


def test_where_aws_fails_while_secrets_are_read_anew_the_refusal_stands(keeper):
    function = Lambda(server(keeper), ENVIRON, **keeper.environ)
    function(rest("GET", "/x"))
    keeper.secret, keeper.broken = "second", True
    with pytest.raises(Trouble, match="bad_gateway"):
        function(rest("GET", "/y", "another-token"))


def test_a_secret_in_a_variable_is_not_read_anew():
    function = Lambda(reply(401))
    with pytest.raises(Trouble, match="bad_gateway"):
        function(rest("GET", "/x"))

    assert 1 == len(function.http.calls)
