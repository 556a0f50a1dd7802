"""FastAPI behind phantomgate: `uvicorn fastapi_app:app` in this folder."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Request, Security, WebSocket
from fastapi.responses import StreamingResponse

from phantomgate.fastapi import Caller, PhantomGate, requires_token

app = FastAPI()
app.add_middleware(PhantomGate, settings="phantomgate.toml")  # the last one added is the first to be asked


@app.get("/orders")
async def orders(request: Request, caller: Annotated[Caller, Security(requires_token, scopes=["read"])]):
    return {
        "for": caller.subject,
        "x-user": request.headers["x-user"],
        "authorization": request.headers["authorization"],
    }


@app.post("/orders")
async def order(caller: Annotated[Caller, Security(requires_token, scopes=["orders:write"])]):
    return {"ordered by": caller.subject}


@app.get("/admin/users")
async def users():
    return ["ann"]


@app.post("/upload")
async def upload(request: Request):
    total = 0
    async for piece in request.stream():
        total += len(piece)
    return {"bytes": total}


@app.get("/stream")
async def stream():
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@app.websocket("/live")
async def live(socket: WebSocket, caller: Annotated[Caller, Security(requires_token, scopes=["read"])]):
    await socket.accept()
    await socket.send_text(f"hello {caller.subject}")
    await socket.send_text(await socket.receive_text())
    await socket.close()


@app.websocket("/live/write")
async def live_write(socket: WebSocket, caller: Annotated[Caller, Security(requires_token, scopes=["orders:write"])]):
    await socket.accept()
