"""The listeners beside the one that decides: few requests, from operators and servers, answered by aiohttp.

Rule: no answer says what made it in which version, and none may be kept. Where one can't listen, that is a problem of
its setting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError
from phantomgate.servers.sockets import bind_tcp, bind_unix, why


def side_app(most: int, *middlewares: Middleware) -> web.Application:
    """An application without routes; a request's body has *most* bytes."""

    async def plain(request: web.Request, answer: web.StreamResponse) -> None:  # noqa: ARG001 - a signal's shape
        answer.headers["Server"] = "phantomgate"  # aiohttp would tell its version
        answer.headers["Cache-Control"] = "no-store"

    app = web.Application(client_max_size=most, middlewares=middlewares)
    app.on_response_prepare.append(plain)
    return app


def side_runner(app: web.Application) -> web.AppRunner:
    """What runs *app*: it logs no requests, and the last of them have a second."""
    return web.AppRunner(app, access_log=None, shutdown_timeout=1.0)


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
    await web.SockSite(runner, bound.sockets[0]).start()

    async def stop() -> None:
        await runner.cleanup()
        bound.close()

    return stop
