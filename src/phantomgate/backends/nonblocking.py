"""The back ends that wait on an event loop: HTTP on aiohttp; single-flight is in `single_flight.py`.

Rule: aiohttp finds, secures, pools and writes to connections, and `ReplyReader` alone says what a reply is. aiohttp's
own parser is lenient with servers (bare LF, folded fields, any number of 1xx); here it sees only bytes that the strict
one has taken, so that both families of back ends accept the same replies and fail in the same words.
"""

from __future__ import annotations

import asyncio
import functools
import select
from contextvars import ContextVar
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from phantomgate.backends import http_trouble as trouble
from phantomgate.backends.http_reply import MAX_SECTION, ReplyReader
from phantomgate.backends.http_request import Origin, request_fields, split_url
from phantomgate.backends.single_flight import SingleFlight
from phantomgate.backends.tls import client_context
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.ports import HttpCall, HttpReply

__all__ = ["AiohttpHttp", "SingleFlight"]

_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Fields that aiohttp would add of its own; what we send is `request_fields` and nothing else."""
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""aiohttp's timeouts are for each step; ours is one deadline around them all."""


class _Exchange:
    """One call under way. State: its reader, what that refused, and how its connection was had."""

    __slots__ = ("origin", "reader", "refused", "repeat", "retried", "reused", "unsent")

    def __init__(self, origin: Origin, call: HttpCall) -> None:
        self.origin = origin
        self.reader = ReplyReader(call.max_bytes)
        self.repeat = call.repeat
        self.refused: Refused | None = None
        self.reused = False
        self.retried = False
        self.unsent = False
        """Whether its connection was given up before anything was written."""

    def may_retry(self) -> bool:
        """Whether the server ended an idle connection before it gave us anything, as it may (RFC 9112 §9.3.1).

        True once; and whenever nothing was sent, since it may have ended all that were idle, and each is gone then.
        """
        reused, self.reused = self.reused, False  # the next attempt may not even come to a connection
        if reused and self.unsent:
            return True
        once_more = reused and self.repeat and not self.reader.begun and not self.retried
        self.retried = True
        return once_more

    def failure(self, why: Exception) -> Refused:
        """What to raise for *why*, an error of aiohttp, whose own text may quote what was received."""
        if self.refused is not None:
            return self.refused
        if isinstance(why, aiohttp.ClientConnectorDNSError):
            return trouble.no_address(self.origin, why.os_error)
        if isinstance(why, aiohttp.ClientConnectorCertificateError):
            return trouble.no_tls(self.origin, why.certificate_error)
        if isinstance(why, aiohttp.ClientConnectorSSLError):
            return trouble.no_tls(self.origin, why.os_error)
        if isinstance(why, aiohttp.ClientConnectorError):
            return trouble.no_connection(self.origin, why.os_error)
        if isinstance(why, aiohttp.ClientResponseError):
            return Refused(Reason.BAD_ANSWER, "aiohttp can't read what the strict reader took")
        return trouble.cut_off(self.origin, self.reader.begun, (isinstance(why, OSError) and why.strerror) or "")


_exchange: ContextVar[_Exchange] = ContextVar("_exchange")
"""The call that is being sent: aiohttp has no other way to tell a connection for whom it works."""


class _StrictProtocol(ResponseHandler):
    """aiohttp's end of a connection, behind the strict reader. State: the exchange that it carries, if any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._now: _Exchange | None = None
        self._served = False

    def set_response_params(self, **params: Any) -> None:
        """Called by aiohttp before each request on this connection."""
        exchange = self._now = _exchange.get()
        exchange.reused, self._served = self._served, True
        exchange.unsent = exchange.reused and not self._is_quiet()
        if exchange.unsent:
            self._drop()
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Bytes from the server; none at all when aiohttp resumes after a pause."""
        if not data:
            super().data_received(data)
        elif self._now is None:  # nobody asked for anything
            self._drop()
        else:
            self._read(data, self._now)

    def _read(self, data: bytes, exchange: _Exchange) -> None:
        try:
            surplus = exchange.reader.feed(data)
        except Refused as no:
            exchange.refused = no
            self._drop()
            return
        if exchange.reader.reply is not None:
            self._now = None
            if not exchange.reader.reusable:
                self.force_close()
        super().data_received(data[: len(data) - len(surplus)])

    def _is_quiet(self) -> bool:
        """Whether nothing has come that the loop has not yet told us of: an end, or bytes that nobody asked for."""
        if self.transport is None:
            return False
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket"), select.POLLIN)
        return not poll.poll(0)

    def _drop(self) -> None:
        self.force_close()
        if self.transport is not None:
            self.transport.abort()


class _StrictConnector(aiohttp.TCPConnector):
    """aiohttp's pool, of strict connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        make = functools.partial(_StrictProtocol, loop=self._loop)
        self._factory = cast("functools.partial[ResponseHandler]", make)


class AiohttpHttp:
    """An `Http` on one event loop. State: the session with its pool of connections, made at the first call.

    *connections* bounds how many are open at a time, others wait within their deadline; *idle_seconds* is how long one
    is kept unused; *ca_file* and *certificate* as in `tls.client_context`; *resolver* is the system's unless given.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        certificate: tuple[str, str] | None = None,
        connections: int = 100,
        idle_seconds: float = 30.0,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._context = client_context(ca_file, certificate)
        self._connections = connections
        self._idle_seconds = idle_seconds
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(self, call: HttpCall) -> HttpReply:
        """The reply to *call*, as `Http.send`. Raises ValueError when *call* can't be sent as it is."""
        if self._closed:
            raise Unavailable("shutting down")
        origin, _ = split_url(call.url)
        fields = request_fields(call, origin)
        exchange = _Exchange(origin, call)
        try:
            async with asyncio.timeout(call.timeout):
                await self._carry(call, fields, exchange)
        except TimeoutError:
            raise trouble.too_late(origin, call.timeout) from None
        except (aiohttp.ClientError, OSError) as why:
            raise exchange.failure(why) from None
        if exchange.reader.reply is None:  # aiohttp has found a way past the strict reader: then nothing goes
            raise Refused(Reason.BAD_ANSWER, "aiohttp took for a reply what the strict reader did not")
        return exchange.reader.reply

    async def close(self) -> None:
        """Close every connection, and refuse whatever comes later."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _carry(self, call: HttpCall, fields: list[tuple[str, str]], exchange: _Exchange) -> None:
        """Send *call* and wait until `exchange` has read the whole reply."""

        async def answer(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
            # A middleware, since aiohttp repeats requests by a wider rule of its own if it sees its own errors.
            while True:
                try:
                    return await handler(request)
                except (aiohttp.ClientError, OSError) as why:
                    if not exchange.may_retry():
                        raise exchange.failure(why) from None

        if self._session is None:
            self._session = self._open()
        mine = _exchange.set(exchange)
        try:
            async with self._session.request(
                call.method,
                URL(call.url, encoded=True),
                headers=fields,
                data=call.body or None,
                allow_redirects=False,
                middlewares=(answer,),
            ) as response:
                await response.read()
        finally:
            _exchange.reset(mine)

    def _open(self) -> aiohttp.ClientSession:
        connector = _StrictConnector(
            ssl=self._context,
            limit=self._connections,
            keepalive_timeout=self._idle_seconds,
            resolver=self._resolver or aiohttp.ThreadedResolver(),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMEOUT,
            skip_auto_headers=_AUTOMATIC,
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_SECTION,  # the strict reader's bounds come first; that on fields is below aiohttp's
            max_field_size=MAX_SECTION,
        )
