"""The proxy's own server, for a worker: aiohttp's, with our refusals, our limits and our drain.

Rule: whatever aiohttp can't read is refused in the same words as anything else, and nothing of it is repeated, in no
answer and in no log. A head that doesn't come to its end in time, or in too many bytes, ends its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage

from phantomgate.backends.blocking import finish
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request
from phantomgate.servers.listener import Limits
from phantomgate.servers.proxy import SERVER_OPTIONS, Proxy, Terms

POLL_SECONDS = 0.02


class Connection(web.RequestHandler):
    """One client. Its state, besides aiohttp's: how old and how long the head is that it is sending."""

    def __init__(self, listener: ProxyListener, **options: Any) -> None:
        super().__init__(listener.server, loop=asyncio.get_running_loop(), **options)
        self._listener = listener
        self._head_bytes = 0
        self._head_age = 0.0

    @property
    def idle(self) -> bool:
        """Whether no request is being answered, waits, or is being sent."""
        return self._is_between() and not self._head_bytes

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it; bytes while no request is there are bytes of a head."""
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._fail_body()
        if data and self._is_between():
            self._head_bytes += len(data)
            if self._head_bytes > self._listener.limits.max_header_bytes:
                self.force_close()
        else:
            self._head_bytes, self._head_age = 0, 0.0

    def grow_older(self, seconds: float) -> None:
        """*seconds* went by; idle connections are aiohttp's to close."""
        if self._head_bytes:
            self._head_age += seconds
            if self._head_age > self._listener.limits.header_timeout:
                self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes what was received
    ) -> web.StreamResponse:
        """As aiohttp calls it for what is no HTTP (400) and for our bugs; the answer."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way")  # aiohttp closes then
        problem = Refused(Reason.SERVER_ERROR) if status != 400 else Refused(Reason.MALFORMED_REQUEST, "not HTTP/1.1")
        problem.__cause__ = exc
        asked = Request("", "", Headers(), peer=request.remote or "unix", problem=problem)
        answer = finish(self._listener.proxy.refuse(request, asked))  # nothing has to be waited for to refuse
        answer.force_close()
        return answer

    def _fail_body(self) -> None:
        """What came is no HTTP: aiohttp will say so after the present request, which it leaves waiting for its body."""
        if self._current_request is not None and not self._current_request.content.is_eof():
            self._current_request.content.set_exception(web.RequestPayloadError("not HTTP/1.1"))

    def _is_between(self) -> bool:
        """Whether aiohttp waits for the head of a request, and for nothing else."""
        return self._waiter is not None and not self._waiter.done()


class ProxyListener:
    """What a worker listens with when it is the gateway itself. Its state is the server's set of connections."""

    def __init__(self, proxy: Proxy, limits: Limits | None = None) -> None:
        self.proxy = proxy
        self.limits = limits or Limits()
        self.server = web.Server(proxy.handle, handler_cancellation=SERVER_OPTIONS["handler_cancellation"])

    @property
    def connections(self) -> Collection[object]:
        """The open connections."""
        return self.server.connections

    def protocol(self) -> Connection:
        """A protocol for one more connection."""
        limits = self.limits
        return Connection(
            self,
            auto_decompress=SERVER_OPTIONS["auto_decompress"],
            keepalive_timeout=limits.idle_timeout,
            lingering_time=2.0,
            max_line_size=limits.max_header_bytes,
            max_field_size=limits.max_header_bytes,
            max_headers=limits.max_headers,
            access_log=None,
        )

    def adopt(self, terms: Terms, limits: Limits) -> None:
        """Go by *terms* from the next request on, and by *limits* on connections that come from now on."""
        self.proxy.adopt(terms)
        self.limits = limits

    def sweep(self, seconds: float) -> None:
        """*seconds* have passed: close what is too slow."""
        for connection in self._all():
            connection.grow_older(seconds)

    def last_call(self) -> None:
        """Every answer from now on ends its connection."""
        self.proxy.ending = True

    def begin_drain(self) -> None:
        """Tell WebSockets that we go, and close what is idle."""
        self.proxy.tunnels.end()
        self._close_idle()

    async def drained(self, deadline: float) -> bool:
        """Whether every connection ended by itself within *deadline* seconds; those that did not are cut off."""
        for _ in range(int(deadline / POLL_SECONDS)):
            if not self.connections:
                return True
            self._close_idle()  # answers that were under way at the last call have kept their connection
            await asyncio.sleep(POLL_SECONDS)
        whole = not self.connections
        await self.server.shutdown(POLL_SECONDS)  # 0 would mean for ever
        return whole

    def _close_idle(self) -> None:
        for connection in self._all():
            if connection.idle:
                connection.force_close()

    def _all(self) -> list[Connection]:
        return [connection for connection in self.server.connections if isinstance(connection, Connection)]
