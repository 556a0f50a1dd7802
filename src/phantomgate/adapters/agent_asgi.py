"""The OAuth agent as an ASGI application: ASGI 3 messages in, an `AgentRequest`; an `AgentReply` out, as messages.

Rule: header fields stay apart as they came, the path is that of the whole URL, and a body is read to its bound and no
further.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from phantomgate.adapters.agent_http import MAX_BODY, fields_of, too_long
from phantomgate.adapters.asgi import App, Receive, Scope, Send
from phantomgate.agent.model import AgentReply, AgentRequest
from phantomgate.core.errors import Refused
from phantomgate.core.model import Headers
from phantomgate.session.cookies import AGENT_PATH

Handle: TypeAlias = Callable[[AgentRequest], Awaitable[AgentReply]]


def agent_asgi(handle: Handle) -> App:
    """The application for `http` scopes; others are their server's or framework's business."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"an ASGI scope of type {scope['type']}, want http")
        try:
            body = await read_body(receive)
        except Refused as no:
            await write_reply(await handle(read_request(scope, b"", no)), send)
            return
        if body is not None:
            await write_reply(await handle(read_request(scope, body)), send)

    return app


def read_request(scope: Scope, body: bytes, problem: Refused | None = None) -> AgentRequest:
    """The request of an `http` scope."""
    headers = Headers()
    for name, value in scope["headers"]:
        headers.add(bytes(name), bytes(value))
    client = scope.get("client")
    return AgentRequest(scope["method"], _path(scope), headers, body, str(client[0]) if client else "", problem)


async def read_body(receive: Receive) -> bytes | None:
    """The whole body; None when the client is gone. Raises Refused(MALFORMED_REQUEST) for one that is too long."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            raise too_long()
        if not message.get("more_body", False):
            return b"".join(parts)


async def write_reply(reply: AgentReply, send: Send) -> None:
    """*reply*, as ASGI messages."""
    fields = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in fields_of(reply)]
    fields += [(b"set-cookie", cookie.encode("ascii")) for cookie in reply.cookies]
    if reply.status != 204:  # RFC 9110 §8.6
        fields.append((b"content-length", str(len(reply.body)).encode("ascii")))
    await send({"type": "http.response.start", "status": reply.status, "headers": fields})
    await send({"type": "http.response.body", "body": reply.body})


def _path(scope: Scope) -> str:
    """The path of the URL. Frameworks that mount us give it whole, as ASGI says, or without where they have us."""
    path: str = scope["path"]
    if path.startswith(AGENT_PATH):
        return path
    return str(scope.get("root_path", "")) + path
