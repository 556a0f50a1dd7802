"""The demo without a browser: the same story over real sockets, told line by line, and checked at every step.

A step that does not go as told raises Untrue, and the story goes on with the next one; all of it must come true.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import ClientError, ClientSession, ClientTimeout

from phantomgate.demo.browser import Browser
from phantomgate.demo.run import SERVICE, Demo
from phantomgate.demo.site import RECORD
from phantomgate.demo.truth import Untrue, want

SHOWN = 8
PATIENCE = 10.0
"""Seconds beyond the revocation window after which a revoked token must have been refused."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered, and what it recorded about that."""

    status: int
    challenge: str
    retry_after: str
    body: dict[str, Any] = field(repr=False)
    record: dict[str, Any] = field(repr=False)


class Telling:
    """What it holds: the sockets, where lines go, and the token or browser of the story once there is one."""

    def __init__(self, demo: Demo, http: ClientSession, tell: Callable[[str, str], None]) -> None:
        """*tell* takes a label and a text, or a heading with no text."""
        self.demo = demo
        self.token = ""
        self.browser: Browser | None = None
        self.http = http
        self._tell = tell

    def heading(self, text: str) -> None:
        """The next step begins."""
        self._tell(text, "")

    async def get_token(self, scope: str) -> str:
        """A new opaque token by client credentials, as any service gets one."""
        form = {"grant_type": "client_credentials", "scope": scope}
        url, headers = self.demo.server.issuer + "/token", self.demo.credentials
        async with self.http.post(url, data=form, headers=headers) as reply:
            token = str((await reply.json()).get("access_token", ""))
        want("an opaque token", len(token) > 20 and token.count(".") != 2, f"a token of {len(token)} characters")
        self._tell("opaque token out", f"{token[:SHOWN]}… ({len(token)} random characters), scope {scope}")
        return token

    async def call(self, method: str, token: str = "") -> Answer:
        """One request through the gateway, with what it did on the way."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self.demo.url + "/api/orders"
        async with self.http.request(method, url, headers=headers) as reply:
            async with self.http.get(f"{self.demo.url}/demo/decisions/{reply.headers.get(RECORD)}") as recorded:
                record = await recorded.json()
            given = reply.headers
            return Answer(
                reply.status,
                given.get("WWW-Authenticate", ""),
                given.get("Retry-After", ""),
                await reply.json(),
                record,
            )

    async def past_the_gateway(self, token: str) -> int:
        """The status of the API's own answer to an opaque token."""
        url, headers = self.demo.upstream + "/api/orders", {"Authorization": f"Bearer {token}"}
        async with self.http.get(url, headers=headers) as reply:
            return reply.status

    def told(self, method: str, token: str, answer: Answer) -> None:
        """What went in, what was done, what went upstream and what came back."""
        self._tell("opaque token in", f"{f'{token[:SHOWN]}…' if token else 'none'}, {method} /api/orders")
        for step in answer.record["steps"]:
            if step["verb"] == "resolve":
                source = f"from {answer.record['source']} in {step['ms']:.3f} ms"
                if step["ok"]:
                    self._tell("resolved", source)
                else:
                    self._tell("not resolved", f"{source}: {step['text']}")
        received = answer.body.get("received")
        if received:
            self._tell("JWT upstream", describe(received))
        else:
            self._tell("JWT upstream", "none: the API has not heard of this request")
        more = f", Retry-After {answer.retry_after}" if answer.retry_after else ""
        self._tell("status", f"{answer.status} {answer.body.get('error', '')}".rstrip() + more)
        if answer.challenge:
            self._tell("challenge", answer.challenge)

    def note(self, label: str, text: str) -> None:
        """One more line."""
        self._tell(label, text)

    async def switch(self, down: bool) -> None:
        """The authorization server goes, or comes back."""
        async with self.http.post(self.demo.url + "/demo/authorization-server", json={"down": down}) as reply:
            want("the switch to work", reply.status == 200, f"status {reply.status}")

    async def revoke(self, token: str) -> None:
        """The service takes its token back (RFC 7009)."""
        url, headers = self.demo.server.issuer + "/revoke", self.demo.credentials
        async with self.http.post(url, data={"token": token}, headers=headers) as reply:
            want("revocation to work", reply.status == 200, f"status {reply.status}")


Story: TypeAlias = Sequence[tuple[str, Callable[[Telling], Awaitable[None]]]]
"""Headings, and the steps below them."""


async def play(demo: Demo, tell: Callable[[str, str], None], story: Story) -> list[str]:
    """Plays the whole *story* and gives what was untrue about it: nothing, if all is well."""
    untrue: list[str] = []
    async with ClientSession(timeout=ClientTimeout(total=30)) as http:
        telling = Telling(demo, http, tell)
        for number, (heading, step) in enumerate(story, 1):
            telling.heading(f"{number}. {heading}")
            try:
                await step(telling)
            except (Untrue, ClientError, TimeoutError, ValueError, KeyError) as wrong:
                untrue.append(f"{heading}: {wrong or type(wrong).__name__}")
                telling.note("FAILED", untrue[-1])
    return untrue


async def _a_token(telling: Telling) -> None:
    telling.token = await telling.get_token("read")


async def _from_the_network(telling: Telling) -> None:
    answer = await telling.call("GET", telling.token)
    telling.told("GET", telling.token, answer)
    _status(answer, 200)
    want("an answer from the network", answer.record["source"] == "network", answer.record["source"])
    jwt = answer.body["received"]["jwt"]
    want("a signed access token upstream", jwt["header"].get("typ") == "at+jwt", jwt["header"])
    want("the service as its subject", jwt["claims"].get("sub") == SERVICE, jwt["claims"])


async def _from_memory(telling: Telling) -> None:
    asked = telling.demo.server.introspections
    answer = await telling.call("GET", telling.token)
    telling.told("GET", telling.token, answer)
    _status(answer, 200)
    want("an answer from memory", answer.record["source"] == "memory", answer.record["source"])
    want("nobody to be asked", telling.demo.server.introspections == asked, "another introspection")


async def _a_scope_is_missing(telling: Telling) -> None:
    answer = await telling.call("POST", telling.token)
    telling.told("POST", telling.token, answer)
    _status(answer, 403)
    want("the challenge to name the scope", 'scope="orders:write"' in answer.challenge, answer.challenge)


async def _past_the_gateway(telling: Telling) -> None:
    status = await telling.past_the_gateway(telling.token)
    telling.note("status", f"{status} from the API itself, to which an opaque token means nothing")
    want("status 401", status == 401, str(status))


async def _no_token(telling: Telling) -> None:
    answer = await telling.call("GET")
    telling.told("GET", "", answer)
    _status(answer, 401)
    plain = answer.challenge.startswith("Bearer") and "error" not in answer.challenge
    want("a challenge without an error", plain, answer.challenge)


async def _revoked(telling: Telling) -> None:
    window = telling.demo.max_age
    await telling.revoke(telling.token)
    began = time.monotonic()
    telling.note("revoked", f"what the gateway remembers may let it in for {window} s more")
    answer = await telling.call("GET", telling.token)
    let_in = 0
    while answer.status == 200 and time.monotonic() - began < window + PATIENCE:
        let_in += 1
        await asyncio.sleep(0.25)
        answer = await telling.call("GET", telling.token)
    telling.note("let in", f"{let_in} more times, from memory; refused after {time.monotonic() - began:.1f} s")
    telling.told("GET", telling.token, answer)
    _status(answer, 401)
    want("invalid_token", answer.body.get("error") == "invalid_token", answer.body)


async def _server_down(telling: Telling) -> None:
    token = await telling.get_token("read")
    await telling.switch(down=True)
    try:
        answer = await telling.call("GET", token)
    finally:
        await telling.switch(down=False)
    telling.told("GET", token, answer)
    _status(answer, 503)
    want("Retry-After", answer.retry_after.isdigit(), answer.retry_after)
    answer = await telling.call("GET", token)
    telling.note("it is back", f"status {answer.status}")
    _status(answer, 200)


STORY: Story = (
    ("A service gets a token", _a_token),
    ("It calls the API", _from_the_network),
    ("It calls again", _from_memory),
    ("It asks for more than it may", _a_scope_is_missing),
    ("Somebody comes without a token", _no_token),
    ("Somebody goes past the gateway", _past_the_gateway),
    ("The token is revoked", _revoked),
    ("The authorization server is down, and a new token comes", _server_down),
)


def describe(received: dict[str, Any]) -> str:
    """The JWT of a request that the API received: how it begins, and what it says."""
    fields = {name.lower(): value for name, value in received["headers"]}
    header, claims = received["jwt"]["header"], received["jwt"]["claims"]
    begin = fields["authorization"].removeprefix("Bearer ")
    said = {"typ": header.get("typ"), "alg": header.get("alg"), "sub": claims.get("sub"), "scope": claims.get("scope")}
    return f"{begin} {', '.join(f'{name} {value}' for name, value in said.items())}"


def _status(answer: Answer, wanted: int) -> None:
    want(f"status {wanted}", answer.status == wanted, f"{answer.status} {answer.body.get('error', '')}".strip())
