"""Events for tests, and a function that answers them beside a scripted authorization server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from phantomgate.config.log import LogLine
from phantomgate.core.ports import HttpReply
from phantomgate.servers.authorizer import Authorizer
from phantomgate.testing import FakeClock, FakeHttp, reply
from tokens import jwt

SAMPLES = Path(__file__).parent / "vectors" / "aws_events"
TOKEN = "_0XBPWQQ_453276e9-6b2f-4a53-9a3b-5f1d6f8f0c11"
"""The token of every sample event."""
SECRET = "canary-secret-71c0a1d2"
ENVIRON = {
    "PHANTOMGATE__INTROSPECTION__ENDPOINT": "https://as.example/introspect",
    "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "gateway",
    "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:CANARY",
    "CANARY": SECRET,
}


def sample(name: str, **changes: Any) -> dict[str, Any]:
    """A sample event, with *changes*; `...` drops a key."""
    event = {**json.loads((SAMPLES / f"{name}.json").read_text()), **changes}
    return {key: value for key, value in event.items() if value is not ...}


def rest(method: str, path: str, token: str = TOKEN) -> dict[str, Any]:
    """A TOKEN event for *path*."""
    arn = f"arn:aws:execute-api:eu-west-1:123456789012:abc/prod/{method}{path}"
    return {"type": "TOKEN", "methodArn": arn, "authorizationToken": f"Bearer {token}"}


def http_2(
    method: str, path: str, route_key: str = "$default", identities: Any = ..., **changes: Any
) -> dict[str, Any]:
    """An event of payload 2.0."""
    credential = f"Bearer {TOKEN}"
    arn = f"arn:aws:execute-api:eu-west-1:123456789012:abc/$default/{method}{path}"
    identities = [credential] if identities is ... else identities
    headers = {"authorization": credential}
    event = {"routeArn": arn, "rawPath": path, "routeKey": route_key, "identitySource": identities, "headers": headers}
    return sample("http_v2", **event, **changes)


def answers(**claims: object) -> HttpReply:
    """A server's answer about an active token."""
    return reply(200, jwt(**claims), content_type="application/jwt")


INACTIVE = reply(204)


class Lambda:
    """A function in *environ* whose authorization server gives *answer*; keeps what was asked and logged."""

    def __init__(
        self, answer: Any = None, environ: dict[str, str] | None = None, clock: FakeClock | None = None, **more: str
    ):
        self.environ = {**(ENVIRON if environ is None else environ), **more}
        self.http = FakeHttp(answers() if answer is None else answer)
        self.lines: list[LogLine] = []
        clock = clock or FakeClock()
        self.authorizer = Authorizer(
            lambda: self.environ, write=self.lines.append, now=clock.now, ticks=clock.ticks, http=self.http
        )

    def __call__(self, event: object) -> dict[str, Any]:
        answer = self.authorizer.answer(event)
        return json.loads(json.dumps(answer))  # what AWS gets

    @property
    def log(self) -> str:
        return b"".join(line.encode() for line in self.lines).decode()


def routes(*rules: tuple[str, str, str]) -> dict[str, str]:
    """[[routes]] as a variable: (methods, path, scopes)."""
    table = [{"methods": methods.split(), "path": path, "scopes": scopes.split()} for methods, path, scopes in rules]
    return {"PHANTOMGATE__ROUTES": json.dumps(table)}
