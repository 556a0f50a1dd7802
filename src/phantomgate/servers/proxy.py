"""The reverse proxy: phantomgate as the gateway itself, in front of one API.

Rule: nothing reaches the API that was not allowed, and what reaches it is the request that was judged. Bodies are
passed on as they come, both ways, never collected; whoever is slow slows the other side down, and whoever leaves ends
the request on the other side.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from phantomgate.adapters.proxied import read_proxied, wants_websocket
from phantomgate.adapters.proxy import to_client, to_upstream, write_trouble
from phantomgate.adapters.refusal import Refusal, write_refusal
from phantomgate.config.log import Level, Log, kinds_of
from phantomgate.config.observe import Metrics
from phantomgate.core.model import Answer, Decision, Fields, Headers, Refuse, Request
from phantomgate.oauth.published import Published
from phantomgate.servers.tunnel import Refusing, Tunnels

CONNECT_SECONDS = 5.0
STALL_SECONDS = 60.0
"""How long the API may take for the first piece of its answer, and either side for the next piece of a body."""
CHUNK = 65536
MAX_ANSWER_FIELD = 65536

SERVER_OPTIONS: dict[str, Any] = {
    "auto_decompress": False,  # a body goes on as it came, and so does its Content-Encoding
    "handler_cancellation": True,  # a client that leaves takes its request with it
    "max_field_size": 65536,
    "max_line_size": 65536,
}
"""How an aiohttp server must be run for its requests to be forwarded: `web.AppRunner(app, **SERVER_OPTIONS)`."""

_R = TypeVar("_R", bound=web.StreamResponse)
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Decides(Protocol):
    """The part of a `Gateway` that a proxy needs."""

    async def decide(self, request: Request) -> Decision:
        """Whatever goes wrong, the request is refused."""
        ...


def reverse_proxy(gateway: Decides, upstream: str, **options: Any) -> web.Application:
    """An application that forwards every request it is mounted for; *options* as for `Proxy`. Run it as said there."""
    app = web.Application()

    async def proxied(_: web.Application) -> AsyncIterator[None]:
        yield
        await proxy.close()

    proxy = Proxy(gateway, upstream, **options)
    app.cleanup_ctx.append(proxied)
    app.router.add_route("*", "/{whatever:.*}", proxy.handle)
    return app


@dataclass(frozen=True, slots=True)
class Terms:
    """What one request is judged, forwarded and answered by: all of it from the same settings. As for `Proxy`."""

    gateway: Decides
    upstream: str
    owned: Collection[str] = ()
    realm: str = "api"
    max_header_bytes: int = 65536
    published: Mapping[str, Published] = field(default_factory=dict)
    resource_metadata: str = ""
    max_headers: int = 128

    def url(self, target: str) -> URL:
        """Where *target* is at the API, as it was judged: nothing in it is decoded, encoded or resolved.

        The query goes along as part of the path, which keeps even an empty one. Raises ValueError otherwise.
        """
        origin = URL(self.upstream, encoded=True)
        whole = origin.raw_path.rstrip("/") + target
        url = URL.build(scheme=origin.scheme, authority=origin.raw_authority, path=whole, encoded=True)
        if url.raw_path_qs != whole:
            raise ValueError("the URL library has changed the target")
        return url


class Proxy:
    """A handler for aiohttp that decides, and forwards what is allowed to *upstream* ("http://127.0.0.1:8080").

    Its state: the pool of connections to the API, the WebSockets that are open, and whether we are to end. Make it
    within a running loop, let a server with `SERVER_OPTIONS` call `handle`, and `close` it. *owned* are the fields
    that `gateway` sets besides Authorization; *published* is what is answered here for anybody, by path;
    *resource_metadata* is the URL for challenges, or empty.
    """

    def __init__(
        self,
        gateway: Decides,
        upstream: str,
        *,
        owned: Collection[str] = (),
        realm: str = "api",
        metrics: Metrics | None = None,
        log: Log | None = None,
        max_header_bytes: int = 65536,
        connect_seconds: float = CONNECT_SECONDS,
        stall_seconds: float = STALL_SECONDS,
        published: Mapping[str, Published] = MappingProxyType({}),
        resource_metadata: str = "",
        max_headers: int = 128,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.terms = Terms(gateway, upstream, owned, realm, max_header_bytes, published, resource_metadata, max_headers)
        self.ending = False
        self.tunnels = Tunnels()
        self._metrics = metrics or Metrics()
        self._log = log
        self._stall = stall_seconds
        self._random = random
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15.0),
            cookie_jar=aiohttp.DummyCookieJar(),  # one client's cookies are no other's
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=stall_seconds),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_AUTOMATIC,
            read_bufsize=CHUNK,
            max_line_size=MAX_ANSWER_FIELD,
            max_field_size=MAX_ANSWER_FIELD,
        )

    def adopt(self, terms: Terms) -> None:
        """Go by *terms* from the next request on; what has begun ends by those that it began with."""
        self.terms = terms

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Decide *request*, and answer with the refusal or with what the API says."""
        self._metrics.in_flight += 1
        try:
            return await self._handle(request)
        finally:
            self._metrics.in_flight -= 1

    async def refuse(self, request: web.BaseRequest, asked: Request) -> web.StreamResponse:
        """The answer to a request that can't be read; it is decided like any other, and so counted and logged."""
        terms = self.terms
        decision = await terms.gateway.decide(asked)
        if not isinstance(decision, Refuse):
            raise RuntimeError("an unreadable request was allowed")
        return self._answer(request, _refusal(terms, decision))

    async def close(self) -> None:
        """Give back the connections to the API."""
        await self._session.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        terms = self.terms
        document = terms.published.get(request.raw_path) if request.method in ("GET", "HEAD") else None
        if document is not None:
            return self._last_words(request, web.Response(body=document.body, headers=CIMultiDict(document.fields)))
        asked = read_proxied(
            request.method,
            request.raw_path,
            Headers.of(request.raw_headers),
            peer=request.remote or "unix",
            limit=terms.max_header_bytes,
            most=terms.max_headers,
            owned=terms.owned,
        )
        decision = await terms.gateway.decide(asked)
        if isinstance(decision, Refuse):
            return self._answer(request, _refusal(terms, decision))
        if isinstance(decision, Answer):
            return self._answer(request, Refusal(decision.status, decision.headers, b""))
        url, fields = terms.url(request.raw_path), CIMultiDict(to_upstream(asked, decision.upstream))
        body = _Body(request, self._stall) if request.can_read_body else None
        try:
            if wants_websocket(asked):
                return await self.tunnels.open(request, self._session, url, fields)
            upstream = await self._session.request(
                request.method, url, headers=fields, data=body and body.pieces(), allow_redirects=False
            )
        except Refusing as no:
            return self._last_words(request, web.Response(status=no.status))
        except (aiohttp.ClientError, OSError) as no:  # a timeout is one too
            if body is not None and body.failed:
                return self._last_words(request, web.Response(status=400))
            return self._trouble(request, asked, _kind(no), no, decision.client)
        async with upstream:
            if upstream.status < 200:  # we asked for no other protocol
                return self._trouble(request, asked, "broken", None, decision.client)
            return await self._pass_back(request, upstream, decision.client)

    async def _pass_back(
        self, request: web.BaseRequest, upstream: aiohttp.ClientResponse, client: Fields
    ) -> web.StreamResponse:
        """The API's answer, piece by piece. Half an answer is cut off, so that nobody takes it for a whole one."""
        answer = web.StreamResponse(status=upstream.status, reason=upstream.reason)
        answer.headers.extend(to_client(upstream.raw_headers, client))
        self._last_words(request, answer)
        try:
            await answer.prepare(request)
            while piece := await _next_piece(upstream):
                async with asyncio.timeout(self._stall):
                    await answer.write(piece)
        except _Broken:
            self._metrics.upstream_failures["broken"] += 1
            _cut(request)
        except OSError:  # the client is gone, or has not read for too long
            _cut(request)
        return answer

    def _answer(self, request: web.BaseRequest, refusal: Refusal) -> web.Response:
        answer = web.Response(status=refusal.status, body=refusal.body, headers=CIMultiDict(refusal.headers))
        return self._last_words(request, answer)

    def _last_words(self, request: web.BaseRequest, answer: _R) -> _R:
        """*answer*, which ends its connection where nothing good can follow it there."""
        answer.headers.setdefault("Server", "phantomgate")  # aiohttp would tell its version
        # Nobody will read the rest of a body, and aiohttp loses what comes right behind an upgrade that was declined.
        # And it takes the last field after a chunked body for the first of the next request, whoever's that may be.
        fields = request.headers
        if self.ending or request.can_read_body or "Upgrade" in fields or "Transfer-Encoding" in fields:
            answer.force_close()
        return answer

    def _trouble(
        self, request: web.BaseRequest, asked: Request, kind: str, error: Exception | None, client: Fields
    ) -> web.Response:
        """The answer when the API failed; counted, and one line in the log."""
        self._metrics.upstream_failures[kind] += 1
        number = self._random(8).hex()
        if self._log is not None:
            cause = kinds_of(error) if error else ""
            told = {"kind": kind, "decision": number, "method": asked.method, "path": asked.path, "cause": cause}
            self._log.say(Level.ERROR, "upstream_failed", **told)
        return self._answer(request, write_trouble(kind, number, client))


class _Body:
    """The client's body on its way to the API. Its state: whether the client stopped in the middle of it."""

    def __init__(self, request: web.BaseRequest, seconds: float) -> None:
        self.failed = False
        self._request = request
        self._seconds = seconds

    async def pieces(self) -> AsyncIterator[bytes]:
        """What comes, as it comes, while each piece comes in time."""
        request = self._request
        if request.headers.get("Expect", "").lower() == "100-continue" and not isinstance(request, web.Request):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # that was no part of the answer
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    piece = await request.content.readany()
            except Exception:
                self.failed = True
                raise
            if not piece:
                return
            yield piece


class _Broken(Exception):
    """The API's answer ended before it was whole."""


def _refusal(terms: Terms, refuse: Refuse) -> Refusal:
    return write_refusal(refuse, terms.realm, resource_metadata=terms.resource_metadata)


async def _next_piece(upstream: aiohttp.ClientResponse) -> bytes:
    try:
        return await upstream.content.readany()
    except (aiohttp.ClientError, OSError) as no:
        raise _Broken from no


def _kind(error: Exception) -> str:
    """Which failure of the API *error* is: one of `UPSTREAM_FAILURES`."""
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return "unreachable"
    return "timeout" if isinstance(error, TimeoutError) else "broken"


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
