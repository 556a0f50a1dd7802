"""ASGI: the scope of an HTTP request or WebSocket as a request to be judged, and what was decided in ASGI's words.

Rule: only what the server itself says of the request is read: method, path and header fields, never a URL that was made
of `Host` or of forwarded fields. The application gets a scope of its own; the server's is left as it was.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple, TypeAlias

from phantomgate.adapters.caller import Caller
from phantomgate.adapters.hops import check_hops
from phantomgate.adapters.routed import routed_path
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Fields, HeaderChange, Headers, Request
from phantomgate.core.typed import hiding

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

STATE = "phantomgate"
"""Where in `scope["state"]` the caller is: `request.state.phantomgate`."""
POLICY_VIOLATION = 1008
"""RFC 6455 §7.4.1; before a WebSocket is accepted, servers answer 403 whatever the code."""

_HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]{0,255}").fullmatch
# `plain_name` in one go
_PLAIN_NAME = bytes(
    ord("-") if char in "_." else ord(char.lower()) if char.isascii() else ord(char) for char in map(chr, range(256))
)


@hiding("fields")
class Rendered(NamedTuple):
    """A `HeaderChange` in bytes: the names that a client may not send, as `plain_name` has them, and our fields."""

    owned: frozenset[bytes]
    fields: tuple[tuple[bytes, bytes], ...]


def read_scope(scope: Scope, *, root_path: str = "", inner_root_path: str = "") -> Request:
    """The request that *scope* describes; a WebSocket is the GET that opens it (RFC 6455 §4.1).

    *root_path* is where the application is said to be; *inner_root_path* is what the application will take for it, in
    place of the server's word. What can't be read comes back with its `problem`.
    """
    headers = Headers()
    fields = headers.fields
    for name, value in scope["headers"]:
        lower = name.lower()
        if lower in fields:
            headers.add(lower, value)
        else:
            fields[lower] = value
    root = (inner_root_path or scope.get("root_path") or "").rstrip("/")
    path, note = routed_path(scope["path"], scope.get("raw_path"), root, root_path.rstrip("/"))
    client = scope.get("client")
    request = Request(
        "GET" if scope["type"] == "websocket" else scope["method"],
        path,
        headers,
        scope.get("query_string", b"").decode("latin-1"),
        str(client[0]) if client else "",
        note=note,
    )
    host = fields.get(b"host", b"")
    # An application that puts a URL together from Host would find another path in it than the one that was judged
    if not _HOST(host) or b"host" in headers.repeated:
        request.problem = Refused(Reason.MALFORMED_REQUEST, "Host is not one plain name with an optional port")
        return request
    request.host = host.decode("ascii")
    if b"connection" in fields or b"upgrade" in fields:
        check_hops(request, we_drop=True)
    return request


def rendered(change: HeaderChange) -> Rendered:
    """*change* in bytes, to be remembered by whoever needs it often."""
    return Rendered(
        frozenset(name.encode("latin-1") for name in change.owned),
        tuple((name.lower().encode("ascii"), value.encode("ascii")) for name, value in change.set),
    )


def write_scope(scope: Scope, request: Request, change: HeaderChange, ours: Rendered, caller: Caller) -> Scope:
    """The scope for the application: our header fields (*ours* is *change* in bytes) instead of the client's, no cookie
    that is not for it, and the caller in its state."""
    owned = ours.owned
    headers = [field for field in scope["headers"] if field[0].translate(_PLAIN_NAME) not in owned]
    if change.cookies is not None:
        headers = [field for field in headers if field[0].translate(_PLAIN_NAME) != b"cookie"]
        left = change.cookies(request.headers)
        headers += [(b"cookie", left)] if left else []
    headers += ours.fields
    return {**scope, "headers": headers, "state": {**scope.get("state", {}), STATE: caller}}


def to_client(message: Message, ours: Fields) -> Message:
    """*message* of the application with *ours* in the head of its answer: then CORS is our business alone."""
    if not ours or message["type"] != "http.response.start":
        return message
    theirs = [field for field in message.get("headers", ()) if not field[0].lower().startswith(b"access-control-")]
    return {**message, "headers": [*theirs, *((name.lower().encode(), value.encode()) for name, value in ours)]}


async def answer(
    scope: Scope, receive: Receive, send: Send, status: int, fields: Iterable[tuple[str, str]], body: bytes
) -> None:
    """Answer instead of the application. A WebSocket that was not accepted yet is denied: with this very answer where
    the server can send one (`websocket.http.response`), else by closing it, which servers answer with 403."""
    prefix = "http"
    if scope["type"] == "websocket":
        if (await receive())["type"] != "websocket.connect":
            return  # gone already
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
            return
        prefix = "websocket.http"
    headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields]
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": f"{prefix}.response.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.response.body", "body": b"" if scope.get("method") == "HEAD" else body})
