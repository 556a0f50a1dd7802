"""A proxy between sockets: an API that keeps every byte it got, a client that sends every byte it is told to."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

from phantomgate.config.observe import Metrics, observer
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import HeaderChange, Route, Token, plain_name
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.gateway import Gateway, respond_nothing
from phantomgate.gateway.rule import policy_only
from phantomgate.servers.listener import Limits
from phantomgate.servers.proxy import Proxy
from phantomgate.servers.proxy_listener import ProxyListener

NOW = 1_800_000_000.0
OWNED = ("authorization", "x-user", "x-http-method-override")


class Tokens:
    """Resolves "good", and "slow" when told to; calls everything else inactive."""

    def __init__(self):
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.cancelled = False

    async def resolve(self, credential, route):
        if credential.value == "slow":
            self.asked.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        elif credential.value != "good":
            raise Refused(Reason.INACTIVE)
        return Token("the.jwt", {"sub": "ann"}, frozenset(), NOW + 60, 1060.0)


class Api:
    """Keeps what it gets and answers what it is told to, byte for byte; "{n}" answers nothing and waits."""

    def __init__(self, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
        self.answer = answer
        self.heads = []
        self.bodies = []
        self.ended = asyncio.Event()
        self.writers = []

    async def __call__(self, reader, writer):
        self.writers.append(writer)
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                self.bodies.append(await self._body(reader, self.heads[-1].lower()))
                if self.answer is None:
                    await reader.read()
                    return
                writer.write(self.answer)
                await writer.drain()
                if b"Connection: close" in self.answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.ended.set()
            writer.close()

    async def _body(self, reader, head):
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
            return body
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
        return await reader.readexactly(length)

    @property
    def target(self):
        """The target of the last request."""
        return self.heads[-1].split(b" ")[1].decode("latin-1")

    def fields(self):
        """(name, value) of the last request's fields, names in lower case."""
        lines = self.heads[-1].decode("utf-8").split("\r\n")[1:-2]
        return [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]

    def field(self, name):
        """The values of the last request's fields that a careless server would take for *name*."""
        return [value for key, value in self.fields() if plain_name(key) == plain_name(name)]


class Client:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, data):
        self.writer.write(data.encode("latin-1") if isinstance(data, str) else data)

    async def answer(self, head=False):
        """(status, fields by lower-case name, body)."""
        async with asyncio.timeout(60):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("utf-8").split("\r\n")
            status = int(lines[0].split(" ")[1])
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:-2])}
            if head or status < 200 or status in (204, 304):
                return status, fields, b""
            if fields.get("transfer-encoding") == "chunked":
                body = b""
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readexactly(2)
                return status, fields, body
            if "content-length" not in fields:
                return status, fields, await self.reader.read()
            return status, fields, await self.reader.readexactly(int(fields["content-length"]))

    async def ended(self):
        """Whatever else comes until the other side closes."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


class Front:
    """A proxy in front of *api*, on a socket."""

    def __init__(self, api, **options):
        self.api = api
        self.lines = []
        self.metrics = Metrics()
        self.tokens = Tokens()
        self.limits = options.pop("limits", Limits())
        cookies = options.pop("cookies", None)
        self.options = options
        self.clients = []

        async def forward(route, token):
            return HeaderChange(
                (("Authorization", f"Bearer {token.jwt}"), ("X-User", "ann")), frozenset(OWNED), cookies=cookies
            )

        self.gateway = Gateway(
            policy_only(Route("policy")),
            options.pop("find", find_bearer()),
            self.tokens,
            (),
            forward,
            observer(self.metrics, self.lines.append, now=lambda: NOW),
            lambda: "id-1",
            options.pop("respond", respond_nothing),
        )

    @asynccontextmanager
    async def serving(self):
        loop = asyncio.get_running_loop()
        upstream = await asyncio.start_server(self.api, "127.0.0.1", 0, limit=2**20)
        where = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
        self.proxy = Proxy(
            self.gateway,
            self.options.pop("upstream", where) + self.options.pop("prefix", ""),
            metrics=self.metrics,
            owned=("X-User",),
            log=self,
            random=lambda count: b"\0" * count,
            **self.options,
        )
        self.listener = ProxyListener(self.proxy, self.limits)
        server = await loop.create_server(self.listener.protocol, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for client in self.clients:
                client.writer.transport.abort()
            self.listener.begin_drain()
            await self.listener.drained(0.0)
            await self.proxy.close()
            upstream.close()
            for writer in getattr(self.api, "writers", ()):
                writer.transport.abort()

    def say(self, level, event, **fields):
        """As a `Log`."""
        self.lines.append((event, fields))

    async def connect(self):
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**20))
        self.clients.append(client)
        return client

    async def ask(self, data, head=False):
        """The answer to *data* on a connection of its own."""
        client = await self.connect()
        client.send(data)
        return await client.answer(head)


def get(target="/", *fields, token="good", method="GET"):
    lines = [f"{method} {target} HTTP/1.1", "Host: shop.example", f"Authorization: Bearer {token}", *fields, "", ""]
    return "\r\n".join(lines)


def error(body):
    return json.loads(body)["error"]
