"""The listeners beside the one that decides: few requests, from operators and servers, answered by aiohttp.

Rule: no answer says what made it in which version, and none may be kept. Whoever sends nothing, or too slowly, or what
is no HTTP, costs a connection for a while and not a line in the log. Where one can't listen, that is a problem of its
setting.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError
from phantomgate.servers.sockets import bind_tcp, bind_unix, why

IDLE_SECONDS = 30.0
"""How long a connection may be without a whole head of a request."""
BODY_SECONDS = 10.0
"""How long a body may take to come."""
MOST_CONNECTIONS = 256
"""How many there may be at a time. Each costs a descriptor, and the supervisor needs some to start workers."""
BACKLOG = 128
"""Connections that wait. asyncio tries as many at once, and complains of each, when there are no descriptors left."""


class _Connection(web.RequestHandler):
    """One client, as aiohttp has it, but for what is answered and logged of what can't be read, and for the bound."""

    def __init__(self, server: web.Server, most: int, **options: Any) -> None:
        super().__init__(server, **options)
        self._server, self._most = server, most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio calls it."""
        super().connection_made(transport)
        if len(self._server.connections) > self._most:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """As aiohttp calls it for what is no HTTP (400), for a client that left, and for our bugs; the answer."""
        if status == 400 or isinstance(exc, (ConnectionError, web.RequestPayloadError)):
            if request.writer.output_size > 0:
                raise ConnectionError("an answer is under way")  # aiohttp closes then
            answer: web.StreamResponse = web.json_response({"error": "invalid_request"}, status=400)
            answer.force_close()
        else:
            answer = super().handle_error(request, status, exc, message)  # and a line in the log
        _plain(answer)
        return answer


def side_app(most: int, *middlewares: Middleware, body_seconds: float = BODY_SECONDS) -> web.Application:
    """An application without routes; a request's body has *most* bytes, and is whole within *body_seconds*."""

    async def plain(request: web.Request, answer: web.StreamResponse) -> None:
        _plain(answer)
        if "Transfer-Encoding" in request.headers:
            answer.force_close()  # aiohttp takes the last field after a chunked body for one of the next request

    @web.middleware
    async def whole(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            async with asyncio.timeout(body_seconds):
                await request.read()  # and is remembered, for who reads it then
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        return await handler(request)

    app = web.Application(client_max_size=most, middlewares=(*middlewares, whole))
    app.on_response_prepare.append(plain)
    return app


def side_runner(app: web.Application) -> web.AppRunner:
    """What runs *app*: it logs no requests, and the last of them have a second."""
    return web.AppRunner(app, access_log=None, shutdown_timeout=1.0)


async def answer_at(
    runner: web.AppRunner,
    listening: socket.socket,
    idle_seconds: float = IDLE_SECONDS,
    most: int = MOST_CONNECTIONS,
) -> asyncio.AbstractServer:
    """Have *runner*, which is set up, answer on *listening* too, until what is given back is closed.

    It has *most* connections at a time: one more is closed.
    """
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {
        "access_log": None,
        "auto_decompress": False,  # what is signed is what was sent
        "keepalive_timeout": idle_seconds,
        "lingering_time": 2.0,
    }

    def protocol() -> _Connection:
        if runner.server is None:
            raise RuntimeError("the runner was not set up")
        return _Connection(runner.server, most, loop=loop, **options)

    accept: Any = loop.create_unix_server if listening.family == socket.AF_UNIX else loop.create_server
    server: asyncio.AbstractServer = await accept(protocol, sock=listening, backlog=BACKLOG)
    return server


async def listen_beside(app: web.Application, settings: Settings, name: str, at: str) -> Callable[[], Awaitable[None]]:
    """Listens at the address *at* of the setting *name*; what is given back stops that.

    Raises SettingsError where that can't be.
    """
    address = read_address(at)
    try:
        bound = bind_unix(address.unix) if address.unix else bind_tcp(address.host, address.port, 1)
    except OSError as no:
        told = f'is "{at}", where we can\'t listen: {why(no)}'
        raise SettingsError([Problem(name, told, settings.origin(name))]) from no
    runner = side_runner(app)
    await runner.setup()
    server = await answer_at(runner, bound.sockets[0])

    async def stop() -> None:
        server.close()
        await runner.cleanup()
        bound.close()

    return stop


def _plain(answer: web.StreamResponse) -> None:
    answer.headers["Server"] = "phantomgate"  # aiohttp would tell its version
    answer.headers["Cache-Control"] = "no-store"
