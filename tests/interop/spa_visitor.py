"""Somebody who uses the single-page app in Chromium, in one tab or several, and everything that its page saw meanwhile.

Rule: whatever happens, no token may be where a script of the page could find it, nothing may come from another host,
nothing may break the content security policy or be said on the console beyond the refusals that were asked for.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import expect

from demo.visiting import AT_REST, CONTRAST, PATIENCE, WATCH, WIDE

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",  # oidc-provider's pages want a font
]
LISTEN = """
const asked = window.fetch;
window.underWay = new Set();
window.fetch = (...request) => {
  const reply = asked(...request);
  const told = reply.then((got) => got.clone().text().then((text) => window.sawAnswer(got.url, text))).catch(() => {});
  window.underWay.add(told);
  told.then(() => window.underWay.delete(told));
  return reply;
};
"""
PATIENT = "AbortSignal.timeout = () => new AbortController().signal;"
"""A request that a test holds back, or a machine that is slow, is no server that hangs."""
AT_AN_END = "async () => { await Promise.all(window.underWay); return !window.underWay.size; }"
FOUND = """() => ({
  cookies: document.cookie,
  local: JSON.stringify({ ...localStorage }),
  session: JSON.stringify({ ...sessionStorage }),
  address: location.href,
  history: JSON.stringify(history.state),
  page: document.documentElement.outerHTML,
  name: window.name,
})"""
JWT = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}")


class Visitor:
    """A browser of one person. Its state: the tabs, what their pages were answered, and what went wrong."""

    def __init__(self, browser, world, *, width=1280, height=900, scheme="light", script=""):
        self.world = world
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=width < 500
        )
        self.context.set_default_timeout(PATIENCE)
        self.answers, self.complaints, self.hosts = [], [], set()
        self.context.expose_function("sawAnswer", lambda url, text: self.answers.append((url, text)))
        self.context.add_init_script(WATCH + LISTEN + PATIENT + script)
        self.page = self.tab()

    def tab(self, path="/"):
        """A new tab, with the app in it."""
        page = self.context.new_page()
        page.on("request", self._asked)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        page.goto(self.world.origin + path)
        self.ready(page)
        return page

    def ready(self, page):
        """The app has learned who is in."""
        page.wait_for_selector("body[data-ready]")

    def press(self, name, page=None):
        (page or self.page).get_by_role("button", name=name, exact=True).click()

    def log_in(self, page=None):
        """The whole way, through the authorization server's pages."""
        page = page or self.page
        self.press("Log in", page)
        if self.world.server.development:
            page.wait_for_url(f"{self.world.server.issuer}/**")
            self.press("Log in and allow", page)
        else:
            self._log_in_at_oidc_provider(page)
        self.inside(page)

    def _log_in_at_oidc_provider(self, page):
        """Who is still logged in there is sent back at once."""
        name, agree = page.locator("input[name=login]"), page.get_by_role("button", name="Continue")
        back = page.locator("#who-name").filter(visible=True)
        expect(name.or_(agree).or_(back)).to_be_visible()
        if name.is_visible():
            name.fill("ann")
            page.fill("input[name=password]", "any")
            page.click("button[type=submit]")
            expect(agree.or_(back)).to_be_visible()
        if agree.is_visible():
            agree.click()

    def log_out(self, page=None):
        """Here and at the authorization server, and back."""
        page = page or self.page
        # The app says that nobody is in before it leaves, so its address alone doesn't tell that it is back.
        with page.expect_navigation(url=f"{self.world.origin}/"):
            self.press("Log out", page)
            if not self.world.server.development:
                page.wait_for_url(f"{self.world.server.issuer}/**")
                page.get_by_role("button", name="Yes, sign me out").click()
        self.outside(page)

    def inside(self, page=None):
        """The app shows what only somebody who is logged in can see."""
        page = page or self.page
        expect(page.locator("#inside")).to_be_visible()
        expect(page.locator("#who-name")).to_have_text(re.compile("Ann Example|Person ann"))
        expect(page.locator("#orders li").first).to_contain_text("A lantern")

    def outside(self, page=None):
        page = page or self.page
        expect(page.locator("#outside")).to_be_visible()
        expect(page.locator("#inside")).to_be_hidden()

    def told(self, title, text="", page=None):
        """The message above everything."""
        page = page or self.page
        expect(page.locator("#alert-title")).to_have_text(title)
        expect(page.locator("#alert-text")).to_contain_text(text)
        expect(page.locator("#alert")).to_be_in_viewport()

    def calls(self, page=None):
        """What the page asked for, as it says: the newest first."""
        read = "(rows) => rows.map((row) => ['.status', '.ask'].map((part) => row.querySelector(part).innerText))"
        return [(status, ask) for status, ask in (page or self.page).locator("#log li").evaluate_all(read)]

    def rests(self, page=None):
        """Waits until whatever the page asked for is answered, and we were told; not while requests are held."""
        (page or self.page).wait_for_function(AT_AN_END)

    def forget_calls(self, page):
        """Nothing was asked for so far."""
        page.evaluate("document.getElementById('log').replaceChildren()")

    def click(self, name, page):
        """A click on the element called *name*, which does not wait for anything."""
        page.evaluate(f"document.getElementById('{name}').click()")

    def loads_again(self, page=None):
        """Load the orders, and what the page asked for to get them, the oldest first."""
        page = page or self.page
        self.rests(page)
        self.forget_calls(page)
        self.press("Load again", page)
        expect(page.locator("#log li").first).to_contain_text("/api/orders")
        expect(page.locator("#log li .status").first).to_have_text("200")
        self.rests(page)
        return self.calls(page)[::-1]

    @contextmanager
    def holding(self, url, until=0):
        """Requests to *url* wait until the block is over, and until there are so many of them."""
        held, open_ = [], []
        self.context.route(url, lambda route: route.continue_() if open_ else held.append(route))
        try:
            yield held
            deadline = time.monotonic() + PATIENCE / 1000
            while len(held) < until and time.monotonic() < deadline:
                self.page.wait_for_timeout(25)
        finally:
            open_.append(True)
            for route in held:
                route.continue_()

    def looks_right(self, page=None):
        page = page or self.page
        page.evaluate(WIDE, page.viewport_size["width"])
        page.evaluate(AT_REST)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert page.evaluate(CONTRAST) == []

    def finds_no_token(self, page=None):
        """What a script could find in the page, and in every answer that it ever got."""
        page = page or self.page
        for tab in self.context.pages:
            self.rests(tab)
        found = page.evaluate(FOUND)
        assert (found["cookies"], found["local"], found["session"], found["name"]) == ("", "{}", "{}", "")
        assert found["history"] == "null"
        assert "code=" not in found["address"]
        given = self.world.server.tokens()
        cookies = self.context.cookies(self.world.origin + "/oauth-agent/")
        assert cookies
        sealed = [cookie["value"] for cookie in cookies if len(cookie["value"]) > 20]
        assert all(cookie["httpOnly"] and cookie["secure"] and cookie["sameSite"] == "Strict" for cookie in cookies)
        assert any("/oauth-agent/claims" in url for url, _ in self.answers)
        for where, text in [*self.answers, ("the page", found["page"])]:
            # The address to log in at has the name of the request in it, which is as random as a token, and is none.
            secrets = [] if where.endswith("/login/start") else given
            assert not JWT.search(text), where
            assert not any(secret in text for secret in [*secrets, *sealed]), where

    def went_well(self):
        """Nothing was asked elsewhere, and nothing was complained of."""
        for page in self.context.pages:
            self.complaints += page.evaluate("window.violations ?? []")
        assert self.complaints == []
        assert self.hosts <= {urlsplit(self.world.origin).netloc, urlsplit(self.world.back).netloc}

    def close(self):
        """Closes every tab; answers that a test makes up are given first, or they would fail whatever comes next."""
        for page in self.context.pages:
            page.unroute_all(behavior="wait")
        self.context.close()

    def _asked(self, request):
        if request.is_navigation_request() or not request.frame.url.startswith(self.world.origin):
            return
        self.hosts.add(urlsplit(request.url).netloc)

    def _heard(self, message):
        where = urlsplit(message.location["url"])
        ours = {urlsplit(self.world.origin).netloc, urlsplit(self.world.back).netloc}
        asked_for = where.path.startswith(("/api/", "/oauth-agent/"))
        refused = asked_for and message.text.startswith("Failed to load resource")
        if where.netloc in ours and not refused:
            self.complaints.append(f"{message.text} ({message.location['url']})")
