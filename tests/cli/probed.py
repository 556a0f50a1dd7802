"""An authorization server in memory, and probes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from issuing import ISS, key_reply, metadata
from phantomgate.cli.probing.finding import Finding, look
from phantomgate.cli.probing.given import Given
from phantomgate.cli.probing.told import told
from phantomgate.cli.probing.words import as_text
from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.testing import reply
from tokens import NOW, jwt

SECRET = "canary-secret-8d1f27c5-long-enough-for-hs256"
TOKEN = "canary-token-0f5b3a64-9d1e-4f3c-8a77-2b6d51c0e9aa"
ENVIRON = {"CANARY": SECRET}
FACTS = {"active": True, "sub": "ann", "scope": "read", "client_id": "web", "iss": ISS, "exp": NOW + 300}
INACTIVE = reply(200, '{"active": false}', content_type="application/json")


def in_json(**facts: Any) -> HttpReply:
    return reply(200, json.dumps(facts), content_type="application/json")


def phantom(form: Mapping[str, str], accept: str) -> HttpReply:
    """A server that has a JWT to give, to those who ask for it."""
    if accept != "application/jwt":
        return in_json(**FACTS) if form["token"] == TOKEN else INACTIVE
    return reply(200, jwt(), content_type="application/jwt") if form["token"] == TOKEN else reply(204)


def plain(form: Mapping[str, str], accept: str) -> HttpReply:
    """A server of RFC 7662 and no more."""
    return in_json(**FACTS) if form["token"] == TOKEN else INACTIVE


@dataclass
class Server:
    """Answers by URL; keeps what it was asked. It is every `Connection`, to count them all."""

    introspect: Callable[[Mapping[str, str], str], HttpReply] = plain
    document: HttpReply = field(default_factory=lambda: metadata(jwks_uri=f"{ISS}/keys"))
    keys: HttpReply = field(default_factory=lambda: key_reply("k1"))
    more: dict[str, HttpReply] = field(default_factory=dict)
    calls: list[HttpCall] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def send(self, call: HttpCall) -> HttpReply:
        self.calls.append(call)
        if call.url in self.more:
            return self.more[call.url]
        if call.url.startswith(f"{ISS}/.well-known/oauth"):
            return self.document
        if call.url == f"{ISS}/keys":
            return self.keys
        if call.url.endswith("/introspect"):
            return self.introspect(self.form(call), dict(call.headers)["Accept"])
        if call.url.startswith(ISS):
            return reply(404)
        raise Unavailable(f"no connection to {call.url}")

    async def close(self) -> None:
        """Nothing is held."""

    @staticmethod
    def form(call: HttpCall) -> dict[str, str]:
        return dict(parse_qsl(call.body.decode()))

    def asked(self, url: str = f"{ISS}/introspect") -> list[HttpCall]:
        """The calls to *url*."""
        return [call for call in self.calls if call.url == url]

    def probe(self, environ: Mapping[str, str] = ENVIRON, **given: Any) -> Finding:
        """What a client of it finds out; whatever is printed holds no secret."""
        words = {"issuer": ISS, "client_id": "gateway", "client_secret": "env:CANARY", **given}
        finding = look(
            Given(**words), environ, lambda ca_file, ours: self, lambda *words: self.said.extend(words), now=lambda: NOW
        )
        self.said.append(text_of(finding))
        self.said.append(json.dumps(told(finding)))
        for said in self.said:
            for canary in (SECRET, TOKEN, jwt(), words.get("token") or SECRET):
                assert canary not in said
        return finding


def text_of(finding: Finding) -> str:
    return as_text(told(finding), lambda kind, text: text)


def said(finding: Finding) -> str:
    """What is printed, on one line."""
    return " ".join(text_of(finding).split())
