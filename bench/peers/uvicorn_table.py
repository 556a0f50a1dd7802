"""The same decision as decide.lua, as the smallest ASGI application: no framework, bytes all the way.

It is served by uvicorn on uvloop and httptools with logs, lifespan and default headers off. The table is the file that
the environment's BENCH_TABLE names, as lua's is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

SCOPES = frozenset(b"openid profile read orders:read orders:write".split())
Send = Callable[[dict[str, Any]], Awaitable[None]]


def _load(path: Path) -> dict[bytes, tuple[int, frozenset[bytes], bytes, bytes]]:
    records = {}
    with path.open("rb") as table:
        for line in table:
            opaque, sub, expires_at, jwt = line.split()
            records[opaque] = (int(expires_at), SCOPES, b"Bearer " + jwt, sub)
    return records


RECORDS = _load(Path(os.environ["BENCH_TABLE"]))
EMPTY = {"type": "http.response.body", "body": b""}


async def _refuse(send: Send, status: int, challenge: bytes) -> None:
    headers = [(b"www-authenticate", challenge), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send(EMPTY)


async def app(scope: dict[str, Any], receive: object, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
    """One decision."""
    field = b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            field = value
    if field[:7] != b"Bearer ":
        await _refuse(send, 401, b'Bearer realm="api"')
        return
    record = RECORDS.get(field[7:])
    now = int(time.time())
    if record is None or record[0] <= now:
        await _refuse(send, 401, b'Bearer realm="api", error="invalid_token"')
        return
    if b"orders:read" not in record[1]:
        await _refuse(send, 403, b'Bearer realm="api", error="insufficient_scope"')
        return
    left = b"%d" % min(record[0] - now, 300)
    headers = [
        (b"authorization", record[2]),
        (b"x-user", record[3]),
        (b"x-accel-expires", left),
        (b"cache-control", b"private, max-age=" + left),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send(EMPTY)
