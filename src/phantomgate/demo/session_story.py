"""The second story without a browser: a login by plain HTTP, cookies in, a JWT upstream, and everybody else refused.

Every step is one that a person or a page takes, and ends with what must have come of it.
"""

from __future__ import annotations

import asyncio
import html
import re
import time
from urllib.parse import urlsplit

from yarl import URL

from phantomgate.demo.browser import Browser, Seen
from phantomgate.demo.login import USER
from phantomgate.demo.run import APP, APP_MAX_AGE
from phantomgate.demo.story import PATIENCE, SHOWN, Story, Telling, describe
from phantomgate.demo.truth import want
from phantomgate.session.cookies import AGENT_PATH

TABS = 5


async def _log_in(telling: Telling) -> None:
    browser = telling.browser = Browser(telling.http, telling.demo.app_url)
    said = await browser.ask("POST", f"{AGENT_PATH}/login/start", {})
    want("an address to log in at", said.status == 200, said.status)
    url = said.body["authorizationRequestUrl"]
    telling.note("login begins", f"{urlsplit(url).path} with code, PKCE, state and nonce; one sealed cookie")
    back = await _agree(telling, url)
    telling.note("code in", f"{urlsplit(back).path}?code={URL(back).query['code'][:SHOWN]}…, to the agent")
    said = await browser.ask("POST", f"{AGENT_PATH}/login/end", {"pageUrl": back})
    want("to be logged in", said.body.get("isLoggedIn") is True, said.body)
    browser.csrf = said.body["csrf"]
    for name, (value, path) in browser.cookies.items():
        telling.note("cookie out", f"{name}, {len(value)} sealed characters, for {path}")
    telling.note("the page gets", "a CSRF token, and no other")
    again = await browser.copy().ask("POST", f"{AGENT_PATH}/login/end", {"pageUrl": back})
    want("the same code to be refused", again.status == 400, again.status)


async def _agree(telling: Telling, url: str) -> str:
    """Log in at the authorization server's page, as a person does: where the browser is sent back to."""
    async with telling.http.get(URL(url, encoded=True)) as page:
        login = re.search(r'name="login" value="([^"]+)"', await page.text())
    want("a login page", login is not None, "none")
    form = {"login": html.unescape(login[1] if login else ""), "username": USER, "password": "-", "answer": "allow"}
    async with telling.http.post(telling.demo.server.issuer + "/authorize", data=form, allow_redirects=False) as reply:
        back = reply.headers.get("Location", "")
    want("to be sent back to the app", back.startswith(telling.demo.app_url + "/?"), f"{reply.status} {back[:40]}")
    return back


async def _call(telling: Telling) -> None:
    said = await _page(telling).ask("GET", "/api/orders")
    _told(telling, "GET /api/orders", said)
    want("status 200", said.status == 200, said.status)
    received = said.body["received"]
    want("no cookie upstream", all(name.lower() != "cookie" for name, _ in received["headers"]), "one")
    want(f"{USER} as the subject", received["jwt"]["claims"].get("sub") == USER, received["jwt"]["claims"])


async def _order(telling: Telling) -> None:
    said = await _page(telling).ask("POST", "/api/orders", {"item": "A creaking door"})
    _told(telling, "POST /api/orders, with the CSRF token", said)
    want("status 201", said.status == 201, said.status)


async def _forged(telling: Telling) -> None:
    browser = _page(telling)
    for label, how in (
        ("no CSRF token", {"csrf": False}),
        ("another origin", {"origin": "https://evil.example"}),
    ):
        said = await browser.ask("POST", "/api/orders", {"item": "All of it"}, **how)
        telling.note(label, f"{said.status} {said.body.get('error')}")
        want("403 forged_request", (said.status, said.body.get("error")) == (403, "forged_request"), said)
    said = await browser.ask("POST", f"{AGENT_PATH}/refresh", csrf=False)
    telling.note("at the agent", f"{said.status} {said.body.get('code')}")
    want("401 unauthorized_request", (said.status, said.body.get("code")) == (401, "unauthorized_request"), said)


async def _who(telling: Telling) -> None:
    for path, name in (("userInfo", "user info"), ("claims", "ID token")):
        said = await _page(telling).ask("GET", f"{AGENT_PATH}/{path}")
        telling.note(name, ", ".join(f"{key} {value}" for key, value in said.body.items()))
        want(f"{USER} as the subject", (said.status, said.body.get("sub")) == (200, USER), said)


async def _refresh(telling: Telling) -> None:
    browser = _page(telling)
    telling.demo.server.expire(APP)
    began = time.monotonic()
    said = await browser.ask("GET", "/api/orders")
    while said.status == 200 and time.monotonic() - began < APP_MAX_AGE + PATIENCE:
        await asyncio.sleep(0.25)
        said = await browser.ask("GET", "/api/orders")
    telling.note("it is over", f"GET /api/orders: {said.status} {said.body.get('error')}")
    want("401 invalid_token", (said.status, said.body.get("error")) == (401, "invalid_token"), said)
    asked = telling.demo.server.token_requests
    tabs = await asyncio.gather(*(browser.ask("POST", f"{AGENT_PATH}/refresh") for _ in range(TABS)))
    asked = telling.demo.server.token_requests - asked
    telling.note("refreshed", f"by {TABS} tabs at once, which is {asked} request to the authorization server")
    want(f"204, {TABS} times", [tab.status for tab in tabs] == [204] * TABS, [tab.status for tab in tabs])
    want("one request", asked == 1, asked)
    said = await browser.ask("GET", "/api/orders")
    _told(telling, "GET /api/orders", said)
    want("status 200", said.status == 200, said.status)


async def _log_out(telling: Telling) -> None:
    browser = _page(telling)
    thief = browser.copy()
    said = await browser.ask("POST", f"{AGENT_PATH}/logout")
    want("an address to log out at", said.status == 200, said)
    telling.note("logged out", f"{len(browser.cookies)} cookies left; next, {urlsplit(said.body['url']).path}")
    want("no cookie left", not browser.cookies, list(browser.cookies))
    said = await browser.ask("GET", "/api/orders")
    telling.note("the page", f"GET /api/orders: {said.status} {said.body.get('error')}")
    want("401 missing_credential", (said.status, said.body.get("error")) == (401, "missing_credential"), said)
    said = await thief.ask("POST", f"{AGENT_PATH}/refresh")
    telling.note("a copy", f"of the cookies, at the agent: {said.status} {said.body.get('code')}")
    want("401 session_expired", (said.status, said.body.get("code")) == (401, "session_expired"), said)


SESSION_STORY: Story = (
    ("A person logs in to a single-page app", _log_in),
    ("The page calls the API, with a cookie", _call),
    ("It orders something", _order),
    ("Somebody else's page tries the same", _forged),
    ("Who is it?", _who),
    ("The access token is over, and five tabs refresh", _refresh),
    ("The person logs out", _log_out),
)


def _page(telling: Telling) -> Browser:
    browser = telling.browser
    want("a browser that is logged in", browser is not None and browser.csrf, "none")
    return browser or Browser(telling.http, telling.demo.app_url)


def _told(telling: Telling, what: str, said: Seen) -> None:
    telling.note("cookie in", what)
    received = said.body.get("received")
    if received:
        telling.note("JWT upstream", describe(received))
    telling.note("status", f"{said.status} {said.body.get('error', '')}".rstrip())
