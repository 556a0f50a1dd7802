"""The whole engine as it is served, on loopback, with a clock that moves when told to.

A `Gate` is the real listener, gateway, policies, caches and HTTP client, in front of a scripted authorization server.
It is asked in two ways: over a raw socket, so that a request arrives byte by byte as an attacker wrote it, and without
HTTP in between, as an adapter would ask that got its headers from elsewhere (a Lambda event, an ASGI scope).
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import uvloop

from attacks.authority import Authority
from phantomgate.adapters.forward_auth import read_decide
from phantomgate.backends.blocking import finish
from phantomgate.config.settings import Cache as CacheSettings
from phantomgate.config.settings import ForwardRule, Introspection, Policy, Resilience, RouteRule, Settings
from phantomgate.config.settings import Log as LogSettings
from phantomgate.config.settings import Session as SessionSettings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.model import Decision, Headers, Request
from phantomgate.core.ports import Cache, Resolver
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.introspect import Introspect
from phantomgate.servers.listener import Limits, Listener, trusted_peers
from phantomgate.testing import FakeClock
from sealed import KEY, OLD_KEY

T = TypeVar("T")

TOKEN = "opaque-0123456789abcdef"
CLAIMS = {"X-User": "sub", "X-Auth-Scope": "scope", "X-Groups": "groups"}
BEARER = ("Authorization", f"Bearer {TOKEN}")
FAMILIES = ["Forwarded", "Original"]
PATIENCE = 20.0  # seconds; only ever reached when something hangs


@dataclass(frozen=True)
class Reply:
    """One HTTP response off the wire; status 0 is a connection that was closed without one."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    raw: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    def one(self, name: str) -> str:
        [value] = self.all(name)
        return value


NO_REPLY = Reply(0)


def read_replies(data: bytes) -> list[Reply]:
    """Every response in *data*, each with its Content-Length."""
    replies = []
    while data:
        head, blank, rest = data.partition(b"\r\n\r\n")
        assert blank, f"half a response: {data!r}"
        first, *lines = head.decode("ascii").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        pairs = [line.split(": ", 1) for line in lines]
        headers = [(name.lower(), value) for name, value in pairs]
        lengths = [int(value) for name, value in headers if name == "content-length"]
        [length] = lengths if status != "204" else [*lengths, 0]
        assert len(rest) >= length, "half a body"
        replies.append(Reply(int(status), headers, rest[:length], head + blank + rest[:length]))
        data = rest[length:]
    return replies


class LoopThread:
    """An event loop in a thread of its own, for everything that a server has to run on."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE * 3)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


@dataclass
class Seen:
    """What the observer was told."""

    request: Request
    decision: Decision


class Gate:
    """Everything between a gateway's question and the authorization server, wired from settings and served on loopback.

    *routes*, *policy*, *limits* and *trusted* are the settings of their names; *introspection*, *caching*, *log*,
    *session* and *resilience* change those sections; the keys of a session are KEY and OLD_KEY of `sealed`.
    """

    def __init__(
        self,
        loop: LoopThread,
        authority: Authority,
        *,
        clock: FakeClock | None = None,
        routes: Sequence[RouteRule] = (),
        policy: Policy | None = None,
        secret: str = "s3cret",
        claims: Mapping[str, str] | None = None,
        source: str = "auto",
        trusted: Iterable[str] = ("127.0.0.0/8",),
        nginx: bool = False,
        limits: Limits | None = None,
        store: Cache | None = None,
        cached: Callable[[Introspect], Resolver] | None = None,
        caching: Mapping[str, Any] | None = None,
        log: Mapping[str, Any] | None = None,
        session: Mapping[str, Any] | None = None,
        resilience: Mapping[str, Any] | None = None,
        **introspection: Any,
    ) -> None:
        self.clock = clock = clock or FakeClock()
        self.authority = authority
        self.loop = loop
        self.seen: list[Seen] = []
        self.lines: list[bytes] = []
        """The log, as it would be written."""
        asked = {"endpoint": authority.url, "client_id": "api-gateway", "client_secret": "env:SECRET", **introspection}
        self.settings = Settings(
            introspection=Introspection(**asked),
            cache=CacheSettings(**(caching or {})),
            policy=policy or Policy(),
            routes=tuple(routes),
            forward=ForwardRule(CLAIMS if claims is None else claims),
            log=LogSettings(**(log or {})),
            session=SessionSettings(**(session or {})),
            resilience=Resilience(**(resilience or {})),
        )
        self.environ = {"SECRET": secret, "KEY": KEY, "OLD_KEY": OLD_KEY}
        self.wired = loop.run(self._wire(clock, self.environ))
        resolver = self.wired.gateway.resolver
        assert isinstance(resolver, Cached)
        self.cached = resolver
        if store is not None:  # one store for several gates, as a shared cache will be
            resolver.cache, resolver._secret = store, b"k" * 32
        self.gateway = replace(
            self.wired.gateway,
            observe=self._observe,
            resolver=resolver if cached is None else cached(self.wired.introspect),
        )
        self.read = read_decide(source)
        self.listener = Listener(
            self.gateway,
            now=clock.now,
            ticks=clock.ticks,
            trusts=trusted_peers(trusted),
            source=source,
            nginx=nginx,
            preflights=self.settings.session.cors,
            limits=limits,
            waiting=self._waiting,
        )
        self.server = loop.run(self._listen())
        self.port: int = self.server.sockets[0].getsockname()[1]

    async def _wire(self, clock: FakeClock, environ: Mapping[str, str]) -> Wired:
        return wire(
            self.settings,
            "nonblocking",
            environ=environ,
            write=lambda line: self.lines.append(line.encode()),
            now=clock.now,
            ticks=clock.ticks,
        )

    async def _listen(self) -> Any:
        return await asyncio.get_running_loop().create_server(self.listener.protocol, "127.0.0.1", 0, backlog=2048)

    def _observe(self, request: Request, decision: Decision) -> None:
        self.seen.append(Seen(request, decision))
        self.wired.gateway.observe(request, decision)

    def _waiting(self, change: int) -> None:
        self.wired.metrics.in_flight += change

    def close(self) -> None:
        """Stop listening and cut every connection off."""

        async def stop() -> None:
            self.server.close()
            for connection in list(self.listener.connections):
                connection.abort()
            await self.server.wait_closed()
            await self.wired.close()

        self.loop.run(stop())

    # -- asking ------------------------------------------------------------------------------------------------

    def connect(self, local: str = "127.0.0.1") -> socket.socket:
        """A connection from *local*, which any address of 127.0.0.0/8 may be."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, source_address=(local, 0))

    def talk(self, data: bytes, local: str = "127.0.0.1") -> list[Reply]:
        """Everything that is answered to *data* until the listener closes."""
        with self.connect(local) as connection:
            with suppress(ConnectionError):
                connection.sendall(data)
            return read_replies(read_all(connection))

    def ask(
        self,
        *fields: tuple[str | bytes, str | bytes],
        target: str | bytes = "/decide",
        method: str | bytes = "GET",
        body: bytes = b"",
        local: str = "127.0.0.1",
    ) -> Reply:
        """The one answer to one request with exactly these header *fields* (and Host, and Connection: close)."""
        with self.connect(local) as connection:
            with suppress(ConnectionError):
                connection.sendall(request_bytes(method, target, fields, body))
            data = read_one(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            replies = read_replies(data + read_all(connection))
        assert len(replies) <= 1, f"{len(replies)} answers to one request"
        return replies[0] if replies else NO_REPLY

    def bearer(self, token: str | bytes = TOKEN, *fields: tuple[str, str], **more: Any) -> Reply:
        """The answer to a request with *token* and further *fields*."""
        return self.ask((b"Authorization", b"Bearer " + _bytes(token)), *fields, **more)

    def judged(
        self, *fields: tuple[str | bytes, str | bytes], method: str = "GET", path: str = "", **more: Any
    ) -> Reply:
        """As `ask`, without HTTP in between: the headers are what an adapter of another protocol found in its event."""
        headers = Headers.of([*((_bytes(name).lower(), _bytes(value)) for name, value in fields)])
        request = self.read(method.encode("latin-1"), path.encode("latin-1"), headers, True, "127.0.0.1")
        return self._reply(self.loop.run(self.gateway.decide(request)))

    def blocking(self, token: str = TOKEN) -> Reply:
        """The answer of a gateway with the same settings and the other family of back ends, that knows nothing yet."""
        wired = wire(
            self.settings, "blocking", environ=self.environ, write=lambda line: None, now=self.clock.now,
            ticks=self.clock.ticks,
        )  # fmt: skip
        request = Request("GET", "/", Headers.of([("authorization", f"Bearer {token}")]))
        try:
            return self._reply(finish(wired.gateway.decide(request)))
        finally:
            finish(wired.close())

    def _reply(self, decision: Decision) -> Reply:
        """What the listener would say of *decision*."""
        head, body = self.listener.rendering.answer(decision, "decide", Headers())
        [reply] = read_replies(head + body)
        return reply

    @property
    def last(self) -> Seen:
        return self.seen[-1]


def read_one(connection: socket.socket) -> bytes:
    """What comes until one response is whole, for connections that stay open after it."""
    data = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            data += piece
            head, blank, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            if blank and length and len(body) >= int(length[1]):
                break
    return data


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes; a reset is an end like any other."""
    pieces = []
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def request_bytes(
    method: str | bytes,
    target: str | bytes,
    fields: Iterable[tuple[str | bytes, str | bytes]],
    body: bytes = b"",
    closing: bool = True,
) -> bytes:
    """A request exactly so, with nothing escaped and nothing checked."""
    pairs = [(b"Host", b"gate.example"), *((_bytes(name), _bytes(value)) for name, value in fields)]
    if body:
        pairs.append((b"Content-Length", str(len(body)).encode()))
    if closing and not any(name.lower() == b"connection" for name, _ in pairs):
        pairs.append((b"Connection", b"close"))
    lines = [b" ".join((_bytes(method), _bytes(target), b"HTTP/1.1")), *(name + b": " + value for name, value in pairs)]
    return b"\r\n".join([*lines, b"", b""]) + body


def forwarded(method: str | bytes, uri: str | bytes, *, by: str = "Forwarded") -> list[tuple[str, str | bytes]]:
    """The fields by which a gateway names the request."""
    return [(f"X-{by}-Method", method), (f"X-{by}-Uri", uri)]


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


# -- what every answer must be ---------------------------------------------------------------------------------------

_CHALLENGE = re.compile(r'Bearer realm="[^"]+"(?:, error="(\w+)", error_description="[^"]+")?(?:, scope="([^"]*)")?')


def assert_refused(
    reply: Reply, status: int, error: str, *, scope: str | None = None, secrets: Iterable[str] = (TOKEN,)
) -> None:
    """A refusal exactly as the contract has it: status, challenge, body, not kept, and nothing in it that is secret."""
    assert (status, error) == (reply.status, json.loads(reply.body)["error"] if reply.body else "")
    assert ["application/json"] == reply.all("content-type")
    assert ["no-store"] == reply.all("cache-control")
    said = json.loads(reply.body)
    assert {"error", "error_description", "decision"} == set(said)
    assert said["decision"]
    assert [] == reply.all("authorization")
    assert [] == reply.all("x-accel-expires")
    challenges = reply.all("www-authenticate")
    if status in (400, 401) or error == "insufficient_scope":
        [challenge] = challenges
        found = _CHALLENGE.fullmatch(challenge)
        assert found is not None, challenge
        assert (None if error == "missing_credential" else error) == found[1]
        assert scope == found[2]
    else:
        assert [] == challenges
    retry = reply.all("retry-after")
    assert (1 if status == 503 else 0) == len(retry)
    assert all(1 <= int(value) <= 60 for value in retry)
    for secret in secrets:
        assert secret.encode() not in reply.raw, "a secret in an answer"


def assert_allowed(reply: Reply, token: str) -> None:
    """An allow exactly as the contract has it, with the JWT *token* as the only credential."""
    assert 200 == reply.status, reply.raw
    assert [f"Bearer {token}"] == reply.all("authorization")
    assert b"" == reply.body
    seconds = int(reply.one("x-accel-expires"))
    assert f"private, max-age={seconds}" == reply.one("cache-control")
    names = [name for name, _ in reply.headers]
    assert names.index("x-accel-expires") < names.index("cache-control")  # nginx obeys the first it reads
    assert TOKEN.encode() not in reply.raw
