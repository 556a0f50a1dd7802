"""A cache miss as a Python engineer would write it in an afternoon: aiohttp server, aiohttp client, a dictionary.

    aiohttp_app.py PORT ENDPOINT CLIENT_ID CLIENT_SECRET

It runs on uvloop, with access logs off and a pool of kept-alive connections as large as ours.
"""

from __future__ import annotations

import json
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator

import uvloop
from aiohttp import BasicAuth, ClientSession, ClientTimeout, TCPConnector, web

SESSION = web.AppKey("session", ClientSession)
RECORDS: dict[str, tuple[int, set[str], str, str]] = {}


async def _decide(request: web.Request) -> web.Response:
    field = request.headers.get("Authorization", "")
    if not field.startswith("Bearer "):
        return web.Response(status=401, headers={"WWW-Authenticate": 'Bearer realm="api"'})
    opaque = field[7:]
    now = int(time.time())
    record = RECORDS.get(opaque)
    if record is None or record[0] <= now:
        async with request.app[SESSION].post(
            ENDPOINT, data={"token": opaque, "token_type_hint": "access_token"}
        ) as answer:
            if answer.status != 200:
                return web.Response(
                    status=401, headers={"WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'}
                )
            jwt = await answer.text()
        payload = jwt.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        record = RECORDS[opaque] = (claims["exp"], set(claims["scope"].split()), jwt, claims["sub"])
    if "orders:read" not in record[1]:
        return web.Response(status=403)
    left = min(record[0] - now, 300)
    return web.Response(
        headers={
            "Authorization": f"Bearer {record[2]}",
            "X-User": record[3],
            "X-Accel-Expires": str(left),
            "Cache-Control": f"private, max-age={left}",
        }
    )


async def _session(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession(
        auth=BasicAuth(sys.argv[3], sys.argv[4]),
        connector=TCPConnector(limit=64, keepalive_timeout=60),
        timeout=ClientTimeout(total=2),
        headers={"Accept": "application/jwt"},
    ) as app[SESSION]:
        yield


if __name__ == "__main__":
    ENDPOINT = sys.argv[2]
    uvloop.install()
    application = web.Application()
    application.cleanup_ctx.append(_session)
    application.router.add_get("/decide", _decide)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
