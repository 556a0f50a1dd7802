"""The single-page app when something is wrong, and how it looks: what only a server with knobs can bring about."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from interop.processes import until
from interop.spa_world import spa_world

pytestmark = pytest.mark.interop

WIDTHS = {"phone": {"width": 390, "height": 844, "scheme": "dark"}, "desk": {"width": 1280, "height": 900}}
DEAF = "delete window.BroadcastChannel;"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with spa_world("development", tmp_path_factory.mktemp("spa")) as world:
        yield world


@pytest.fixture(params=WIDTHS)
def ann(request, visit):
    """Somebody on a phone in the dark, or at a desk."""
    return visit(**WIDTHS[request.param])


@contextmanager
def down(world):
    """The authorization server answers nobody."""
    world.server.development.down = True
    try:
        yield
    finally:
        world.server.development.down = False


def test_who_does_not_agree_is_told_so_and_may_try_again(ann):
    ann.press("Log in")
    ann.page.wait_for_url(f"{ann.world.server.issuer}/**")
    ann.press("Refuse")
    ann.told("That did not work", "You did not agree")
    expect(ann.page).to_have_url(ann.world.origin + "/")
    ann.looks_right()
    ann.log_in()


def test_an_answer_to_a_login_that_did_not_begin_here_is_refused(ann):
    ann.page.goto(f"{ann.world.origin}/?code=stolen&state=unknown&iss=x")
    ann.told("That did not work", "did not begin in this browser")
    expect(ann.page).to_have_url(ann.world.origin + "/")
    ann.outside()


def test_an_answer_that_was_used_is_refused_and_the_session_stays(ann):
    addresses = []
    ann.page.on("framenavigated", lambda frame: addresses.append(frame.url))
    ann.log_in()
    (answer,) = [url for url in addresses if "code=" in url]
    other = ann.tab()
    other.goto(answer)
    ann.told("That did not work", page=other)
    ann.inside(other)
    ann.loads_again()


def test_an_outage_keeps_the_session_and_is_over_when_it_is_over(ann):
    ann.log_in()
    with down(ann.world):
        ann.press("Load again")
        ann.told("Not available now (503)", "Nothing is lost")
        ann.looks_right()
        ann.press("Refresh the session")
        ann.told("Not available now (502)", "your session is as it was")
    ann.press("Try again")
    expect(ann.page.locator("#alert")).to_be_hidden()
    ann.inside()
    ann.loads_again()


def test_a_refusal_is_told_where_one_is(ann):
    ann.log_in()
    ann.page.locator("#forbidden").scroll_into_view_if_needed()
    ann.press("Go where you may not")
    ann.told("You may not do that", "You are still logged in")
    ann.looks_right()


def test_a_login_that_can_not_begin_is_told_and_begins_later(ann):
    with down(ann.world):
        ann.press("Log in")
        ann.told("Not available now (502)")
    ann.press("Try again")
    ann.page.wait_for_url(f"{ann.world.server.issuer}/**")


def test_a_server_that_is_gone_is_told_in_words(ann):
    ann.log_in()
    ann.page.route("**/api/**", lambda route: route.abort())
    ann.press("Load again")
    ann.told("No answer", "Nothing is lost")
    ann.page.unroute("**/api/**")
    ann.press("Try again")
    expect(ann.page.locator("#alert")).to_be_hidden()


def test_a_page_that_can_not_learn_who_is_in_asks_again(ann):
    ann.page.route("**/login/end", lambda route: route.abort())
    ann.page.reload()
    ann.told("No answer")
    ann.looks_right()
    ann.page.unroute("**/login/end")
    ann.press("Try again")
    ann.outside()


def test_a_tab_that_has_not_heard_of_a_new_session_refreshes_all_the_same(visit):
    ann = visit(script=DEAF)
    ann.log_in()
    other = ann.tab()
    ann.log_out(other)
    ann.log_in(other)
    ann.press("Refresh the session")
    expect(ann.page.locator("#log")).to_contain_text("204POST /oauth-agent/refresh")
    ann.rests()
    assert ("401", "POST /oauth-agent/refresh") in ann.calls()
    ann.inside()
    ann.loads_again()


def test_what_was_meant_for_one_session_is_never_sent_in_another(visit):
    ann = visit(script=DEAF)
    ann.log_in()
    other = ann.tab()
    ann.log_out(other)
    ann.log_in(other)
    ann.page.get_by_label("Order something").fill("A haunted mirror")
    ann.press("Order")
    ann.told("Somebody has logged in", "Try again")
    ann.rests()
    ann.inside()
    expect(ann.page.locator("#orders")).not_to_contain_text("A haunted mirror")
    assert 1 == [call for _, call in ann.calls()].count("POST /api/orders")
    ann.press("Order")
    expect(ann.page.locator("#orders li").last).to_contain_text("A haunted mirror")


def test_a_request_that_waited_for_a_refresh_is_not_sent_in_another_session(visit):
    ann = visit()
    ann.log_in()
    other = ann.tab()
    ann.inside(other)
    ann.world.server.expire()
    ann.page.get_by_label("Order something").fill("A haunted mirror")
    with ann.holding("**/oauth-agent/refresh", until=1) as held:
        ann.press("Order")
        expect(ann.page.locator("#log li .status").first).to_have_text("401")
        ann.log_out(other)
        ann.outside()
        ann.log_in(other)
        ann.inside()  # it has heard of both
    assert 1 == len(held)
    ann.told("Somebody has logged in")
    ann.rests()
    assert 1 == [call for _, call in ann.calls()].count("POST /api/orders")


def test_a_late_list_is_not_drawn_over_a_later_one(visit):
    ann = visit()
    ann.log_in()
    with late(ann.page, "**/api/orders") as held:
        ann.press("Load again")
        held()
        ann.page.get_by_label("Order something").fill("A late bell")
        ann.press("Order")
        expect(ann.page.locator("#orders li").last).to_contain_text("A late bell")
        held().fulfill(json={"orders": [], "received": {"headers": [], "jwt": {"claims": {"exp": 0}}}})
        ann.rests()
        expect(ann.page.locator("#orders li").last).to_contain_text("A late bell")


def test_what_was_asked_in_one_session_is_not_drawn_in_another(visit):
    ann = visit()
    ann.log_in()
    other = ann.tab()
    with late(ann.page, "**/oauth-agent/userInfo") as held:
        ann.page.reload()
        held()
        ann.log_out(other)
        ann.outside()
        ann.log_in(other)
        ann.inside()
        held().fulfill(json={"sub": "bob", "name": "Somebody else"})
        ann.rests()
        ann.inside()


def test_a_late_word_about_who_is_in_is_not_the_last(visit):
    ann = visit()
    ann.log_in()
    other = ann.tab()
    with late(ann.page, "**/oauth-agent/login/end") as held:
        ann.log_out(other)
        held()
        ann.log_in(other)
        held().fulfill(json={"isLoggedIn": False, "handled": False})
        ann.rests()
        ann.inside()


@contextmanager
def late(page, url):
    """The first request to *url* is not answered but given to the test, which answers as the server did then."""
    held = []

    def first():
        until(lambda: held or page.wait_for_timeout(10), "the request")
        return held[0]

    page.route(url, lambda route: route.fallback() if held else held.append(route))
    yield first
    page.unroute(url)


def test_the_app_works_by_keyboard_alone(ann):
    page = ann.page
    tab_to(page, "log-in")
    assert "solid" == page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{ann.world.server.issuer}/**")
    ann.press("Log in and allow")
    ann.inside()
    tab_to(page, "item")
    page.keyboard.type("A bell")
    page.keyboard.press("Enter")
    expect(page.locator("#orders li").last).to_contain_text("A bell")
    tab_to(page, "log-out")
    with page.expect_navigation(url=f"{ann.world.origin}/"):  # by way of the authorization server
        page.keyboard.press("Enter")
    ann.outside()


def test_what_somebody_orders_is_text_and_never_markup(ann):
    ann.log_in()
    ann.page.get_by_label("Order something").fill("<img src=x onerror=alert(1)>")
    ann.press("Order")
    expect(ann.page.locator("#orders li").last).to_contain_text("<img src=x onerror=alert(1)>")
    assert 0 == ann.page.locator("#orders img").count()
    ann.looks_right()


def test_a_script_that_somebody_smuggled_in_does_not_run(ann):
    with pytest.raises(Exception, match="TrustedHTML"):
        ann.page.evaluate("document.body.innerHTML = '<p>mine'")
    until(lambda: ann.page.evaluate("window.violations.length"), "the browser to tell of it, a moment later")
    assert ["require-trusted-types-for"] == ann.page.evaluate("window.violations.splice(0)")


def test_the_app_looks_right_at_every_width_and_in_both_schemes(visit):
    ann = visit()
    for inside in (False, True):
        if inside:
            ann.log_in()
            ann.page.get_by_text("Claims of the ID token").click()
            ann.press("Go where you may not")
            ann.told("You may not do that")
        for width in (320, 390, 600, 768, 1024, 1280, 1600):
            ann.page.set_viewport_size({"width": width, "height": 800})
            for scheme in ("light", "dark"):
                ann.page.emulate_media(color_scheme=scheme)
                ann.looks_right()


def tab_to(page, name):
    """Press Tab until the element called *name* has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == name:
            return
    raise AssertionError(f"Tab does not get to {name}")
