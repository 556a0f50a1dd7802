"""Litestar behind phantomgate: `uvicorn litestar_app:app` in this folder."""

from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.response import Stream

from phantomgate import Refused
from phantomgate.asgi import PhantomGate


def may_write(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard, since Litestar makes answers of its own of what handlers raise."""
    try:
        connection.scope["state"]["phantomgate"].require("orders:write")
    except Refused as no:
        raise PermissionDeniedException(no.reason.description) from None


@get("/orders")
async def orders(request: Request[Any, Any, Any]) -> dict[str, str]:
    caller, fields = request.scope["state"]["phantomgate"], request.headers
    return {"for": caller.subject, "x-user": fields["x-user"], "authorization": fields["authorization"]}


@post("/orders", guards=[may_write])
async def order() -> None: ...


@get("/admin/users")
async def users() -> list[str]:
    return ["ann"]


@post("/upload", status_code=200)
async def upload(request: Request[Any, Any, Any]) -> dict[str, int]:
    total = 0
    async for piece in request.stream():
        total += len(piece)
    return {"bytes": total}


@get("/stream", media_type="text/plain")
async def stream() -> Stream:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"line {number}\n"

    return Stream(lines())


@websocket("/live")
async def live(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_text(f"hello {socket.scope['state']['phantomgate'].subject}")
    await socket.send_text(await socket.receive_text())
    await socket.close()


@websocket("/live/write", guards=[may_write])
async def live_write(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()


api = Litestar([orders, order, users, upload, stream, live, live_write], openapi_config=None)
app = PhantomGate(api, "phantomgate.toml")
