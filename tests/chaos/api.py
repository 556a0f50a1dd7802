"""The API behind the gateways: it lets everybody in and tells the client whose JWT arrived.

So that a request that was let in with somebody else's JWT, with none, or with the opaque token itself is seen.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from typing import cast

_AUTHORIZATION = re.compile(rb"\r\nauthorization: Bearer ([^\r\n]*)\r\n", re.IGNORECASE)
_USER = re.compile(rb"\r\nx-user: ([^\r\n]*)\r\n", re.IGNORECASE)


class Api(asyncio.Protocol):
    """One connection from a gateway; requests have no body."""

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            body = whose(head + b"\r\n").encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def whose(head: bytes) -> str:
    """The subject of the JWT in *head* if `X-User` says the same; else what is wrong with it."""
    tokens, users = _AUTHORIZATION.findall(head), _USER.findall(head)
    if len(tokens) != 1 or len(users) != 1:
        return f"{len(tokens)} tokens, {len(users)} users"
    try:
        _, claims, _ = tokens[0].split(b".")
        subject = json.loads(base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4)))["sub"]
    except (ValueError, KeyError, binascii.Error):
        return "no JWT"
    return subject if subject == users[0].decode() else "another user"


async def serve() -> tuple[asyncio.Server, int]:
    """The server, and its port."""
    server = await asyncio.get_running_loop().create_server(Api, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]
