"""The page, clicked through in Chromium: every story at phone and desk widths, in light and dark.

All the while: no request leaves this machine, nothing breaks the content security policy or is said on the console
beyond the refusals that were asked for, nothing overflows, and every text can be read.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from demo.clocks import PushedClock
from demo.visiting import AT_REST, PATIENCE, Visitor
from phantomgate.demo.run import running
from phantomgate.demo.serving import in_thread

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MAX_AGE = 120
"""Seconds that this demo's gateway remembers: a slow machine plays no part of a story after the end of them."""
WIDTHS = {
    "phone": (390, 844, "dark"),
    "desk": (1280, 900, "light"),
}


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        remedy = f"{CHROMIUM} is missing; apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(remedy)
        pytest.skip(remedy)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def clock():
    return PushedClock()


@pytest.fixture
def demo(clock):
    how = {"write": lambda line: None, "now": clock.now, "ticks": clock.ticks, "max_age": MAX_AGE}
    with in_thread(partial(running, 0, **how)) as value:
        yield value


@pytest.fixture(params=WIDTHS)
def visitor(request, browser, demo, clock):
    width, height, scheme = WIDTHS[request.param]
    motion = "reduce" if request.param == "phone" else "no-preference"
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion, has_touch=width < 500
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.clock.install()
    try:
        visitor = Visitor(page, demo, clock)
        yield visitor
        visitor.went_well()
    finally:
        page.unroute_all(behavior="wait")
        context.close()


pytestmark = pytest.mark.interop


def test_an_opaque_token_goes_in_and_a_jwt_arrives_upstream(visitor):
    visitor.looks_right()
    visitor.get_token("read")
    token = visitor.text("token-value")
    visitor.press("List the orders")
    visitor.told("200 OK, after asking", "this browser never sees it")
    assert set(visitor.steps().values()) == {"done"}
    assert token[:8] in visitor.text("left")
    assert "at+jwt" in visitor.text("right")
    assert '"sub": "demo-service"' in visitor.text("right")
    assert token not in visitor.text("right")
    assert "A lantern" in visitor.text("back")
    visitor.press("Send it again")
    visitor.told("200 OK, known from memory", "the authorization server was not asked")
    assert "asked once" in visitor.text("past-words")
    assert "times faster" in visitor.text("past-words")
    assert visitor.demo.server.introspections == 1


def test_the_page_stays_where_its_visitor_scrolled_to(visitor):
    visitor.get_token("read")
    page = visitor.page
    page.get_by_role("link", name="a single-page app").scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    visitor.time_passes(2)
    page.evaluate(AT_REST)
    assert page.evaluate("scrollY") == place


def test_the_page_leads_to_the_second_story(visitor):
    page = visitor.page
    page.get_by_role("link", name="a single-page app").click()
    page.wait_for_url(visitor.demo.app_url + "/")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log in and allow").click()
    expect(page.locator("#who-name")).to_have_text("Ann Example")
    expect(page.locator("#upstream")).to_contain_text("Bearer eyJ")
    visitor.looks_right()
    with page.expect_navigation(url=visitor.demo.app_url + "/"):  # by way of the authorization server
        page.get_by_role("button", name="Log out").click()
    expect(page.locator("#outside")).to_be_visible()


def test_ann_logs_in_with_code_and_pkce(visitor):
    page = visitor.page
    page.get_by_label("orders:write", exact=True).check()
    visitor.press("Log in as Ann")
    page.wait_for_url("**/authorize?**")
    visitor.looks_right()
    page.get_by_label("Name").fill("bob")
    visitor.refused += ("/authorize",)
    visitor.press("Log in and allow")
    expect(page.get_by_role("alert")).to_contain_text("Only ann lives here")
    page.get_by_label("Name").fill("ann")
    visitor.press("Log in and allow")
    visitor.told("A token", "Ann has an opaque token now")
    expect(page).to_have_url(visitor.demo.url + "/")
    visitor.press("Place an order")
    visitor.told("201 Created, after asking")
    assert '"sub": "ann"' in visitor.text("right")
    visitor.press("Revoke the token")
    visitor.told("Revoked, and still let in")


def test_who_does_not_want_to_log_in_is_brought_back(visitor):
    visitor.press("Log in as Ann")
    visitor.page.wait_for_url("**/authorize?**")
    visitor.press("Refuse")
    visitor.told("No token", "access_denied")


def test_an_answer_to_a_login_that_did_not_begin_here_is_refused(visitor):
    visitor.visit("/?code=stolen&state=unknown")
    visitor.told("No token", "does not belong to a login that began here")


def test_an_answer_from_another_authorization_server_is_refused(visitor):
    visitor.press("Log in as Ann")
    visitor.page.wait_for_url("**/authorize?**")
    state = parse_qs(urlsplit(visitor.page.url).query)["state"][0]
    visitor.visit(f"/?code=stolen&state={quote(state)}&iss=http%3A%2F%2F127.0.0.1%3A9")
    visitor.told("No token", "another authorization server")


def test_a_missing_scope_is_named(visitor):
    visitor.get_token("read")
    visitor.press("Place an order")
    visitor.told("403 Forbidden", "wants orders:write")
    assert 'scope="orders:write"' in visitor.text("back")
    assert "Decision" in visitor.text("back")
    assert visitor.steps()["judge"] == "refused"
    assert visitor.steps()["forward"] == "skipped"
    assert "Nothing" in visitor.text("right")
    visitor.get_token("read", "orders:write")
    visitor.press("Place an order")
    visitor.told("201 Created, after asking")


def test_a_revoked_token_is_let_in_until_it_is_forgotten(visitor):
    visitor.get_token("read")
    visitor.press("List the orders")
    visitor.told("200 OK, after asking")
    assert "remembers it for" in visitor.text("window-text")
    visitor.press("Revoke the token")
    visitor.told("Revoked, and still let in", "more seconds")
    visitor.press("List the orders")
    visitor.told("200 OK, known from memory", f"at most {MAX_AGE} seconds")
    visitor.time_passes(MAX_AGE)
    expect(visitor.page.locator("#window-text")).to_contain_text("Forgotten")
    visitor.press("List the orders")
    visitor.told("401 Unauthorized", "stays out")
    assert 'error="invalid_token"' in visitor.text("back")


@pytest.mark.parametrize(
    ("button", "title", "words", "challenge", "refuser"),
    [
        ("No token", "401 Unauthorized", "no error code", 'Bearer realm="api"', "find"),
        ("A malformed token", "400 Bad Request", "a token has no space in it", 'error="invalid_request"', "find"),
        ("A made-up token", "401 Unauthorized", "does not know it", 'error="invalid_token"', "resolve"),
    ],
)
def test_each_bad_credential_is_refused_and_explained(visitor, button, title, words, challenge, refuser):
    visitor.press(button)
    visitor.told(title, words)
    assert challenge in visitor.text("back")
    assert ("Random characters" in visitor.text("left")) == (button == "A made-up token")
    assert visitor.steps()[refuser] == "refused"
    assert visitor.steps()["api"] == "skipped"


def test_identity_can_not_be_forged_and_unknown_paths_are_refused(visitor):
    visitor.get_token("read")
    visitor.press("Pretend to be the admin")
    visitor.told("200 OK, after asking", "identity headers are always overwritten")
    assert "X-User: demo-service" in visitor.text("right")
    visitor.press("Try a path no rule allows")
    visitor.told("403 Forbidden", "What is not allowed is refused")
    assert visitor.steps()["match"] == "refused"


def test_an_outage_is_503_for_what_is_not_remembered(visitor):
    visitor.get_token("read")
    visitor.press("List the orders")
    visitor.told("200 OK, after asking")
    switch = visitor.page.get_by_role("switch", name="Authorization server")
    assert switch.get_attribute("aria-checked") == "true"
    visitor.refused += ("/demo/service-token",)
    switch.click()
    visitor.told("The authorization server is down")
    visitor.press("List the orders")
    visitor.told("200 OK, known from memory")
    visitor.time_passes(MAX_AGE)
    visitor.press("List the orders")
    visitor.told("503 Service Unavailable", "503 and never 401")
    assert "Retry-After" in visitor.text("back")
    visitor.press("As a service")
    visitor.told("No token", "does not answer")
    switch.click()
    visitor.told("The authorization server is up again")
    visitor.press("List the orders")
    visitor.told("200 OK, after asking")


def test_a_gateway_that_is_gone_is_told_in_words(visitor):
    visitor.page.route("**/api/**", lambda route: route.abort())
    visitor.press("No token")
    visitor.told("No answer", "Is the demo still running?")


def test_the_page_works_by_keyboard_alone(visitor):
    page = visitor.page
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "as-service":
            break
    page.keyboard.press("Enter")
    visitor.told("A token")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "ask-orders"
    page.keyboard.press("Space")
    visitor.told("200 OK, after asking")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_page_looks_right_at_every_other_width_and_in_both_schemes(visitor):
    visitor.get_token("read", "orders:write")
    visitor.press("Place an order")
    visitor.told("201 Created, after asking")
    visitor.page.get_by_text("The whole configuration").click()
    assert "[introspection]" in visitor.text("config")
    for width in (320, 600, 768, 1024, 1600):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            visitor.page.emulate_media(color_scheme=scheme)
            visitor.looks_right()


def test_who_wants_no_motion_gets_none(visitor):
    page = visitor.page
    still = page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    seconds = page.evaluate("getComputedStyle(document.querySelector('.dot')).transitionDuration")
    assert (seconds == "0s") == still
    page.evaluate("""() => { window.nows = 0; new MutationObserver((all) => all.forEach((each) => {
      if (each.target.dataset.state === "now") window.nows += 1; })).observe(document.getElementById("flow"),
      { subtree: true, attributes: true, attributeFilter: ["data-state"] }); }""")
    visitor.press("No token")
    visitor.told("401 Unauthorized")
    assert (page.evaluate("window.nows") == 0) == still
