"""The single-page app of `examples/spa` in Chromium, through nginx with the shipped files, on two servers.

A development server of ours, and oidc-provider, which is somebody else's: refresh tokens rotate at both, and a second
use of one ends the session at both.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from interop.spa_world import SERVERS, spa_world

pytestmark = pytest.mark.interop

REFRESHED = [("401", "GET /api/orders"), ("204", "POST /oauth-agent/refresh"), ("200", "GET /api/orders")]
NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });"


@pytest.fixture(scope="module", params=SERVERS)
def world(request, tmp_path_factory):
    with spa_world(request.param, tmp_path_factory.mktemp("spa")) as world:
        yield world


def test_a_person_logs_in_calls_the_api_and_no_token_is_ever_in_the_page(visit):
    ann = visit()
    ann.outside()
    ann.log_in()
    expect(ann.page).to_have_url(ann.world.origin + "/")
    expect(ann.page.locator("#user")).to_contain_text("ann@example")
    ann.page.get_by_text("Claims of the ID token").click()
    expect(ann.page.locator("#claims")).to_contain_text(ann.world.server.issuer)
    expect(ann.page.locator("#upstream")).to_contain_text("Bearer eyJ")
    expect(ann.page.locator("#upstream div").last).to_have_text("Cookienone")
    ann.page.get_by_label("Order something").fill("A creaking door")
    ann.press("Order")
    expect(ann.page.locator("#ordered")).to_contain_text("Ordered: A creaking door. The API knows that it was ann.")
    expect(ann.page.locator("#orders li").last).to_contain_text("A creaking door")
    assert ("201", "POST /api/orders") in ann.calls()
    ann.finds_no_token()


def test_a_page_that_is_loaded_again_is_still_logged_in(visit):
    ann = visit()
    ann.log_in()
    ann.page.reload()
    ann.inside()
    ann.finds_no_token()


def test_an_access_token_that_is_over_is_refreshed_in_silence(visit):
    ann = visit()
    ann.log_in()
    ann.world.server.expire()
    assert REFRESHED == ann.loads_again()
    ann.finds_no_token()


def test_a_request_that_changes_something_is_sent_again_after_a_refresh(visit):
    ann = visit()
    ann.log_in()
    ann.world.server.expire()
    ann.page.get_by_label("Order something").fill("A second sheet")
    ann.press("Order")
    expect(ann.page.locator("#orders li").last).to_contain_text("A second sheet")
    asked = ann.calls()[::-1]
    begin = asked.index(("401", "POST /api/orders"))
    assert [("204", "POST /oauth-agent/refresh"), ("201", "POST /api/orders")] == asked[begin + 1 : begin + 3]


def test_of_many_tabs_one_refreshes_and_the_others_wait(visit):
    ann = visit()
    tabs = four_tabs(ann)
    before = ann.world.server.refreshes()
    with ann.holding("**/oauth-agent/refresh") as held:
        for tab in tabs:
            ann.click("reload", tab)
        for tab in tabs:
            expect(tab.locator("#log li .status").first).to_have_text("401")
    for tab in tabs:
        expect(tab.locator("#log li .status").first).to_have_text("200")
    assert (1, before + 1) == (len(held), ann.world.server.refreshes())
    ann.finds_no_token()


def test_without_locks_tabs_that_refresh_at_once_stay_logged_in(visit):
    ann = visit(script=NO_LOCKS)
    tabs = four_tabs(ann)
    with ann.holding("**/oauth-agent/refresh", until=len(tabs)) as held:
        for tab in tabs:
            ann.click("reload", tab)
    assert len(tabs) == len(held)
    for tab in tabs:
        expect(tab.locator("#log li .status").first).to_have_text("200")
    ann.world.server.expire()
    assert REFRESHED == ann.loads_again()
    ann.finds_no_token()


def four_tabs(ann):
    """Logged in, with an access token that is over."""
    ann.log_in()
    tabs = [ann.page, *(ann.tab() for _ in range(3))]
    for tab in tabs:
        ann.inside(tab)
        ann.rests(tab)
        ann.forget_calls(tab)
    ann.world.server.expire()
    return tabs


def test_a_logout_in_one_tab_is_seen_in_the_other(visit):
    ann = visit()
    ann.log_in()
    other = ann.tab()
    ann.inside(other)
    ann.log_out()
    ann.outside(other)
    ann.told("You are logged out", page=other)
    assert [] == ann.context.cookies(ann.world.origin + "/oauth-agent/")
    ann.log_in(other)
    ann.inside(ann.page)


def test_a_session_that_was_ended_at_the_server_is_over_in_every_tab(visit):
    ann = visit()
    ann.log_in()
    other = ann.tab()
    ann.inside(other)
    ann.world.server.end_sessions()
    ann.press("Refresh the session")
    for page in (ann.page, other):
        ann.outside(page)
        ann.told("Your session has ended", "Log in again", page=page)
    ann.looks_right()
    ann.log_in()


def test_the_back_button_brings_no_session_back(visit):
    ann = visit()
    ann.log_in()
    ann.page.goto("about:blank")
    other = ann.tab()
    ann.inside(other)
    ann.log_out(other)
    ann.page.go_back()
    ann.ready(ann.page)
    ann.outside(ann.page)


def test_what_no_rule_allows_is_told_and_the_session_goes_on(visit):
    ann = visit()
    ann.log_in()
    ann.press("Go where you may not")
    ann.told("You may not do that", "access_denied")
    ann.looks_right()
    ann.press("Close this message")
    expect(ann.page.locator("#alert")).to_be_hidden()
    ann.loads_again()
