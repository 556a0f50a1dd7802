"""Decisions as bytes. What is remembered is rendering: the same token and seconds give the same header bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus

from phantomgate.adapters.forward_auth import write_allow, write_exchange
from phantomgate.adapters.refusal import write_refusal
from phantomgate.core.model import Allow, HeaderChange, Refuse
from phantomgate.core.ports import Clock

REMEMBERED_ANSWERS = 4096


class Rendering:
    """Renders for one listener. Its state: header bytes by header change and remaining seconds, bounded, and started
    anew when full.
    """

    def __init__(self, *, realm: str, nginx: bool, now: Clock, ticks: Clock) -> None:
        self.realm = realm
        self.nginx = nginx
        self.now = now
        self.ticks = ticks
        self._allowed: dict[HeaderChange, tuple[int, bytes]] = {}

    def allow(self, allow: Allow) -> tuple[bytes, bytes]:
        """Head and (empty) body of a 200 to `/decide`."""
        now = self.now()
        seconds = allow.token.lifetime(now, self.ticks())
        change = allow.upstream
        known = self._allowed.get(change)
        if known is not None and known[0] == seconds:
            return known[1], b""
        head = _head(200, write_allow(allow, seconds), 0, now)
        if seconds > 0:  # at 0 the second is not told by the number, and Date would stand still
            if len(self._allowed) >= REMEMBERED_ANSWERS:
                self._allowed.clear()
            self._allowed[change] = (seconds, head)
        return head, b""

    def exchange(self, allow: Allow) -> tuple[bytes, bytes]:
        """Head and body of a 200 to `/exchange`."""
        now = self.now()
        fields, body = write_exchange(allow, allow.token.lifetime(now, self.ticks()))
        return _head(200, fields, len(body), now), body

    def refusal(self, refuse: Refuse) -> tuple[bytes, bytes]:
        """Head and body of any refusal."""
        refusal = write_refusal(refuse, self.realm, self.nginx)
        return _head(refusal.status, refusal.headers, len(refusal.body), self.now()), refusal.body

    def plain(self, status: int) -> tuple[bytes, bytes]:
        """Head and body for what is no decision: a path (404) or method (405) that we don't have."""
        phrase = HTTPStatus(status).phrase
        body = json.dumps({"error": phrase.lower().replace(" ", "_"), "error_description": phrase}).encode("ascii")
        fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if status == 405:
            fields.append(("Allow", "GET, POST"))
        return _head(status, fields, len(body), self.now()), body


def _head(status: int, fields: Iterable[tuple[str, str]], length: int, now: float) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields]
    lines += [f"Content-Length: {length}", f"Date: {formatdate(now, usegmt=True)}", "", ""]
    return "\r\n".join(lines).encode("ascii")


def closing(head: bytes) -> bytes:
    """*head* of an answer after which the connection ends (RFC 9112 §9.6)."""
    return head[:-2] + b"Connection: close\r\n\r\n"
