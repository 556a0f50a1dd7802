"""Decisions as bytes. What is remembered is rendering: what one token's answers have in common, and what all answers
of one second have in common. Neither is made again because the other changed.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Literal, TypeAlias

from phantomgate.adapters.forward_auth import write_exchange, write_memory
from phantomgate.adapters.refusal import write_refusal
from phantomgate.core.model import Allow, Answer, Decision, Fields, HeaderChange, Headers, Refuse
from phantomgate.core.ports import Clock
from phantomgate.oauth.published import Published

Endpoint: TypeAlias = Literal["decide", "exchange", "preflight"]
"""What we were asked on: `/decide`, `/exchange` or `/preflight`."""

REMEMBERED_ANSWERS = 4096


class Rendering:
    """Renders for one listener; *downstream* is whether others may remember its answers.

    Its state: the fields that go upstream as bytes, by header change (bounded; the oldest goes first), and the current
    second's Date and what may be remembered how long, as bytes.
    """

    def __init__(
        self,
        *,
        realm: str,
        nginx: bool,
        now: Clock,
        ticks: Clock,
        resource_metadata: str = "",
        downstream: bool = True,
    ) -> None:
        self.downstream = downstream
        self.realm = realm
        self.resource_metadata = resource_metadata
        self.nginx = nginx
        self.now = now
        self.ticks = ticks
        self._upstream: OrderedDict[HeaderChange, bytes] = OrderedDict()
        self._client: dict[Fields, bytes] = {}
        self._second = -1
        self._date = b""
        self._memory: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})  # without and with a say of the table

    def answer(self, decision: Decision, asked: Endpoint, headers: Headers) -> tuple[bytes, bytes]:
        """Head and body for any decision; *headers* are those of the request."""
        if isinstance(decision, Refuse):
            return self.refusal(decision)
        if isinstance(decision, Answer) is not (asked == "preflight"):
            # A preflight's answer would be a yes to who asks /decide, and a JWT no answer to a browser
            raise RuntimeError(f"{type(decision).__name__} to /{asked}")
        if isinstance(decision, Answer):
            return self._head(decision.status, decision.headers, 0, self.now()), b""
        return self.exchange(decision) if asked == "exchange" else self.allow(decision, headers)

    def allow(self, allow: Allow, headers: Headers) -> tuple[bytes, bytes]:
        """Head and (empty) body of a 200 to `/decide`; *headers* are those of the request."""
        now = self.now()
        if int(now) != self._second:
            self._next_second(now)
        seconds = allow.lifetime(now, self.ticks()) if self.downstream else 0
        change = allow.upstream
        upstream = self._upstream.get(change)
        if upstream is None:
            if len(self._upstream) >= REMEMBERED_ANSWERS:
                self._upstream.popitem(last=False)
            upstream = self._upstream[change] = _STATUS_LINE[200] + _fields(change.set)
        if change.cookies is not None:
            client = self._client.get(allow.client)
            if client is None:  # there are as many as there are trusted origins
                client = self._client[allow.client] = _fields(allow.client)
            upstream += b"Cookie: %b\r\n%b" % (change.cookies(headers), client)
        of_table = allow.route.of_table
        memory = self._memory[of_table].get(seconds)
        if memory is None:  # for one second, so there are as many as there are different lifetimes
            fields = _fields(write_memory(seconds, of_table=of_table))
            memory = self._memory[of_table][seconds] = fields + b"Content-Length: 0\r\n" + self._date
        return upstream + memory, b""

    def exchange(self, allow: Allow) -> tuple[bytes, bytes]:
        """Head and body of a 200 to `/exchange`."""
        now = self.now()
        fields, body = write_exchange(allow, allow.lifetime(now, self.ticks()) if self.downstream else 0)
        return self._head(200, fields, len(body), now), body

    def refusal(self, refuse: Refuse) -> tuple[bytes, bytes]:
        """Head and body of any refusal."""
        refusal = write_refusal(refuse, self.realm, self.nginx, resource_metadata=self.resource_metadata)
        return self._head(refusal.status, refusal.headers, len(refusal.body), self.now()), refusal.body

    def published(self, document: Published) -> tuple[bytes, bytes]:
        """Head and body of what anybody may read."""
        return self._head(200, document.fields, len(document.body), self.now()), document.body

    def plain(self, status: int, allow: str = "GET, POST") -> tuple[bytes, bytes]:
        """Head and body for what is no decision: a path (404) or method (405; *allow* are ours) that we don't have."""
        phrase = HTTPStatus(status).phrase
        body = json.dumps({"error": phrase.lower().replace(" ", "_"), "error_description": phrase}).encode("ascii")
        fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if status == 405:
            fields.append(("Allow", allow))
        return self._head(status, fields, len(body), self.now()), body

    def _head(self, status: int, fields: Iterable[tuple[str, str]], length: int, now: float) -> bytes:
        if int(now) != self._second:
            self._next_second(now)
        framing = b"" if status == 204 else b"Content-Length: %d\r\n" % length  # RFC 9110 §8.6
        return b"%b%b%b%b" % (_STATUS_LINE[status], _fields(fields), framing, self._date)

    def _next_second(self, now: float) -> None:
        self._second = int(now)
        self._date = f"Date: {formatdate(now, usegmt=True)}\r\n\r\n".encode("ascii")
        for memory in self._memory:
            memory.clear()


def _fields(fields: Iterable[tuple[str, str]]) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in fields]).encode("ascii")


_STATUS_LINE = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus}


def closing(head: bytes) -> bytes:
    """*head* of an answer after which the connection ends (RFC 9112 §9.6)."""
    return head[:-2] + b"Connection: close\r\n\r\n"
