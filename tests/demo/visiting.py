"""Somebody who uses the demo page in Chromium, and everything that page did meanwhile.

Whoever visits is told at every step how the page looks: nothing overflows, and every text can be read.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import expect

CONTRAST = """() => {
  const rgba = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const colour = rgba(getComputedStyle(element).backgroundColor);
    return colour[3] === 1 ? colour.slice(0, 3) : over(colour, ground(element.parentElement));
  };
  const linear = (v) => v <= 10.3 ? v / 3295 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    if (!text || !element.checkVisibility() || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) continue;
    const back = ground(element);
    const [a, b] = [light(over(rgba(getComputedStyle(element).color), back)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)}: ${text.slice(0, 40)}`);
  }
  return poor;
}"""
CUT_OFF = """() => [...document.querySelectorAll(".scroller")]
  .filter((each) => innerWidth >= 390 && each.scrollWidth > each.clientWidth).map((each) => each.innerText)"""
AT_REST = "() => Promise.all(document.getAnimations().map((each) => each.finished.catch(() => {})))"
WIDE = "(width) => innerWidth === width"
"""What a new size of the window comes to is drawn a moment later."""
PATIENCE = 60_000
"""Milliseconds for whatever a test waits for: a slow machine is not a failure."""
WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


class Visitor:
    """Its state: where requests went, what the console or the page complained of, and what may be refused."""

    def __init__(self, page, demo, clock):
        self.page, self.demo, self.clock = page, demo, clock
        self.hosts, self.complaints = set(), []
        self.refused = ("/api/",)
        """Beginnings of paths: a refusal there is said on the console, some time later, and asked for."""
        page.add_init_script(WATCH)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        self.visit()

    def _heard(self, message):
        asked_for = urlsplit(message.location["url"]).path.startswith(self.refused)
        if not (message.text.startswith("Failed to load resource") and asked_for):
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def visit(self, path="/"):
        self.page.goto(self.demo.url + path)
        self.page.wait_for_selector("body[data-ready]")

    def press(self, name):
        self.page.get_by_role("button", name=name).first.click()

    def told(self, title, text=""):
        """Waits until the page says so, and checks how it looks then."""
        expect(self.page.locator("#verdict-title")).to_have_text(title)
        expect(self.page.locator("#verdict-text")).to_contain_text(text)
        self.looks_right()

    def looks_right(self):
        page = self.page
        page.wait_for_function(WIDE, arg=page.viewport_size["width"])
        page.evaluate(AT_REST)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert page.evaluate(CUT_OFF) == []
        assert page.evaluate(CONTRAST) == []

    def get_token(self, *scopes):
        for scope in ("read", "orders:write"):
            self.page.get_by_label(scope, exact=True).set_checked(scope in scopes)
        self.press("As a service")
        self.told("A token", "A service has an opaque token now")

    def text(self, name):
        return self.page.locator(f"#{name}").inner_text()

    def steps(self):
        stops = self.page.locator("#flow li")
        return {stop.get_attribute("data-stop"): stop.get_attribute("data-state") for stop in stops.all()}

    def time_passes(self, seconds):
        self.clock.pushed += seconds
        self.page.clock.fast_forward(int(seconds * 1000))

    def went_well(self):
        assert self.complaints == []
        assert self.page.evaluate("window.violations") == []
        here = {urlsplit(url).netloc for url in (self.demo.url, self.demo.app_url, self.demo.server.issuer)}
        assert self.hosts <= here
