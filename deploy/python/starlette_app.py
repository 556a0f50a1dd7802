"""Starlette behind phantomgate: `uvicorn starlette_app:app` in this folder."""

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from phantomgate.asgi import PhantomGate


async def orders(request: Request) -> JSONResponse:
    caller = request.state.phantomgate
    if request.method == "POST":
        caller.require("orders:write")
    fields = request.headers
    return JSONResponse({"for": caller.subject, "x-user": fields["x-user"], "authorization": fields["authorization"]})


async def users(request: Request) -> JSONResponse:
    return JSONResponse(["ann"])


async def upload(request: Request) -> JSONResponse:
    total = 0
    async for piece in request.stream():
        total += len(piece)
    return JSONResponse({"bytes": total})


async def stream(request: Request) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def live(socket: WebSocket) -> None:
    caller = socket.state.phantomgate
    await socket.accept()
    await socket.send_text(f"hello {caller.subject}")
    await socket.send_text(await socket.receive_text())
    await socket.close()


async def live_write(socket: WebSocket) -> None:
    socket.state.phantomgate.require("orders:write")
    await socket.accept()


app = Starlette(
    routes=[
        Route("/orders", orders, methods=["GET", "POST"]),
        Mount("/admin", routes=[Route("/users", users)]),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        WebSocketRoute("/live", live),
        WebSocketRoute("/live/write", live_write),
    ],
    middleware=[Middleware(PhantomGate, settings="phantomgate.toml")],
)
