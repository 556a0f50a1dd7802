"""What a Lambda function does with its last seconds: it says that it can't decide, before Lambda ends it wordlessly."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lambdas import ENVIRON, Lambda, rest, sample
from phantomgate.adapters.aws_answers import Trouble
from phantomgate.config.log import LogLine
from phantomgate.servers.authorizer import Authorizer
from phantomgate.servers.invocation import KEPT_SECONDS, Invocation
from phantomgate.testing import FakeClock

CALL_SECONDS, SECRET_SECONDS = 20, 3.0
"""How long a call may take, and one for a secret, where no invocation ends before."""


class Context:
    """Lambda's, of an invocation that has *seconds* left."""

    def __init__(self, seconds: float) -> None:
        self._began, self._seconds = time.monotonic(), seconds

    @property
    def took(self) -> float:
        """Seconds since it began. Compared with what a call would take that is not cut, and not with what it has left:
        a machine that is busy may sleep through the half second that is kept to answer in. How calls are cut is told
        by the fake clock, below.
        """
        return time.monotonic() - self._began

    def get_remaining_time_in_millis(self) -> int:
        return max(int((self._seconds - self.took) * 1000), 0)


class Silent:
    """A server that takes connections, and answers none of them."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self.taken.append(self.listening.accept()[0])
            except OSError:
                return


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.listening.shutdown(socket.SHUT_RDWR)
    server.listening.close()
    for one in server.taken:
        one.close()


def function(silent: Silent, **more: str) -> tuple[Authorizer, list[LogLine]]:
    environ = {
        **ENVIRON,
        "PHANTOMGATE__INTROSPECTION__ENDPOINT": f"http://127.0.0.1:{silent.port}/introspect",
        "PHANTOMGATE__INTROSPECTION__TIMEOUT": f"{CALL_SECONDS}s",
        **more,
    }
    lines: list[LogLine] = []
    return Authorizer(lambda: environ, write=lines.append), lines


def test_a_slow_server_is_trouble_while_the_invocation_has_time_to_say_so(silent):
    authorizer, lines = function(silent)
    context = Context(KEPT_SECONDS + 0.4)
    with pytest.raises(Trouble, match="temporarily_unavailable"):
        authorizer.answer(rest("GET", "/x"), context)

    assert context.took < CALL_SECONDS
    assert 1 == len(silent.taken)
    assert "was the authorization server slow" in json.loads(lines[-1].encode())["detail"]  # not tried once more


def test_a_function_url_is_answered_503_in_time(silent):
    authorizer, _ = function(silent)
    context = Context(KEPT_SECONDS + 0.4)
    answer = authorizer.answer(sample("function_url_bearer_none_auth", rawPath="/exchange"), context)
    assert 503 == answer["statusCode"]
    assert context.took < CALL_SECONDS


def test_nobody_is_asked_without_time_to_hear_the_answer(silent):
    authorizer, lines = function(silent)
    with pytest.raises(Trouble, match="temporarily_unavailable"):
        authorizer.answer(rest("GET", "/x"), Context(KEPT_SECONDS - 0.1))

    assert [] == silent.taken
    said = json.loads(lines[-1].encode())
    assert "overloaded" == said["reason"]
    assert "the function's Timeout" in said["detail"]


@pytest.mark.parametrize("extension", ["0", "same"])
def test_a_secret_is_not_waited_for_longer_than_there_is_time(silent, extension):
    aws = {
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "canary-key-55",
        "AWS_SESSION_TOKEN": "canary-session-66",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.port}",
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(silent.port) if extension == "same" else "0",
        "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "aws-sm:prod/gateway#client_secret",
    }
    authorizer, lines = function(silent, **aws)
    context = Context(KEPT_SECONDS + 0.4)
    with pytest.raises(Trouble, match="server_error"):
        authorizer.answer(rest("GET", "/x"), context)

    assert context.took < SECRET_SECONDS
    assert 1 == len(silent.taken)
    assert "prod/gateway" in lines[-1].encode().decode()


class Told:
    """A context that says one thing."""

    def __init__(self, said: object) -> None:
        self.get_remaining_time_in_millis = lambda: said


@pytest.mark.parametrize("context", [None, object(), Told(None), Told("3000")])
def test_where_nobody_says_how_long_calls_take_what_the_settings_give_them(context):
    function = Lambda()
    function.authorizer.answer(rest("GET", "/x"), context)

    assert [2.0] == [call.timeout for call in function.http.calls]


def test_a_call_is_cut_to_what_is_left_and_the_next_invocation_has_its_own_time():
    clock = FakeClock()
    function = Lambda(clock=clock)
    function.authorizer.answer(rest("GET", "/x", "one"), Told(1500))
    clock.advance(100)
    function.authorizer.answer(rest("GET", "/x", "two"), Told(10_000))

    assert [1.5 - KEPT_SECONDS, 2.0] == [call.timeout for call in function.http.calls]


def test_what_is_remembered_is_answered_without_any_time():
    function = Lambda()
    event = rest("GET", "/x")
    before = function.authorizer.answer(event, Told(3000))

    assert before == function.authorizer.answer(event, Told(0))


def broken() -> int:
    raise RuntimeError("canary-of-the-context")


@pytest.mark.parametrize("said", [broken, lambda: 10**400], ids=["raises", "too large for a number of seconds"])
def test_a_context_that_can_not_be_read_is_trouble_and_its_words_are_nobodys(said):
    context = Told(None)
    context.get_remaining_time_in_millis = said
    function = Lambda()
    with pytest.raises(Trouble, match="server_error") as no:
        function.authorizer.answer(rest("GET", "/x"), context)

    assert "canary" not in str(no.value)
    assert no.value.__cause__ is None
    assert [] == function.http.calls


@pytest.mark.parametrize("said", [float("-inf"), -1, 0, False])
def test_no_time_is_no_time_however_it_is_said(said):
    function = Lambda()
    with pytest.raises(Trouble, match="temporarily_unavailable"):
        function.authorizer.answer(rest("GET", "/x"), Told(said))

    assert [] == function.http.calls


def test_what_is_left_is_a_time_and_nothing_else():
    invocation = Invocation(dict, None, time.time, time.monotonic)
    invocation.begin(Told(float("nan")))

    assert invocation.left() > 0
