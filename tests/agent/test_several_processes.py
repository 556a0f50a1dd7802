"""The agent in several processes that share their state: to browsers and the server it is one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.shared import SharedMemory, one_process
from agent.world import Browser, World, as_json, code_of, query_of
from phantomgate.agent.refresh import _key
from phantomgate.backends.single_flight import SingleFlight
from phantomgate.core.errors import Unavailable
from phantomgate.testing import each_by_itself


@dataclass
class Fleet:
    """Processes of one agent. State: what they share."""

    drive: Any
    clock: Any
    once: Any = each_by_itself
    paused: Any = None
    worlds: list[World] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = SharedMemory(self.clock.ticks)

    def start(self) -> World:
        """One more process."""
        number = 10_000 * len(self.worlds)
        server = self.worlds[0].server if self.worlds else None
        world = World(self.drive, self.clock, numbers=number, server=server)
        once = one_process(self.once, self.store, self.clock, random=world.random, paused=self.paused)
        world.agent = world.make(once=once, store=self.store)
        self.worlds.append(world)
        return world


@pytest.fixture
def fleet(drive, clock):
    return Fleet(drive, clock)


@pytest.fixture
def two(fleet):
    return fleet.start(), fleet.start()


def moved(browser: Browser, world: World) -> Browser:
    """The same browser, whose next request another process takes."""
    tab = Browser(world)
    tab.cookies, tab.csrf = dict(browser.cookies), browser.csrf
    return tab


def logged_in(world: World) -> Browser:
    browser = Browser(world)
    browser.log_in()
    return browser


def tokens_of(browser: Browser) -> tuple[str, str]:
    brought = browser.world.jar.open(browser.request("POST", "/refresh").headers)
    return brought.at.value, brought.auth.token


def test_a_late_tab_gets_from_one_process_what_another_was_given(two):
    browser = logged_in(two[0])
    late = moved(browser, two[1])
    assert 204 == browser.ask("POST", "/refresh").status

    assert 204 == late.ask("POST", "/refresh").status
    assert tokens_of(browser) == tokens_of(late) == ("access-2", "refresh-2")
    assert 2 == len(two[0].server.asked("/token"))


def test_twenty_tabs_over_two_processes_are_one_call(clock):
    async def tabs():
        fleet = Fleet(lambda coroutine: coroutine, clock, SingleFlight(), lambda: asyncio.sleep(0))
        first, second = fleet.start(), fleet.start()
        release = asyncio.Event()
        real = first.server.send

        async def slowly(call):
            if call.url.endswith("/token") and b"refresh_token" in call.body:
                await release.wait()
            return await real(call)

        browser = Browser(first)
        start = await first.agent.handle(browser.request("POST", "/login/start", b"{}"))
        browser.keep(start)
        asked = query_of(json.loads(start.body)["authorizationRequestUrl"])
        first.server.nonce = asked["nonce"]
        url = f"https://app.example/?code=c&state={asked['state']}&iss=https://as.example"
        end = await second.agent.handle(browser.request("POST", "/login/end", json.dumps({"pageUrl": url}).encode()))
        browser.keep(end)
        browser.csrf = json.loads(end.body)["csrf"]
        first.to_server.http.send = slowly  # both processes', which ask the same server
        asking = [
            asyncio.create_task(world.agent.handle(browser.request("POST", "/refresh")))
            for world in (first, second)
            for _ in range(10)
        ]
        for _ in range(20):
            await asyncio.sleep(0)
        release.set()
        replies = await asyncio.gather(*asking)
        return first, browser, replies

    world, browser, replies = asyncio.run(tabs())

    assert [204] * 20 == [answer.status for answer in replies]
    assert ["refresh-1"] == [form["refresh_token"] for form in world.server.asked("/token")[1:]]
    for answer in replies:
        browser.keep(answer)
        assert ("access-2", "refresh-2") == tokens_of(browser)


def test_a_session_that_ends_in_one_process_is_over_in_the_other(two):
    browser = logged_in(two[0])
    copies = [moved(browser, two[1]) for _ in range(3)]
    assert 200 == browser.ask("POST", "/logout").status

    for copy, (method, path) in zip(
        copies, (("POST", "/refresh"), ("GET", "/claims"), ("GET", "/userInfo")), strict=True
    ):
        answer = copy.ask(method, path)
        assert (401, "session_expired") == (answer.status, code_of(answer))


def test_the_server_ends_a_session_in_all_processes_by_telling_one(two):
    browser = logged_in(two[0])
    form = {"content_type": "application/x-www-form-urlencoded", "origin": None, "cookie": None}
    body = f"logout_token={two[1].server.logout_token()}".encode()

    assert 200 == Browser(two[1]).ask("POST", "/backchannel-logout", body, **form).status
    assert 401 == browser.ask("POST", "/refresh").status
    assert 400 == Browser(two[0]).ask("POST", "/backchannel-logout", body, **form).status  # used, whoever took it


def test_a_login_is_answered_once_whichever_process_is_asked(two):
    browser = Browser(two[0])
    state = browser.start()["state"]
    copy = moved(browser, two[1])
    assert 200 == browser.end(state).status

    answer = copy.end(state)
    assert (400, "invalid_request") == (answer.status, code_of(answer))
    assert 1 == len(two[0].server.asked("/token"))


def test_while_nobody_can_know_nothing_is_done_and_no_session_ends(fleet, two):
    browser = logged_in(two[0])
    kinds = browser.kinds()
    fleet.store.down = True
    asked = len(two[0].server.calls)

    for method, path in (("POST", "/refresh"), ("GET", "/claims"), ("GET", "/userInfo")):
        answer = browser.ask(method, path)
        assert (502, "authorization_server_error") == (answer.status, code_of(answer))
    assert (asked, kinds) == (len(two[0].server.calls), browser.kinds())
    assert 502 == browser.end(browser.start()["state"]).status  # a login that might have been used
    assert asked == len(two[0].server.calls)
    fleet.store.down = False
    assert 204 == moved(logged_in(two[0]), two[1]).ask("POST", "/refresh").status


def test_who_waits_for_a_process_that_is_gone_is_told_to_come_again_and_gets_its_turn(fleet, two):
    browser = logged_in(two[0])
    fleet.drive(fleet.store.claim(_key("refresh-1"), b"somebody who is gone", 35.0))

    answer = browser.ask("POST", "/refresh")
    assert (502, ("Retry-After", "1")) == (answer.status, answer.headers[0])
    assert 1 == len(two[0].server.asked("/token"))
    fleet.clock.advance(26)
    assert 204 == browser.ask("POST", "/refresh").status


@pytest.mark.parametrize("trouble", [Unavailable("gone"), as_json({"error": "invalid_client"}, 401)])
def test_after_trouble_the_next_process_may_ask_at_once(fleet, two, trouble):
    browser = logged_in(two[0])
    two[0].server.answers["/token"] = trouble
    assert 502 == browser.ask("POST", "/refresh").status
    del two[0].server.answers["/token"]
    began = fleet.clock.ticks()

    assert 204 == moved(browser, two[1]).ask("POST", "/refresh").status
    assert (began, {}) == (fleet.clock.ticks(), fleet.store.claims)


def test_a_claim_is_given_back_by_its_owner_alone(fleet):
    store, clock, drive = fleet.store, fleet.clock, fleet.drive
    drive(store.claim(b"k", b"slow", 35.0))
    clock.advance(36)
    assert drive(store.claim(b"k", b"next", 35.0))
    drive(store.release(b"k", b"slow"))

    assert not drive(store.claim(b"k", b"third", 35.0))


def test_an_answer_that_was_put_under_another_name_is_nobodys(fleet, two):
    """Whoever may write into the store can't give himself the tokens of somebody else."""
    ann = logged_in(two[0])
    assert 204 == ann.ask("POST", "/refresh").status
    thief = logged_in(two[1])  # with refresh-3
    stolen = fleet.drive(fleet.store.get(_key("refresh-1")))
    fleet.drive(fleet.store.put(_key("refresh-3"), stolen, 30.0))

    assert 204 == thief.ask("POST", "/refresh").status
    assert ("access-4", "refresh-4") == tokens_of(thief)


@pytest.mark.parametrize("written", [True, False])
def test_a_claim_whose_outcome_is_unknown_is_given_back(fleet, two, written):
    """The store was slow to answer and may have written it: others must not wait until it lapses."""
    browser = logged_in(two[0])
    real = fleet.store.claim

    async def slow(key, mark, seconds):
        if written:
            await real(key, mark, seconds)
        raise Unavailable("nobody answered in time")

    fleet.store.claim = slow
    assert 502 == browser.ask("POST", "/refresh").status
    fleet.store.claim = real
    began = fleet.clock.ticks()

    assert 204 == moved(browser, two[1]).ask("POST", "/refresh").status
    assert (began, {}) == (fleet.clock.ticks(), fleet.store.claims)


def test_an_answer_that_the_store_did_not_take_is_asked_for_by_nobody_else(fleet, two):
    """Else whoever waits would show the same refresh token again, and a server that rotates ends the session."""
    browser = logged_in(two[0])
    late = moved(browser, two[1])
    real = fleet.store.put

    async def full(*_):
        raise Unavailable("no room")

    fleet.store.put = full
    assert 204 == browser.ask("POST", "/refresh").status
    fleet.store.put = real

    assert 502 == late.ask("POST", "/refresh").status
    assert ["refresh-1"] == [form["refresh_token"] for form in two[0].server.asked("/token")[1:]]
    assert 204 == moved(browser, two[1]).ask("POST", "/refresh").status  # with the new cookies


@pytest.mark.parametrize("expires_in", [0, 1, 300])
def test_a_late_tab_gets_the_answer_again_however_short_its_tokens_are(fleet, two, expires_in):
    browser = logged_in(two[0])
    late = moved(browser, two[1])
    real = two[0].server.token

    def short(call):
        answer = json.loads(real(call).body)
        return as_json(answer | {"expires_in": expires_in})

    two[0].server.answers["/token"] = short
    assert 204 == browser.ask("POST", "/refresh").status
    fleet.clock.advance(1.5)

    assert 204 == late.ask("POST", "/refresh").status
    assert tokens_of(browser) == tokens_of(late)
    assert 2 == len(two[0].server.asked("/token"))
