"""The whole demo, put together: the command that plays the story, and what the page's server does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

import phantomgate
from demo.clocks import PushedClock
from demo.conftest import ask
from phantomgate.cli.demo import play_once
from phantomgate.cli.main import main
from phantomgate.demo import story
from phantomgate.demo.records import MOST_RECORDS
from phantomgate.demo.run import MAX_AGE, running
from phantomgate.demo.serving import in_thread, listening

SRC = Path(phantomgate.__file__).parents[1]


@pytest.fixture
def lines():
    """The lines of the gateway's log."""
    return []


@pytest.fixture
def clock():
    return PushedClock()


@pytest.fixture
def demo(clock, lines):
    with in_thread(partial(running, 0, write=lines.append, now=clock.now, ticks=clock.ticks)) as value:
        yield value


def orders(demo, token="", **headers):
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return ask(demo.url + "/api/orders", **headers)


def record(demo, answer):
    return ask(f"{demo.url}/demo/decisions/{answer.headers['x-demo-record']}").json


def test_the_command_plays_the_story_and_all_of_it_happens():
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "phantomgate", "demo", "--once"]
    played = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)
    assert (played.returncode, played.stderr) == (0, "")
    for words in ("opaque token in", "JWT upstream", "status            200", "from memory", "development only"):
        assert words in played.stdout
    for status in ("403 insufficient_scope", "401 missing_credential", "401 invalid_token", "503 temporarily"):
        assert f"status            {status}" in played.stdout
    assert played.stdout.endswith("All of it happened.\n")
    assert "\033" not in played.stdout
    assert re.search(r"[A-Za-z0-9_-]{40}", played.stdout) is None, "a whole token was printed"


def test_the_command_serves_until_it_is_interrupted():
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SRC), "PYTHONWARNINGS": "error"}
    # As from a terminal: whoever runs the tests in the background has SIGINT ignored, and so would the demo
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    )
    command = [sys.executable, "-c", heeding, sys.executable, "-m", "phantomgate", "demo", "--port=0"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as served:
        try:
            printed = ""
            while "Ctrl-C" not in printed and (line := served.stdout.readline()):
                printed += line
            url = re.search(r"http://127\.0\.0\.1:\d+", printed).group()
            assert ask(url + "/").status == 200
            assert ask(url + "/api/orders").status == 401
        finally:
            served.send_signal(signal.SIGINT)
        try:
            _, logged = served.communicate(timeout=120)
        finally:
            served.kill()  # which does nothing to what has ended
    assert served.returncode == 0
    assert [json.loads(line)["reason"] for line in logged.splitlines()] == ["missing_credential"]
    assert "development only" in printed


def test_a_story_that_does_not_come_true_ends_with_1_and_says_what(capsys):
    async def untrue(telling):
        await telling.get_token("read")
        await story._no_token(telling)
        raise story.Untrue("wanted the moon, got cheese")

    told = [("It asks for the moon", untrue)]
    assert asyncio.run(play_once(0, lambda kind, text: text, told)) == 1
    printed = capsys.readouterr().out
    assert "1 of it did not happen" in printed
    assert "It asks for the moon: wanted the moon, got cheese" in printed
    assert '"reason":"missing_credential"' in printed


def test_a_port_that_is_none_is_a_usage_error(capsys):
    for port in ("-1", "65536", "http", "\uff18\uff10"):
        with pytest.raises(SystemExit, match="2"):
            main(["demo", f"--port={port}"], {})
        assert "want 0 to 65535" in capsys.readouterr().err


def test_the_story_fails_when_the_gateway_does_not_do_its_part(demo):
    async def told_wrong(telling):
        demo.server.down = True
        telling.token = demo.server.issue("demo-service", "read")
        await story._from_the_network(telling)

    untrue = asyncio.run(story.play(demo, lambda label, text: None, [("It calls the API", told_wrong)]))
    assert untrue == ["It calls the API: wanted status 200, got 503 temporarily_unavailable"]


class WrongTelling(story.Telling):
    """Gets a wrong answer whatever it does."""

    def __init__(self, demo):
        super().__init__(demo, None, lambda label, text: None)
        self.token = "t" * 43

    async def get_token(self, scope):
        return self.token

    async def call(self, method, token=""):
        jwt = {"header": {"typ": "at+jwt"}, "claims": {"sub": story.SERVICE}}
        body = {"error": "teapot", "received": {"jwt": jwt, "headers": [["Authorization", "Bearer x"]]}}
        return story.Answer(418, 'Bearer scope="orders:write"', "5", body, {"source": "memory", "steps": []})

    async def past_the_gateway(self, token):
        return 200

    async def revoke(self, token):
        pass

    async def switch(self, down):
        pass


STATUSES = (200, 200, 403, 401, 401, 401, 503)
STEPS = [step for _, step in story.STORY[1:]]


@pytest.mark.parametrize(("step", "status"), list(zip(STEPS, STATUSES, strict=True)))
def test_no_step_of_the_story_is_content_with_a_wrong_status(demo, step, status):
    with pytest.raises(story.Untrue, match=f"wanted status {status}"):
        asyncio.run(step(WrongTelling(demo)))


def test_a_taken_port_is_given_up_for_another_one(lines):
    with listening() as taken:
        port = taken.getsockname()[1]
        with in_thread(partial(running, port, write=lines.append)) as demo:
            assert demo.url != f"http://127.0.0.1:{port}"
            assert ask(demo.url + "/").status == 200


def test_what_is_remembered_ends_with_the_window_and_the_record_says_so(demo, clock):
    token = demo.server.issue("demo-service", "read", subject="ann")
    first, second = orders(demo, token), orders(demo, token)
    assert [record(demo, each)["source"] for each in (first, second)] == ["network", "memory"]
    assert 0 < record(demo, second)["remembered"] <= MAX_AGE
    demo.server.revoke(token)
    assert orders(demo, token).status == 200
    clock.pushed += MAX_AGE
    refused = orders(demo, token)
    assert refused.status == 401
    assert record(demo, refused)["decision"] == refused.json["decision"]


def test_the_record_has_every_step_up_to_the_one_that_refused_and_no_secret(demo, lines):
    token = demo.server.issue("demo-service", "read")
    answer = ask(demo.url + "/api/orders", body=b"{}", Authorization=f"Bearer {token}")
    kept = record(demo, answer)
    assert [(step["verb"], step["ok"]) for step in kept["steps"]] == [
        ("match", True),
        ("find", True),
        ("resolve", True),
        ("judge", False),
    ]
    assert kept["steps"][-1]["text"] == "lacks orders:write"
    assert token not in json.dumps(kept) + str(lines)
    assert len(lines) == 1


def test_the_record_says_who_knew_that_a_token_means_nothing(demo):
    sources = [record(demo, orders(demo, "made-up"))["source"] for _ in range(2)]
    assert sources == ["network", "memory"]
    assert record(demo, orders(demo))["source"] == ""


def test_a_client_can_not_say_who_it_is_to_the_api(demo):
    token = demo.server.issue("demo-service", "read", subject="ann")
    received = orders(demo, token, X_User="admin", X_Scope="all").json["received"]
    named = [value for name, value in received["headers"] if name.lower().replace("_", "-") == "x-user"]
    assert named == ["ann"]
    assert token not in json.dumps(received)


def test_a_web_socket_goes_through_the_gateway_for_whoever_may_read(demo):
    async def listen(scope):
        token = demo.server.issue("demo-service", scope)
        async with ClientSession() as http:
            url, headers = demo.url + "/api/ticker", {"Authorization": f"Bearer {token}"}
            async with http.ws_connect(url, headers=headers) as socket:
                return await socket.receive_json()

    assert asyncio.run(listen("read"))["you"] == "demo-service"
    with pytest.raises(WSServerHandshakeError, match="403"):
        asyncio.run(listen("orders:write"))


def test_the_page_lives_on_one_origin_only(demo):
    port = demo.url.rpartition(":")[2]
    moved = ask(demo.url + "/", Host=f"localhost:{port}")
    assert (moved.status, moved.headers["location"]) == (307, demo.url + "/")
    assert ask(demo.url + "/", Host="rebound.example").status == 400


def test_the_page_is_strict_about_where_it_may_connect(demo):
    policy = ask(demo.url + "/").headers["content-security-policy"]
    assert policy.startswith(f"default-src 'self'; connect-src 'self' {demo.server.issuer};")
    assert "unsafe" not in policy


def test_nothing_changes_for_a_request_that_another_page_could_send(demo):
    for path in ("/demo/authorization-server", "/demo/service-token", "/demo/service-revoke"):
        assert ask(demo.url + path, {"down": "true"}).status == 415
        for body in (b"{", b"[]"):
            assert ask(demo.url + path, body=body, Content_Type="application/json").status == 400
    assert not demo.server.down


def test_the_pages_server_plays_the_service_and_says_when_nobody_answers(demo):
    def post(path, **members):
        return ask(demo.url + path, body=json.dumps(members).encode(), Content_Type="application/json")

    token = post("/demo/service-token", scope="read").json["access_token"]
    assert orders(demo, token).status == 200
    assert post("/demo/service-revoke", token=token).status == 200
    assert demo.server.jwt(token) is None
    assert post("/demo/authorization-server", down=True).json == {"down": True}
    assert ask(demo.url + "/demo/about").json["down"] is True
    assert post("/demo/service-token").status == 503
    assert post("/demo/authorization-server", down=False).json == {"down": False}
    assert post("/demo/service-token").json["scope"] == "orders:write read"


def test_an_unknown_record_is_not_found(demo):
    assert ask(demo.url + "/demo/decisions/unknown").status == 404


def test_only_the_last_records_are_kept(demo):
    first = orders(demo)
    for _ in range(MOST_RECORDS):
        second = orders(demo)
    assert ask(f"{demo.url}/demo/decisions/{first.headers['x-demo-record']}").status == 404
    assert record(demo, second)["reason"] == "missing_credential"
