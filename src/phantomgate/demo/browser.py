"""Plays a page and the browser around it, for the story that is told without one.

Rule: whatever a page sees is looked at. No token may be in it, and every cookie must be one that no script can read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession

from phantomgate.demo.truth import want

CSRF_HEADER = "x-session-csrf"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page would see of an answer."""

    status: int
    body: dict[str, Any] = field(repr=False)
    challenge: str = ""


@dataclass(slots=True)
class Browser:
    """Plays the page of *origin* and the browser around it. State: its cookies by name, with the path of each, and the
    CSRF token of the page."""

    http: ClientSession
    origin: str
    cookies: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    csrf: str = field(default="", repr=False)

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, csrf: bool = True, origin: str = ""
    ) -> Seen:
        """A request of the page, or with another *origin* of somebody else's; the browser adds its cookies."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._sent(path))}
        if method != "GET":
            headers["Origin"] = origin or self.origin
        if csrf and method != "GET" and self.csrf:
            headers[CSRF_HEADER] = self.csrf
        async with self.http.request(method, self.origin + path, json=body, headers=headers) as reply:
            text = await reply.text()
            want("no token in what a page sees", self._clean(text), "one")
            for cookie in reply.headers.getall("Set-Cookie", []):
                self._keep(cookie)
            said = await reply.json() if text else {}
            return Seen(reply.status, said, reply.headers.get("WWW-Authenticate", ""))

    def copy(self) -> Browser:
        """Another one with the same cookies and page: a thief's."""
        return Browser(self.http, self.origin, dict(self.cookies), self.csrf)

    def _sent(self, path: str) -> list[tuple[str, str]]:
        return [(name, value) for name, (value, where) in self.cookies.items() if path.startswith(where)]

    def _keep(self, cookie: str) -> None:
        pair, *attributes = (part.strip() for part in cookie.split(";"))
        want("cookies that no script can read", "HttpOnly" in attributes and "Secure" in attributes, attributes)
        name, _, value = pair.partition("=")
        given = dict(attribute.partition("=")[::2] for attribute in attributes)
        self.cookies.pop(name, None)
        if given.get("Max-Age") != "0":
            self.cookies[name] = value, given.get("Path", "/")

    def _clean(self, text: str) -> bool:
        """No JWT, and nothing of a cookie, is in *text*."""
        sealed = [value for value, _ in self.cookies.values() if value]
        return re.search(r"eyJ[\w-]{20,}\.", text) is None and not any(value in text for value in sealed)
