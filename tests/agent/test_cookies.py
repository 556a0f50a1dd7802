"""The agent's cookies: names, paths, what can't be opened, and sessions that another agent began."""

from __future__ import annotations

import json

import pytest

from agent.world import APP, KEY, Browser, World, as_json, code_of
from phantomgate.session.cookies import CookieNames
from phantomgate.session.keys import read_session_key
from phantomgate.session.sealing import seal_v1

OLD = CookieNames("th", host_prefix=False)


def v1(world, text):
    return seal_v1(read_session_key(KEY), text.encode(), random=world.random)


@pytest.fixture
def old(drive, clock):
    """A world in which another agent has begun a session."""
    world = World(drive, clock, names=OLD)
    browser = Browser(world)
    world.server.refresh_token = "refresh-0"
    browser.cookies = {
        ("th-at", "/"): v1(world, "access-0"),
        ("th-csrf", "/"): v1(world, "csrf-0"),
        ("th-auth", "/oauth-agent/refresh"): v1(world, "refresh-0"),
        ("th-id", "/oauth-agent/claims"): v1(world, "an.id.token"),
    }
    browser.csrf = "csrf-0"
    return world, browser


def test_a_session_of_another_agent_goes_on_here(old):
    world, browser = old
    said = json.loads(browser.ask("POST", "/login/end", {"pageUrl": f"{APP}/"}).body)
    assert {"handled": False, "isLoggedIn": True, "csrf": "csrf-0"} == said
    assert 204 == browser.ask("POST", "/refresh").status

    opened = world.jar.open(browser.request("POST", "/refresh").headers)
    assert 16 == len(opened.session_id) == len(opened.csrf.session_id)
    assert ("access-1", "refresh-1", "csrf-0", "ann") == (
        opened.at.value, opened.auth.token, opened.csrf.value, opened.auth.person.sub
    )  # fmt: skip
    assert "ann" == json.loads(browser.ask("GET", "/claims").body)["sub"]
    assert {"/", "/oauth-agent"} == {path for _, path in browser.cookies}
    assert 204 == browser.ask("POST", "/refresh").status


def test_an_id_token_of_another_agent_was_never_verified_and_is_not_read(old):
    _, browser = old

    assert 401 == browser.ask("GET", "/claims").status


def test_a_session_of_another_agent_can_be_ended(old):
    _, browser = old
    del browser.cookies["th-auth", "/oauth-agent/refresh"]

    assert 200 == browser.ask("POST", "/logout").status
    assert set() == browser.kinds()


def test_format_v1_cant_be_mixed_with_a_session_of_ours(drive, clock):
    world = World(drive, clock, names=OLD)
    browser = Browser(world)
    browser.log_in()
    browser.cookies["th-csrf", "/"], browser.csrf = v1(world, "mine"), "mine"

    assert 401 == browser.ask("POST", "/refresh").status
    assert 401 == browser.ask("POST", "/logout").status


@pytest.mark.parametrize("swap", [("at", "auth"), ("auth", "id"), ("csrf", "at"), ("id", "auth")])
def test_cookies_in_each_others_place_are_good_for_nothing(world, browser, swap):
    browser.log_in()
    into, source = ((world.names.name(kind), world.names.path(kind)) for kind in swap)
    browser.cookies[into] = browser.cookies[source]
    opened = world.jar.open(browser.request("GET", "/claims").headers)

    assert (swap[0],) == opened.unreadable
    assert 401 == browser.ask("POST", "/refresh").status or swap[0] in ("at", "id")


def test_a_cookie_that_came_twice_is_refused(world, browser):
    browser.log_in()
    twice = f"{browser.cookie_field('/refresh')}; {world.names.csrf}=AA"
    answer = browser.ask("POST", "/refresh", cookie=twice)

    assert (400, "invalid_request") == (answer.status, code_of(answer))


def test_a_long_token_takes_several_cookies_and_leaves_none_behind(world, browser):
    world.server.id_token = {"name": "A" * 6000}
    browser.log_in()
    assert 3 == sum("-id" in name for name, _ in browser.cookies)
    assert "A" * 6000 == json.loads(browser.ask("GET", "/claims").body)["name"]
    world.server.id_token = {}
    browser.ask("POST", "/refresh")

    assert 1 == sum("-id" in name for name, _ in browser.cookies)
    browser.ask("POST", "/logout")
    assert {} == browser.cookies


@pytest.mark.parametrize("length", [8000, 12000, 30000])
def test_tokens_that_no_browser_could_carry_give_no_session(world, browser, length):
    state = browser.start()["state"]
    said = {"access_token": "a" * length, "token_type": "Bearer"}
    said["id_token"] = world.server.make_id_token(said["access_token"])
    world.server.answers["/token"] = as_json(said)
    answer = browser.end(state)

    assert 200 == answer.status if length == 8000 else 502 == answer.status
    assert bool(browser.kinds()) == (length == 8000)
    if length == 8000:
        assert 200 == browser.ask("GET", "/claims").status


def test_cookies_sealed_for_another_issuer_dont_open(world, browser):
    browser.log_in()
    object.__setattr__(world.jar, "issuer", "https://staging.example")

    assert 401 == browser.ask("GET", "/claims").status
    assert set() == browser.kinds()


def test_a_page_cant_read_them_and_no_other_site_sends_them(browser):
    # `Browser.keep` asserts Secure, HttpOnly and SameSite=Strict for each
    names = {cookie.partition("=")[0] for cookie in browser.log_in().cookies if "Max-Age=0" not in cookie}

    assert {"__Host-th-at", "__Host-th-csrf", "__Secure-th-auth", "__Secure-th-id"} == names
