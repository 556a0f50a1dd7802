"""An HTTP/1.1 request as both back ends send it: the header fields, the bytes.

Rule: nothing is escaped, repaired or guessed; what could be read as another request than the one that was meant is a
ValueError. Values are secret and never part of an error.
"""

from __future__ import annotations

from phantomgate.core.characters import TCHAR, only, printable
from phantomgate.core.ports import HttpCall
from phantomgate.oauth.urls import Origin, split_url

__all__ = ["Origin", "request_bytes", "request_fields", "split_url"]

_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer",
                   "upgrade", "expect", "keep-alive", "proxy-connection"})  # fmt: skip
_FRAMED_OTHERWISE = frozenset({"HEAD", "CONNECT"})  # RFC 9112 §6.3: their replies have no body of their own


def request_fields(call: HttpCall, origin: Origin) -> list[tuple[str, str]]:
    """The header fields of *call*, framing included. Raises ValueError for any that could make two requests of one."""
    if not _is_token(call.method) or call.method in _FRAMED_OTHERWISE:
        raise ValueError("the method is not a token, or one whose reply has no body")
    fields = [("Host", origin.authority)]
    named = {"user-agent": False}
    for name, value in call.headers:
        lower = name.lower()
        if not _is_token(name):
            raise ValueError("a header's name is not a token")
        if lower in _OURS:
            raise ValueError(f"the header {name} is for the HTTP client to set")
        if not _is_value(value):
            raise ValueError(f"the value of the header {name} holds a character that no header can carry")
        named[lower] = True
        fields.append((name, value))
    if not named["user-agent"]:
        fields.append(("User-Agent", "phantomgate"))
    fields += [("Accept-Encoding", "identity"), ("Connection", "keep-alive")]
    if call.body or call.method in ("POST", "PUT", "PATCH"):  # RFC 9110 §8.6
        fields.append(("Content-Length", str(len(call.body))))
    return fields


def _is_token(text: str) -> bool:
    """RFC 9110 §5.6.2."""
    return bool(text) and only(text, TCHAR)


def _is_value(text: str) -> bool:
    """The ASCII part of RFC 9110 §5.5: visible characters, with spaces and tabs inside only."""
    return printable(text.replace("\t", " ")) and text == text.strip(" \t")


def request_bytes(call: HttpCall, origin: Origin, target: str) -> bytes:
    """*call* as it goes over the wire (RFC 9112 §3 and §5)."""
    lines = [f"{call.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request_fields(call, origin)]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + call.body
