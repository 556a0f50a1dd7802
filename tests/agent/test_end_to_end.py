"""The agent as it is served, at the development server: real connections on both sides."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

import phantomgate
from agent.page import Page, at_the_development_server
from agent.serving import served
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.servers.agent_alone import be_alone

APP = "http://127.0.0.1:9999"
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0"
TOML = """
[session]
keys = ["env:KEY"]
trusted_web_origins = ["{app}"]

[agent]
issuer = "{issuer}"
client_id = "spa"
client_secret = "env:SPA_SECRET"
redirect_uri = "{app}/"
post_logout_redirect_uri = "{app}/bye"
scope = ["openid", "profile", "read"]
algorithms = ["ES256"]
extra_params = ["prompt"]
timeout = "{timeout}"
"""
ENVIRON = {"KEY": KEY, "SPA_SECRET": "spa-secret"}


class Stage:
    """The development server and an agent, while a test runs."""

    def __init__(self, folder, timeout="5s"):
        self.ends = ExitStack()
        client = Client(
            "spa",
            "spa-secret",
            scopes=frozenset({"openid", "profile", "read"}),
            redirect_uris=(f"{APP}/",),
            post_logout_redirect_uris=(f"{APP}/bye",),
        )
        self.server = DevelopmentServer([client, Client("gateway", "gateway-secret", introspects=True)])
        issuer = self.ends.enter_context(self.server.running_in_thread())
        file = folder / "phantomgate.toml"
        file.write_text(TOML.format(app=APP, issuer=issuer, timeout=timeout))
        self.app = phantomgate.agent_app(file, environ=ENVIRON)
        self.agent = self.ends.enter_context(served(self.app))

    def page(self):
        return Page(self.agent, APP)


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    yield stage
    stage.ends.close()


def test_a_session_from_login_to_logout(stage):
    page = stage.page()
    assert {"handled": True, "isLoggedIn": True} == {
        name: value
        for name, value in page.log_in(at_the_development_server).json.items()
        if name in ("handled", "isLoggedIn")
    }
    assert {"at", "csrf", "auth", "id"} == page.kinds()
    assert {"sub": "ann", "name": "Ann Example"} == {
        name: value for name, value in page.ask("GET", "/userInfo").json.items() if name in ("sub", "name")
    }
    assert ("ann", stage.server.issuer) == tuple(page.ask("GET", "/claims").json[name] for name in ("sub", "iss"))
    assert 204 == page.ask("POST", "/refresh").status
    url = page.ask("POST", "/logout").json["url"]
    assert set() == page.kinds()
    assert f"{APP}/bye" == page.client.follow(page.client.call("GET", url), url, APP)
    assert 401 == page.ask("GET", "/claims").status


def test_the_answers_of_the_agent_are_nobodys_to_keep_and_ours_to_read(stage):
    answer = stage.page().ask("POST", "/login/start", {})

    assert "no-store" == answer.headers["Cache-Control"]
    assert APP == answer.headers["Access-Control-Allow-Origin"]
    assert "true" == answer.headers["Access-Control-Allow-Credentials"]
    assert "Origin" in answer.headers["Vary"]
    assert "application/json" == answer.headers["Content-Type"]


def test_a_preflight_is_answered_for_our_pages_only(stage):
    client = stage.page().client
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "x-session-csrf"}
    ours = client.call("OPTIONS", f"{stage.agent}/oauth-agent/refresh", Origin=APP, **asked)
    others = client.call("OPTIONS", f"{stage.agent}/oauth-agent/refresh", Origin="https://evil.example", **asked)

    assert [204, 204] == [ours.status, others.status]
    assert "content-type, x-session-csrf" == ours.headers["Access-Control-Allow-Headers"]
    assert not [name for name in others.headers if name.startswith("access-control")]


def refresh_all(pages):
    with ThreadPoolExecutor(len(pages)) as pool:
        return [answer.status for answer in pool.map(lambda page: page.ask("POST", "/refresh"), pages)]


def test_twenty_tabs_refresh_at_once_with_one_call_and_all_stay_logged_in(stage):
    page = stage.page()
    page.log_in(at_the_development_server)
    tabs = [page.tab() for _ in range(20)]
    asked = stage.server.token_requests

    assert [204] * 20 == refresh_all(tabs)
    assert asked + 1 == stage.server.token_requests
    for tab in (tabs[0], tabs[-1], page):  # the page itself comes late, with the cookies of before
        assert 204 == tab.ask("POST", "/refresh").status
        assert "ann" == tab.ask("GET", "/userInfo").json["sub"]


def test_a_refresh_token_that_was_stolen_and_used_elsewhere_ends_the_session(stage):
    page = stage.page()
    page.log_in(at_the_development_server)
    family = next(iter(stage.server._sessions._families))
    stage.server._sessions.use(family, "spa")  # somebody else was first
    answer = page.ask("POST", "/refresh")

    assert (401, "session_expired") == (answer.status, answer.json["code"])
    assert set() == page.kinds()


@pytest.mark.parametrize("trouble", ["status", "down"])
def test_trouble_at_the_server_keeps_everybody_logged_in(stage, trouble):
    page = stage.page()
    page.log_in(at_the_development_server)
    cookies = page.cookies()
    if trouble == "status":
        stage.server.token_status = 503
    else:
        stage.server.down = True
    answer = page.ask("POST", "/refresh")

    assert (502, "authorization_server_error") == (answer.status, answer.json["code"])
    assert answer.headers["Retry-After"].isdigit()
    assert cookies == page.cookies()
    stage.server.token_status, stage.server.down = None, False
    assert 204 == page.ask("POST", "/refresh").status


def test_a_login_that_must_not_ask_anybody_ends_without_a_circle(stage):
    page = stage.page()
    url = page.start(extraParams=[{"key": "prompt", "value": "none"}])
    back = page.client.call("GET", url).headers["Location"]
    answer = page.end(back)

    assert (401, "login_required") == (answer.status, answer.json["code"])
    assert 400 == page.end(back).status


def test_a_logout_elsewhere_is_heard_by_the_back_channel(tmp_path):
    stage = Stage(tmp_path)
    try:
        client = stage.server.clients["spa"]
        uri = f"{stage.agent}/oauth-agent/backchannel-logout"
        stage.server.clients["spa"] = Client(
            client.client_id, client.secret, client.scopes, client.redirect_uris, backchannel_logout_uri=uri
        )
        page = stage.page()
        page.log_in(at_the_development_server)
        assert 200 == page.client.call("GET", f"{stage.server.issuer}/logout").status
        answer = page.ask("GET", "/claims")

        assert (401, "session_expired") == (answer.status, answer.json["code"])
        assert set() == page.kinds()
    finally:
        stage.ends.close()


def test_a_body_that_is_too_long_is_refused(stage):
    page = stage.page()
    answer = page.ask("POST", "/login/end", {"pageUrl": "https://x/?" + "a" * 70_000})

    assert (400, "invalid_request") == (answer.status, answer.json["code"])


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/refresh", 405)])
def test_other_paths_and_methods_are_told_so(stage, method, path, status):
    assert status == stage.page().ask(method, path).status


def test_settings_with_problems_make_no_application(tmp_path):
    file = tmp_path / "phantomgate.toml"
    file.write_text('[agent]\nissuer = "http://as.example"\nprocesses = 2\n')
    with pytest.raises(phantomgate.SettingsError) as no:
        phantomgate.agent_app(file, environ={"WEB_CONCURRENCY": "4"})

    said = {problem.setting for problem in no.value.problems}
    assert {
        "agent.issuer",
        "agent.client_id",
        "agent.client_secret",
        "agent.redirect_uri",
        "agent.processes",
        "agent.listen",
        "WEB_CONCURRENCY",
    } == said
    assert "memory of one process" in str(no.value)
    assert json.dumps(str(no.value))


def asked(app, *messages):
    """What *app* answers to the messages of a lifespan."""
    waiting, sent = [{"type": f"lifespan.{one}"} for one in messages], []

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    async def live():
        await app({"type": "lifespan"}, receive, send)

    return live, sent


def test_a_second_process_of_the_same_agent_does_not_start(stage, tmp_path):
    page = stage.page()
    assert 401 == page.ask("GET", "/claims").status  # the first one is there
    second = phantomgate.agent_app(tmp_path / "phantomgate.toml", environ=ENVIRON)
    live, sent = asked(second, "startup", "shutdown")

    async def impatiently():
        second._alone = asyncio.create_task(be_alone(second._settings, 0.1))
        await live()

    asyncio.run(impatiently())
    assert ["lifespan.startup.failed"] == [one["type"] for one in sent]
    assert "another process on this machine" in sent[0]["message"]
    stage.ends.close()  # with the first, the name goes too
    live, sent = asked(second, "startup", "shutdown")
    asyncio.run(live())
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == [one["type"] for one in sent]


def test_processes_that_share_their_state_may_be_several(stage, tmp_path):
    """No server of theirs is asked before the first request."""
    aws = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    more = {"PHANTOMGATE__AGENT__STATE": "dynamodb:agent", "WEB_CONCURRENCY": "4"}
    apps = [phantomgate.agent_app(tmp_path / "phantomgate.toml", environ={**ENVIRON, **aws, **more}) for _ in range(2)]
    for app in apps:
        live, sent = asked(app, "startup", "shutdown")
        asyncio.run(live())
        assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == [one["type"] for one in sent]
    with pytest.raises(phantomgate.SettingsError, match="WEB_CONCURRENCY"):
        phantomgate.agent_app(tmp_path / "phantomgate.toml", environ={**ENVIRON, "WEB_CONCURRENCY": "4"})
