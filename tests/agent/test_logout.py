"""Logging out: here, at the server, and when the server says so."""

from __future__ import annotations

import json

import pytest

from agent.world import APP, ISSUER, METADATA, Browser, World, code_of, query_of
from phantomgate.backends.remembered import Remembered
from phantomgate.core.errors import Unavailable
from phantomgate.core.purge import ASKED_AGAIN, Purge
from phantomgate.testing import reply


def test_a_logout_takes_the_cookies_and_the_tokens_and_says_where_to_go(world, browser):
    browser.log_in()
    answer = browser.ask("POST", "/logout")

    url = json.loads(answer.body)["url"]
    assert url.startswith(f"{ISSUER}/logout?")
    assert {"client_id": "spa", "post_logout_redirect_uri": f"{APP}/bye"} == query_of(url)
    assert set() == browser.kinds()
    assert [("refresh_token", "refresh-1"), ("access_token", "access-1")] == [
        (form["token_type_hint"], form["token"]) for form in world.server.asked("/revoke")
    ]


def test_each_cookie_is_taken_away_on_the_path_it_was_set_on(browser):
    browser.log_in()
    answer = browser.ask("POST", "/logout")

    paths = {cookie.partition("=")[0]: cookie.split("Path=")[1].split(";")[0] for cookie in answer.cookies}
    assert {
        "__Host-th-at": "/",
        "__Host-th-csrf": "/",
        "__Secure-th-auth": "/oauth-agent",
        "__Secure-th-id": "/oauth-agent",
    } == paths


def test_copies_of_the_cookies_are_good_for_nothing_after_a_logout(world, browser):
    browser.log_in()
    thief = Browser(world)
    thief.cookies, thief.csrf = dict(browser.cookies), browser.csrf
    browser.ask("POST", "/logout")
    tokens = len(world.server.asked("/token"))

    for method, path in (("POST", "/refresh"), ("GET", "/claims"), ("GET", "/userInfo")):
        copy = Browser(world)
        copy.cookies, copy.csrf = dict(thief.cookies), thief.csrf
        answer = copy.ask(method, path)
        assert (401, "session_expired") == (answer.status, code_of(answer))
        assert set() == copy.kinds()
    assert tokens == len(world.server.asked("/token"))
    said = json.loads(thief.ask("POST", "/login/end", {"pageUrl": f"{APP}/"}).body)
    assert {"handled": False, "isLoggedIn": False} == said
    assert set() == thief.kinds()


@pytest.mark.parametrize("csrf", [None, "another"])
def test_without_the_csrf_token_nobody_is_logged_out(world, browser, csrf):
    browser.log_in()
    answer = browser.ask("POST", "/logout", x_th_csrf=csrf)

    assert (401, "unauthorized_request") == (answer.status, code_of(answer))
    assert {"at", "csrf", "auth", "id"} == browser.kinds()
    assert [] == world.server.asked("/revoke")


@pytest.mark.parametrize("trouble", [Unavailable("frozen"), reply(500), reply(400), reply(401)], ids=str)
def test_a_revocation_that_fails_is_told_and_tried_again(world, browser, trouble):
    browser.log_in()
    world.server.answers["/revoke"] = trouble
    answer = browser.ask("POST", "/logout")

    assert 200 == answer.status
    assert set() == browser.kinds()
    assert "tokens not revoked" in world.log[-1].note
    del world.server.answers["/revoke"]
    tried = len(world.server.asked("/revoke"))
    world.drive(world.later[0]())
    again = world.server.asked("/revoke")[tried:]
    assert ["refresh_token", "access_token"] == [form["token_type_hint"] for form in again]


def test_a_server_without_a_logout_leaves_the_browser_with_us(drive, clock):
    world = World(drive, clock, metadata=METADATA._replace(end_session_endpoint="", revocation_endpoint=""))
    browser = Browser(world)
    browser.log_in()

    assert {"url": f"{APP}/bye"} == json.loads(browser.ask("POST", "/logout").body)
    assert [] == world.server.asked("/revoke")


def test_metadata_that_cant_be_had_ends_the_session_all_the_same(world, browser):
    browser.log_in()

    async def gone():
        raise Unavailable("frozen")

    object.__setattr__(world.to_server, "endpoints", gone)
    answer = browser.ask("POST", "/logout")

    assert {"url": f"{APP}/bye"} == json.loads(answer.body)
    assert set() == browser.kinds()


def test_the_id_token_is_in_the_logout_address_only_if_the_settings_say_so(drive, clock):
    world = World(drive, clock, hint=True)
    browser = Browser(world)
    browser.log_in()

    assert query_of(json.loads(browser.ask("POST", "/logout").body)["url"])["id_token_hint"].count(".") == 2


def tell(world, token, content_type="application/x-www-form-urlencoded"):
    """The server's call."""
    body = f"logout_token={token}".encode()
    request = Browser(world).request(
        "POST", "/backchannel-logout", body, origin=None, sec_fetch_site=None, content_type=content_type
    )
    return world.handle(request)


def test_a_session_that_the_server_has_ended_is_over_here(world, browser):
    browser.log_in()
    assert 200 == tell(world, world.server.logout_token()).status
    answer = browser.ask("POST", "/refresh")

    assert (401, "session_expired") == (answer.status, code_of(answer))
    assert set() == browser.kinds()


def test_another_session_of_the_same_user_is_not(world, browser):
    world.server.id_token = {"sid": "as-session-2"}
    browser.log_in()
    tell(world, world.server.logout_token())

    assert 204 == browser.ask("POST", "/refresh").status


def test_sessions_whose_name_at_the_server_we_dont_know_end_with_their_user(world, browser):
    world.server.id_token = {"sid": None}
    browser.log_in()
    tell(world, world.server.logout_token())

    assert 401 == browser.ask("POST", "/refresh").status


def test_a_logout_of_a_user_ends_all_sessions_that_there_are_and_no_later_one(world, browser):
    browser.log_in()
    tell(world, world.server.logout_token(sid=None))
    world.clock.advance(1)
    again = Browser(world)
    again.log_in()

    assert 401 == browser.ask("GET", "/claims").status
    assert 200 == again.ask("GET", "/claims").status


def test_a_logout_that_cant_be_remembered_is_refused(drive, clock):
    world = World(drive, clock)

    async def full(*_):
        raise Unavailable("no room")

    world.endings.store.put = full

    assert 400 == tell(world, world.server.logout_token()).status


@pytest.mark.parametrize("body", [b"", b"logout_token=a&logout_token=b", b"token=x", b"\xff", b"logout_token=%"])
def test_a_body_that_isnt_the_form_is_refused(world, body):
    request = Browser(world).request(
        "POST", "/backchannel-logout", body, origin=None, content_type="application/x-www-form-urlencoded"
    )

    assert 400 == world.handle(request).status


def test_a_logout_token_as_json_is_refused(world, browser):
    assert 400 == tell(world, world.server.logout_token(), "application/json").status


def test_gateways_are_told_of_the_token_of_a_logout_and_ask_about_the_others_after_they_were_revoked(world, browser):
    browser.log_in()
    world.server.answers["/revoke"] = lambda call: world.told.append("revoked") or reply(200)
    browser.ask("POST", "/logout")

    over = Purge("token", "access-1", "", world.clock.now())
    assert [over, "revoked", "revoked", Purge("sub", "ann", ISSUER, ASKED_AGAIN)] == world.told


def test_gateways_are_told_of_the_session_that_a_new_login_replaces(world, browser):
    browser.log_in()
    browser.ask("POST", "/login/start")

    assert [Purge("token", "access-1", "", world.clock.now())] == world.told


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ({}, [("sid", "as-session"), ("nameless", "ann")]),
        ({"sub": None}, [("sid", "as-session")]),
        ({"sid": None}, [("sub", "ann")]),
    ],
)
def test_gateways_are_told_what_the_server_has_ended(world, said, kinds):
    assert 200 == tell(world, world.server.logout_token(**said)).status
    assert [Purge(kind, value, ISSUER, float(int(world.clock.now()))) for kind, value in kinds] == world.told


def test_a_logout_token_that_cant_be_believed_is_told_to_nobody(world):
    assert 400 == tell(world, world.server.logout_token(aud="another")).status
    assert [] == world.told


def test_a_logout_that_not_every_gateway_has_heard_of_is_told_and_told_again(drive, clock):
    world = World(drive, clock, gateways=False)
    browser = Browser(world)
    browser.log_in()

    assert 400 == tell(world, world.server.logout_token()).status
    assert "not every gateway" in world.log[-1].detail
    assert 401 == browser.ask("POST", "/refresh").status  # it holds here all the same
    before = len(world.told)
    tell(world, world.server.logout_token())
    assert 2 == len(world.told) - before

    browser.log_in()
    assert 200 == browser.ask("POST", "/logout").status
    assert set() == browser.kinds()
    assert "not every gateway" in world.log[-1].note


def test_what_a_refresh_token_that_is_over_has_given_is_asked_about_again(world, browser):
    browser.log_in()
    world.server.refresh_token = "another"  # ours was used by somebody else
    assert 401 == browser.ask("POST", "/refresh").status

    assert [Purge("sub", "ann", ISSUER, ASKED_AGAIN)] == world.told


@pytest.mark.parametrize("fails", ["put", "first"])
@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
def test_a_logout_that_the_server_tells_again_after_trouble_ends_the_session(drive, clock, fails, done):
    """The store's answer was lost: the server tries again with the same token, and that must not be for nothing."""
    store = Remembered(most=1000, forgets=False, ticks=clock.ticks)
    world = World(drive, clock, store=store)
    browser = Browser(world)
    browser.log_in()
    token, real = world.server.logout_token(), getattr(store, fails)

    async def lost(*said):
        if done:
            await real(*said)
        raise Unavailable("nobody answered in time")

    setattr(store, fails, lost)
    assert 400 == tell(world, token).status
    setattr(store, fails, real)
    tell(world, token)

    assert 401 == browser.ask("POST", "/refresh").status


def test_a_logout_token_that_is_shown_again_ends_no_later_session(world, browser):
    token = world.server.logout_token(sid=None)
    assert 200 == tell(world, token).status
    world.clock.advance(10)
    browser.log_in()

    assert 400 == tell(world, token).status
    assert 200 == browser.ask("GET", "/claims").status


def test_gateways_hear_of_a_logout_that_the_agent_cant_remember(world, browser):
    browser.log_in()

    async def full(*_):
        raise Unavailable("no room")

    world.endings.store.put = full
    browser.ask("POST", "/logout")

    assert Purge("token", "access-1", "", world.clock.now()) in world.told
    assert "copies of the cookies are not refused" in world.log[-1].note


def test_a_logout_that_could_not_be_remembered_is_tried_again_behind(world, browser):
    browser.log_in()
    copy = Browser(world)
    copy.cookies, copy.csrf = dict(browser.cookies), browser.csrf
    real = world.endings.store.put

    async def full(*_):
        raise Unavailable("no room")

    world.endings.store.put = full
    browser.ask("POST", "/logout")
    world.endings.store.put = real
    world.drive(world.later[0]())

    assert 401 == copy.ask("GET", "/claims").status


def test_a_refresh_token_that_cant_be_revoked_keeps_nobody_from_the_rest(world, browser):
    browser.log_in()
    world.server.answers["/revoke"] = lambda call: reply(400 if b"refresh-1" in call.body else 200)
    browser.ask("POST", "/logout")

    assert ["refresh_token", "access_token"] == [form["token_type_hint"] for form in world.server.asked("/revoke")]
    assert Purge("sub", "ann", ISSUER, ASKED_AGAIN) in world.told
    assert "tokens not revoked" in world.log[-1].note
    assert 1 == len(world.later)


def test_a_session_that_began_by_a_clock_that_is_ahead_ends_too(world, browser):
    world.clock.advance(0.3)
    browser.log_in()
    world.clock.advance(-0.3)  # another process hears of it
    tell(world, world.server.logout_token(sid=None))
    world.clock.advance(1)

    assert 401 == browser.ask("POST", "/refresh").status


def test_a_copy_without_the_refresh_cookie_gets_no_csrf_token_after_a_logout(world, browser):
    browser.log_in()
    thief = Browser(world)
    thief.cookies = {one: value for one, value in browser.cookies.items() if one[0].endswith(("-at", "-csrf"))}
    browser.ask("POST", "/logout")
    said = json.loads(thief.ask("POST", "/login/end", {"pageUrl": f"{APP}/"}).body)

    assert {"handled": False, "isLoggedIn": False} == said
    assert set() == thief.kinds()
