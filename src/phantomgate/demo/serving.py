"""Serves the demo's parts: on loopback or not at all, from an event loop or, for tests that block, from a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

T = TypeVar("T")


def loopback(host: str) -> bool:
    """Whether *host* is this machine by its own address; names other than `localhost` are not."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listening(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """A listening socket; port 0 is any free one. Raises ValueError beyond loopback, OSError for a taken port."""
    if not loopback(host):
        raise ValueError(f"{host}: this is for development only and listens on loopback only, 127.0.0.1 say")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def origin(sock: socket.socket) -> str:
    """`http://host:port` of a listening socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@web.middleware
async def loopback_hosts_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page from elsewhere that makes its own name point here (DNS rebinding) still sends that name."""
    if not loopback(urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""):
        return web.json_response({"error": "invalid_request", "error_description": "not a loopback Host"}, status=400)
    return await handler(request)


@asynccontextmanager
async def serving(app: web.Application, sock: socket.socket, **options: Any) -> AsyncIterator[str]:
    """*app* on *sock* while the block runs; gives its origin. The socket is closed at the end.

    *options* are aiohttp's for a server.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, **options)
    try:
        await runner.setup()
        await web.SockSite(runner, sock).start()
        yield origin(sock)
    finally:
        await runner.cleanup()
        sock.close()


@contextmanager
def in_thread(start: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What *start* gives, while the block runs, on an event loop in a thread of its own: for tests that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="demo", daemon=True)
    thread.start()
    context = start()
    try:
        value = asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result()
        try:
            yield value
        finally:
            asyncio.run_coroutine_threadsafe(_leave(context), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _leave(context: AbstractAsyncContextManager[T]) -> None:
    await context.__aexit__(None, None, None)
