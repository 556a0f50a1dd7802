"""WebSockets through the proxy: two connections, and every message from the one sent on the other.

Rule: the API accepts first; only then do we accept, with the subprotocol it chose. Pings, pongs and the closing code
go through as they are, so each end learns what the other said. Compression is a matter of one connection and ends here.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

MAX_MESSAGE = 16 * 1024 * 1024
CLOSE_SECONDS = 5.0

End: TypeAlias = "aiohttp.ClientWebSocketResponse | web.WebSocketResponse"


class Refusing(Exception):
    """The API answered the handshake with *status* instead of accepting it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Tunnels:
    """The WebSockets of one proxy. Its state: those that are open."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[tuple[int, bytes]]] = set()
        self._ending = False

    def end(self) -> None:
        """Tell every open WebSocket that we go away (RFC 6455 §7.4.1: 1001)."""
        self._ending = True
        for relaying in self._open:
            relaying.cancel()

    async def open(
        self, request: web.BaseRequest, session: aiohttp.ClientSession, url: URL, fields: CIMultiDict[str]
    ) -> web.StreamResponse:
        """Be a WebSocket between the client of *request* and *url* until one of them closes."""
        wanted = [
            name.strip() for line in request.headers.getall("Sec-WebSocket-Protocol", ()) for name in line.split(",")
        ]
        try:
            upstream = await session.ws_connect(
                url,
                headers=fields,
                protocols=[name for name in wanted if name],
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                autoping=False,
                autoclose=False,
                max_msg_size=MAX_MESSAGE,
            )
        except aiohttp.WSServerHandshakeError as no:
            raise Refusing(no.status if no.status >= 400 else 502) from no
        async with upstream:
            client = web.WebSocketResponse(
                protocols=[upstream.protocol] if upstream.protocol else (),
                timeout=CLOSE_SECONDS,
                autoping=False,
                autoclose=False,
                compress=False,
                max_msg_size=MAX_MESSAGE,
            )
            await client.prepare(request)
            code, reason = await self._relay(client, upstream)
            await asyncio.gather(client.close(code=code, message=reason), upstream.close(code=code, message=reason))
        return client

    async def _relay(self, client: End, upstream: End) -> tuple[int, bytes]:
        """Pass messages on, both ways, until one side closes; the code and reason that it gave."""
        if self._ending:
            return WSCloseCode.GOING_AWAY, b""
        both = [asyncio.ensure_future(_pass_on(client, upstream)), asyncio.ensure_future(_pass_on(upstream, client))]
        self._open.update(both)
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.difference_update(both)
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        first = done.pop()
        if first.cancelled() or first.exception() is not None:
            return WSCloseCode.GOING_AWAY, b""
        return first.result()


async def _pass_on(source: End, sink: End) -> tuple[int, bytes]:
    """Send what comes from *source* on to *sink* until *source* closes; the code and reason to close with."""
    while True:
        message = await source.receive()
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        elif message.type is WSMsgType.PING:
            await sink.ping(message.data)
        elif message.type is WSMsgType.PONG:
            await sink.pong(message.data)
        elif message.type is WSMsgType.CLOSE:
            return message.data or WSCloseCode.OK, (message.extra or "").encode()
        else:  # closed without a word, or something that is no WebSocket message
            return source.close_code or WSCloseCode.GOING_AWAY, b""
