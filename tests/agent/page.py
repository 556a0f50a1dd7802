"""A page of the application as a browser would run it, against an agent over HTTP: cookies kept, logins played.

Cookies are kept by name and path. They are Secure, and go over http here because it is loopback.
"""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Client:
    """Keeps cookies, one set for each host and port. State: them."""

    cookies: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def call(self, method: str, url: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; redirects are not followed."""
        where = urlsplit(url)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        cookies = [
            f"{name}={value}"
            for (host, path, name), value in self.cookies.items()
            if host == where.netloc and where.path.startswith(path)
        ]
        if cookies:
            sent["Cookie"] = "; ".join(cookies)
        assert where.hostname
        connection = http.client.HTTPConnection(where.hostname, where.port or 80, timeout=30)
        try:
            target = where.path + (f"?{where.query}" if where.query else "")
            connection.request(method, target or "/", body, sent)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            self._keep(where.netloc, cookie)
        return answer

    def _keep(self, host: str, cookie: str) -> None:
        pair, *attributes = cookie.split(";")
        name, _, value = pair.partition("=")
        said = {key.strip().lower(): what for key, _, what in (one.partition("=") for one in attributes)}
        key = (host, said.get("path", "/"), name)
        if said.get("max-age") == "0" or "1970" in said.get("expires", ""):
            self.cookies.pop(key, None)
        else:
            self.cookies[key] = value

    def post_form(self, url: str, form: dict[str, str]) -> Answer:
        """A form that a person sends."""
        return self.call("POST", url, urlencode(form).encode(), Content_Type="application/x-www-form-urlencoded")

    def follow(self, answer: Answer, at: str, stop: str) -> str:
        """The address that the redirects behind *answer*, which came from *at*, lead to, no further than *stop*."""
        while answer.status in (302, 303):
            location = answer.headers["Location"]
            at = location if "://" in location else f"{at.partition('://')[0]}://{urlsplit(at).netloc}{location}"
            if at.startswith(stop):
                return at
            answer = self.call("GET", at)
        return at


@dataclass
class Page:
    """The application's page in one tab."""

    agent: str
    origin: str
    client: Client = field(default_factory=Client)
    csrf: str = ""
    header: str = "x-session-csrf"

    def ask(self, method: str, path: str, said: Any = None) -> Answer:
        """What the page asks of the agent."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-site"}
        if said is not None:
            headers["Content-Type"] = "application/json"
        if self.csrf:
            headers[self.header] = self.csrf
        body = None if said is None else json.dumps(said).encode()
        return self.client.call(method, f"{self.agent}/oauth-agent{path}", body, **headers)

    def start(self, **said: Any) -> str:
        """Where to log in."""
        answer = self.ask("POST", "/login/start", said)
        assert answer.status == 200, answer.body
        url: str = answer.json["authorizationRequestUrl"]
        return url

    def end(self, page_url: str) -> Answer:
        """Come back."""
        answer = self.ask("POST", "/login/end", {"pageUrl": page_url})
        if answer.status == 200:
            self.csrf = answer.json.get("csrf", self.csrf)
        return answer

    def log_in(self, person: Any, **said: Any) -> Answer:
        """A whole login; *person* goes from the login address to the one to come back with."""
        answer = self.end(person(self.client, self.start(**said)))
        assert answer.status == 200, answer.body
        return answer

    def kinds(self) -> set[str]:
        """Which of our cookies there are."""
        return {name.rpartition("-")[2] for _, _, name in self.cookies()}

    def cookies(self) -> dict[tuple[str, str, str], str]:
        """Those of the agent."""
        host = urlsplit(self.agent).netloc
        return {key: value for key, value in self.client.cookies.items() if key[0] == host}

    def tab(self) -> Page:
        """Another tab as it is now."""
        return Page(self.agent, self.origin, Client(dict(self.client.cookies)), self.csrf, self.header)


def at_the_development_server(client: Client, url: str) -> str:
    """Logs in there, and agrees."""
    page = client.call("GET", url).body.decode()
    name = re.search(r'name="login" value="([^"]+)"', page)
    assert name, page
    where = url.partition("?")[0]
    form = {"login": name[1], "username": "ann", "password": "any", "answer": "allow"}
    answer = client.post_form(where, form)
    assert answer.status == 303, answer.body
    return answer.headers["Location"]
