"""Faults at each call: whatever the server does, a page gets one of our errors, and no session begins or ends."""

from __future__ import annotations

import json

import pytest

from agent.world import METADATA, Browser, World, as_json, code_of
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.testing import reply

FAULTS = {
    "frozen": Unavailable("no answer within 5 s"),
    "cut off": Unavailable("the connection ended"),
    "not HTTP": Refused(Reason.BAD_ANSWER, "not HTTP"),
    "500": reply(500),
    "503": reply(503, retry_after="3"),
    "429": reply(429),
    "302": reply(302, location="https://evil.example"),
    "204": reply(204),
    "404": reply(404, "not here", content_type="text/plain"),
    "html": reply(200, "<html>", content_type="text/html"),
    "half": reply(200, '{"sub": "an', content_type="application/json"),
    "list": reply(200, "[]", content_type="application/json"),
    "twice": reply(200, '{"sub": "ann", "sub": "eve"}', content_type="application/json"),
    "no type": reply(200, "{}"),
}
WITH_PAR = METADATA._replace(pushed_authorization_request_endpoint="https://as.example/par")


def world_of(drive, clock):
    world = World(drive, clock, metadata=WITH_PAR)
    browser = Browser(world)
    return world, browser


def log_in(world, browser):
    """A login whose request was pushed."""
    assert browser.ask("POST", "/login/start", {}).status == 200
    asked = world.server.asked("/par")[-1]
    world.server.nonce = asked["nonce"]
    return asked


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", ["/par", "/token", "/userinfo"])
def test_a_fault_is_an_error_of_ours_and_changes_nothing(drive, clock, path, fault):
    world, browser = world_of(drive, clock)
    asked = log_in(world, browser)
    if path == "/token":
        world.server.answers[path] = FAULTS[fault]
        answer = browser.end(asked["state"])
        before = browser.cookies
    else:
        browser.end(asked["state"])
        before = dict(browser.cookies)
        world.server.answers[path] = FAULTS[fault]
        answer = browser.ask("POST", "/login/start", {}) if path == "/par" else browser.ask("GET", "/userInfo")

    assert (502, "authorization_server_error") == (answer.status, code_of(answer))
    assert before == browser.cookies
    assert b"evil" not in answer.body


@pytest.mark.parametrize("fault", ["frozen", "not HTTP"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/login/start"), ("POST", "/refresh"), ("GET", "/userInfo")])
def test_metadata_that_cant_be_had_is_trouble_at_the_server(world, browser, method, path, fault):
    browser.log_in()
    before = dict(browser.cookies)

    async def gone():
        raise FAULTS[fault]

    object.__setattr__(world.to_server, "endpoints", gone)
    answer = browser.ask(method, path, {} if path == "/login/start" else None)

    assert (502, "authorization_server_error") == (answer.status, code_of(answer))
    assert before == browser.cookies


def test_keys_that_cant_be_had_are_trouble_at_the_server(world, browser):
    state = browser.start()["state"]

    async def gone(*_):
        raise Unavailable("the keys can't be had")

    object.__setattr__(world.to_server, "verify", gone)
    answer = browser.end(state)

    assert (502, "authorization_server_error") == (answer.status, code_of(answer))


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "userinfo_endpoint"])
def test_an_endpoint_that_isnt_there_is_trouble_at_the_server(drive, clock, name):
    world = World(drive, clock)
    browser = Browser(world)
    browser.log_in()
    world.metadata = world.metadata._replace(**{name: ""})
    asks = {
        "authorization_endpoint": ("POST", "/login/start", {}),
        "token_endpoint": ("POST", "/refresh", None),
        "userinfo_endpoint": ("GET", "/userInfo", None),
    }

    assert 502 == browser.ask(*asks[name]).status


def test_an_access_token_that_is_over_is_told_by_its_own_code(world, browser):
    browser.log_in()
    world.server.answers["/userinfo"] = reply(401)
    answer = browser.ask("GET", "/userInfo")

    assert (401, "token_expired") == (answer.status, code_of(answer))
    assert {"at", "csrf", "auth", "id"} == browser.kinds()


def test_an_access_token_of_another_session_is_not_shown(world, browser):
    browser.log_in()
    other = Browser(world)
    other.log_in()
    browser.cookies[world.names.at, "/"] = other.cookies[world.names.at, "/"]

    assert 401 == browser.ask("GET", "/userInfo").status
    assert [] == [call for call in world.server.calls if call.url.endswith("/userinfo")]


def test_a_bug_is_an_error_that_says_nothing(world, browser):
    world.server.answers["/token"] = KeyError("canary")
    answer = browser.end(browser.start()["state"])

    assert (500, "server_error") == (answer.status, code_of(answer))
    assert b"canary" not in answer.body
    assert "canary" not in world.log[-1].detail


def test_marks_that_cant_be_looked_for_let_nobody_in(world, browser):
    browser.log_in()

    async def gone(*_):
        raise Unavailable("the store is away")

    world.endings.store.get = gone

    assert [502, 502, 502] == [
        browser.ask(*one).status for one in (("POST", "/refresh"), ("GET", "/claims"), ("GET", "/userInfo"))
    ]


def test_userinfo_gives_what_the_settings_name(world, browser):
    browser.log_in()
    world.server.answers["/userinfo"] = as_json({"sub": "ann", "email": "a@b", "roles": ["x"], "id_token": "leak"})

    assert {"sub": "ann", "email": "a@b"} == json.loads(browser.ask("GET", "/userInfo").body)


@pytest.mark.parametrize("path", ["/userInfo", "/claims"])
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"origin": None, "sec_fetch_site": None}, 200),
        ({"origin": None, "sec_fetch_site": "same-origin"}, 200),
        ({"origin": None, "sec_fetch_site": "same-site"}, 401),
        ({"origin": None, "sec_fetch_site": "cross-site"}, 401),
        ({"sec_fetch_site": "cross-site"}, 401),
        ({"origin": "https://evil.example"}, 401),
        ({"origin": "null"}, 401),
    ],
)
def test_facts_are_told_to_our_own_pages(browser, path, fields, status):
    browser.log_in()

    assert status == browser.ask("GET", path, **fields).status
