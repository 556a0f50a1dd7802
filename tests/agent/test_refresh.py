"""Refreshing without races: what twenty tabs do at once, what comes late, and what trouble at the server does."""

from __future__ import annotations

import asyncio
import json

import pytest

from agent.world import KEY, Browser, World, as_json, code_of
from phantomgate.agent.refresh import Renewed
from phantomgate.backends.single_flight import SingleFlight
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.testing import FakeClock, reply


def test_a_refresh_gives_new_cookies_of_the_same_session(world, browser):
    browser.log_in()
    before = dict(browser.cookies)
    answer = browser.ask("POST", "/refresh")

    assert (204, b"") == (answer.status, answer.body)
    assert {"at", "csrf", "auth", "id"} == browser.kinds()
    assert all(before[name] != value for name, value in browser.cookies.items())
    assert [("refresh_token", "refresh-1")] == [
        (form["grant_type"], form["refresh_token"]) for form in world.server.asked("/token")[1:]
    ]
    assert 204 == browser.ask("POST", "/refresh").status  # the page's CSRF token is still good


def test_what_a_server_leaves_out_stays_as_it_was(world, browser):
    browser.log_in()
    world.server.answers["/token"] = as_json({"access_token": "new", "token_type": "Bearer"})
    browser.ask("POST", "/refresh")
    world.clock.advance(60)
    del world.server.answers["/token"]

    assert "ann" == json.loads(browser.ask("GET", "/claims").body)["sub"]
    assert 204 == browser.ask("POST", "/refresh").status
    assert ["refresh-1", "refresh-1"] == [form["refresh_token"] for form in world.server.asked("/token")[1:]]


def test_twenty_tabs_are_one_call_and_nobody_is_logged_out(clock):
    async def tabs():
        flights = SingleFlight()
        world = World(lambda coroutine: coroutine, clock, once=flights)
        release = asyncio.Event()
        real = world.server.send

        async def slowly(call):
            if call.url.endswith("/token") and b"refresh_token" in call.body:
                await release.wait()
            return await real(call)

        browser = Browser(world)
        start = await world.agent.handle(browser.request("POST", "/login/start", b"{}"))
        browser.keep(start)
        from agent.world import query_of

        asked = query_of(json.loads(start.body)["authorizationRequestUrl"])
        world.server.nonce = asked["nonce"]
        url = f"https://app.example/?code=c&state={asked['state']}&iss=https://as.example"
        end = await world.agent.handle(browser.request("POST", "/login/end", json.dumps({"pageUrl": url}).encode()))
        browser.keep(end)
        browser.csrf = json.loads(end.body)["csrf"]
        world.server.send = slowly
        asking = [asyncio.create_task(world.agent.handle(browser.request("POST", "/refresh"))) for _ in range(20)]
        for _ in range(5):
            await asyncio.sleep(0)
        asking[0].cancel()  # the first one's end is nobody else's
        release.set()
        replies = await asyncio.gather(*asking[1:])
        await flights.close()
        return world, browser, replies

    world, _, replies = asyncio.run(tabs())

    assert [204] * 19 == [answer.status for answer in replies]
    assert ["refresh-1"] == [form["refresh_token"] for form in world.server.asked("/token")[1:]]
    opened = set()
    for answer in replies:
        tab = Browser(world)
        tab.keep(answer)
        brought = world.jar.open(tab.request("POST", "/refresh").headers)
        opened.add((brought.at.value, brought.auth.token))
    assert {("access-2", "refresh-2")} == opened


def late(world, browser):
    """A tab with the cookies of before, and the browser after a refresh."""
    browser.log_in()
    tab = Browser(world)
    tab.cookies, tab.csrf = dict(browser.cookies), browser.csrf
    assert 204 == browser.ask("POST", "/refresh").status
    return tab


def tokens_of(world, browser):
    brought = world.jar.open(browser.request("POST", "/refresh").headers)
    return brought.at.value, brought.auth.token


def test_a_tab_that_comes_late_gets_the_same_tokens_from_memory(world, browser):
    tab = late(world, browser)
    world.clock.advance(29)

    assert 204 == tab.ask("POST", "/refresh").status
    assert tokens_of(world, browser) == tokens_of(world, tab)
    assert 2 == len(world.server.asked("/token"))


def test_a_tab_that_comes_late_gets_the_newest_of_several_answers(world, browser):
    tab = late(world, browser)
    browser.ask("POST", "/refresh")

    assert 204 == tab.ask("POST", "/refresh").status
    assert ("access-3", "refresh-3") == tokens_of(world, tab) == tokens_of(world, browser)


def test_a_tab_that_comes_too_late_is_told_what_the_server_says(world, browser):
    tab = late(world, browser)
    world.clock.advance(31)
    answer = tab.ask("POST", "/refresh")

    assert (401, "session_expired") == (answer.status, code_of(answer))
    assert set() == tab.kinds()


def test_an_answer_is_remembered_for_half_of_what_the_access_token_lasts(world, browser):
    browser.log_in()
    world.server.answers["/token"] = as_json({"access_token": "a", "token_type": "Bearer", "expires_in": 10})
    browser.ask("POST", "/refresh")
    browser.ask("POST", "/refresh")
    world.clock.advance(6)
    browser.ask("POST", "/refresh")

    assert 3 == len(world.server.asked("/token"))


def test_a_remembered_answer_is_sealed_and_lies_under_a_hash(world, browser):
    late(world, browser)
    key, (_, record) = next(iter(world.answers._records.items()))

    assert b"access-2" not in record
    assert b"refresh" not in record
    assert b"refresh" not in key


@pytest.mark.parametrize(
    ("trouble", "retry_after"),
    [
        (Unavailable("frozen", retry_after=7), "7"),
        (reply(500), "5"),
        (reply(503, retry_after="17"), "17"),
        (reply(429), "5"),
        (reply(200, "<html>", content_type="text/html"), None),
        (reply(200, "{", content_type="application/json"), None),
        (as_json({"access_token": "a", "token_type": "mac"}), None),
        (as_json({"token_type": "Bearer"}), None),
        (as_json({"error": "invalid_client"}, 401), None),
        (Refused(Reason.BAD_ANSWER, "not HTTP"), None),
    ],
    ids=str,
)
def test_trouble_at_the_server_keeps_the_session(world, browser, trouble, retry_after):
    browser.log_in()
    cookies = dict(browser.cookies)
    world.server.answers["/token"] = trouble
    answer = browser.ask("POST", "/refresh")

    assert (502, "authorization_server_error") == (answer.status, code_of(answer))
    assert retry_after == dict(answer.headers).get("Retry-After")
    assert cookies == browser.cookies
    del world.server.answers["/token"]
    assert 204 == browser.ask("POST", "/refresh").status


@pytest.mark.parametrize(
    ("changes", "header"),
    [
        ({"sub": "eve"}, {}),
        ({"sid": "another"}, {}),
        ({"nonce": "another"}, {}),
        ({"aud": "other"}, {}),
        ({"at_hash": "x"}, {}),
        ({}, {"alg": "none"}),
    ],
    ids=str,
)
def test_an_id_token_about_somebody_else_is_trouble_at_the_server(world, browser, changes, header):
    browser.log_in()
    world.server.id_token, world.server.id_header = changes, header
    answer = browser.ask("POST", "/refresh")

    assert (502, "authorization_server_error") == (answer.status, code_of(answer))


def test_another_refusal_of_the_server_is_no_401(world, browser):
    browser.log_in()
    world.server.answers["/token"] = as_json({"error": "invalid_scope"}, 400)
    answer = browser.ask("POST", "/refresh")

    assert (400, "authorization_error") == (answer.status, code_of(answer))
    assert {"at", "csrf", "auth", "id"} == browser.kinds()


@pytest.mark.parametrize("csrf", [None, "", "another"])
def test_without_the_csrf_token_nothing_is_refreshed(world, browser, csrf):
    browser.log_in()
    answer = browser.ask("POST", "/refresh", x_th_csrf=csrf)

    assert (401, "unauthorized_request") == (answer.status, code_of(answer))
    assert 1 == len(world.server.asked("/token"))


def test_the_csrf_pair_of_another_session_is_no_help(world, browser):
    browser.log_in()
    other = Browser(world)
    other.log_in()
    name = (world.names.csrf, "/")
    browser.cookies[name], browser.csrf = other.cookies[name], other.csrf

    assert 401 == browser.ask("POST", "/refresh").status


@pytest.mark.parametrize("kind", ["auth", "csrf"])
def test_without_one_of_its_cookies_nothing_is_refreshed(world, browser, kind):
    browser.log_in()
    browser.cookies = {key: value for key, value in browser.cookies.items() if key[0] != world.names.name(kind)}

    assert 401 == browser.ask("POST", "/refresh").status
    assert 1 == len(world.server.asked("/token"))


def test_an_access_cookie_that_is_gone_comes_back_by_a_refresh(world, browser):
    browser.log_in()
    del browser.cookies[world.names.at, "/"]

    assert 204 == browser.ask("POST", "/refresh").status
    assert "at" in browser.kinds()


def test_a_session_is_over_after_the_longest_that_one_lasts(drive):
    clock = FakeClock()
    world = World(drive, clock, longest=100)
    browser = Browser(world)
    browser.log_in()
    clock.advance(60)
    assert 204 == browser.ask("POST", "/refresh").status
    clock.advance(40)
    answer = browser.ask("POST", "/refresh")

    assert (401, "session_expired") == (answer.status, code_of(answer))
    assert set() == browser.kinds()


def test_a_logout_that_overtakes_a_refresh_wins(world, browser):
    browser.log_in()
    tab = Browser(world)
    tab.cookies, tab.csrf = dict(browser.cookies), browser.csrf
    real = world.server.token

    def meanwhile(call):
        said = real(call)
        browser_logs_out()
        return said

    def browser_logs_out():
        world.endings.store._records[logged_out] = (float("inf"), b"")

    from hashlib import sha256

    session_id = world.jar.open(tab.request("POST", "/refresh").headers).session_id
    logged_out = sha256(b"session\0" + session_id).digest()
    world.server.answers["/token"] = meanwhile
    answer = tab.ask("POST", "/refresh")

    assert (401, "session_expired") == (answer.status, code_of(answer))
    assert set() == tab.kinds()
    assert ["refresh-2"] == [form["token"] for form in world.server.asked("/revoke")]


def test_keys_rotate_without_logging_anybody_out(drive, clock):
    import hashlib

    from agent.world import KEY

    new = hashlib.sha256(b"a newer key").hexdigest()
    world = World(drive, clock)
    browser = Browser(world)
    browser.log_in()
    world.agent = world.make(keys=(new, KEY))
    assert 204 == browser.ask("POST", "/refresh").status
    world.agent = world.make(keys=(new,))

    assert 204 == browser.ask("POST", "/refresh").status


def test_a_store_without_room_costs_nobody_a_session(drive, clock):
    world = World(drive, clock)
    browser = Browser(world)
    browser.log_in()

    async def full(*_):
        raise Unavailable("no room")

    world.answers.put = full

    assert 204 == browser.ask("POST", "/refresh").status


def test_nothing_of_a_session_prints_its_secrets(world, browser):
    browser.log_in()
    request = browser.request("POST", "/refresh")
    brought = world.jar.open(request.headers)
    renewed = Renewed("access-2", "refresh-2", "id", brought.auth.person)
    text = repr((request, brought, renewed, world.agent, world.log))

    for secret in ("access-", "refresh-1", "refresh-2", browser.csrf, repr(brought.session_id), "spa-secret", KEY):
        assert secret not in text


def test_the_refresh_token_is_kept_where_the_answer_could_not_be_verified(world, browser):
    """A new process has no keys of the server yet: without them the answer would be thrown away, and the session."""
    browser.log_in()

    async def no_keys():
        raise Unavailable("the keys can't be had")

    object.__setattr__(world.to_server, "ready", no_keys)
    assert 502 == browser.ask("POST", "/refresh").status
    assert 1 == len(world.server.asked("/token"))
    object.__setattr__(world.to_server, "ready", world.endpoints)

    assert 204 == browser.ask("POST", "/refresh").status
