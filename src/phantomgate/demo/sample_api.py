"""The API behind the gateway: it trusts nobody, verifies the JWT it gets (RFC 9068 §4), and shows what arrived.

It knows no phantomgate: an issuer, an audience and a JWKS address are all it has, as any API would.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, WSMsgType, web

from phantomgate.core.ports import Clock
from phantomgate.demo.serving import listening, serving
from phantomgate.demo.tokens import VerifiedJwt, verify

SECRET_FIELDS = ("authorization", "proxy-authorization", "cookie")
SHOWN = 8
MOST_ORDERS, LONGEST_ITEM = 20, 60
ORDERS = (
    {"id": 1001, "item": "A lantern", "status": "shipped"},
    {"id": 1002, "item": "Two yards of sheet", "status": "packed"},
    {"id": 1003, "item": "A rattling chain", "status": "on order"},
)


class SampleApi:
    """What it holds: the issuer's keys, read once when the first request needs them, the last orders, and a count of
    requests."""

    def __init__(
        self,
        issuer: str,
        jwks_uri: str,
        *,
        audience: str = "sample-api",
        prefix: str = "",
        tick_seconds: float = 1.0,
        now: Clock = time.time,
    ) -> None:
        """*prefix* is put before every path ("/api"); *tick_seconds* is the pace of the WebSocket."""
        self.requests = 0
        """How many requests came with a good JWT."""
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._audience = audience
        self._prefix = prefix
        self._tick_seconds = tick_seconds
        self._now = now
        self._jwks: dict[str, Any] = {}
        self._ordered: deque[tuple[Any, dict[str, Any]]] = deque(maxlen=MOST_ORDERS)
        self._numbers = count(1001 + len(ORDERS))

    @asynccontextmanager
    async def serving(self, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
        """Serves while the block runs and gives its origin."""
        async with serving(self.app(), listening(port, host)) as url:
            yield url

    def app(self) -> web.Application:
        """The routes, each with the scope it wants."""
        app = web.Application()
        at = self._prefix
        app.add_routes(
            [
                web.get(f"{at}/orders", self._only("read", self._orders)),
                web.post(f"{at}/orders", self._only("orders:write", self._order)),
                web.get(f"{at}/me", self._only("", self._me)),
                web.get(f"{at}/ticker", self._only("read", self._ticker)),
            ]
        )
        return app

    def _only(
        self, scope: str, answer: Callable[[web.Request, VerifiedJwt], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """*answer* for whoever brings a good JWT with *scope*; 401, 403 or 503 for everybody else."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                keys = await self._keys()
            except (ClientError, TimeoutError, ValueError) as wrong:
                return _refusal(503, "temporarily_unavailable", f"no keys from {self._jwks_uri}: {wrong}")
            try:
                jwt = verify(_bearer(request), keys, issuer=self._issuer, audience=self._audience, now=self._now())
            except ValueError as wrong:
                return _refusal(401, "invalid_token", str(wrong))
            if scope and scope not in jwt.scopes:
                return _refusal(403, "insufficient_scope", f"scope {scope} is missing")
            self.requests += 1
            return await answer(request, jwt)

        return guarded

    async def _keys(self) -> dict[str, Any]:
        if not self._jwks:
            whole = ClientTimeout(total=2)
            async with ClientSession(timeout=whole) as http, http.get(self._jwks_uri, raise_for_status=True) as reply:
                self._jwks = await reply.json()
        return self._jwks

    async def _orders(self, request: web.Request, jwt: VerifiedJwt) -> web.Response:
        mine = [order for who, order in self._ordered if who == jwt.claims.get("sub")]
        return web.json_response({"orders": [*ORDERS, *mine], "received": await _received(request, jwt)})

    async def _order(self, request: web.Request, jwt: VerifiedJwt) -> web.Response:
        order = {"id": next(self._numbers), "item": await _item(request), "status": "new"}
        self._ordered.append((jwt.claims.get("sub"), order))
        said = {"accepted": True, "order": order, "received": await _received(request, jwt)}
        return web.json_response(said, status=201)

    async def _me(self, request: web.Request, jwt: VerifiedJwt) -> web.Response:
        return web.json_response({"you": jwt.claims.get("sub"), "received": await _received(request, jwt)})

    async def _ticker(self, request: web.Request, jwt: VerifiedJwt) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        heard = ""
        for tick in count(1):
            try:
                await socket.send_json({"tick": tick, "you": jwt.claims.get("sub"), "heard": heard})
                message = await socket.receive(timeout=self._tick_seconds)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if message.type is not WSMsgType.TEXT:
                break
            heard = message.data
        await socket.close()
        return socket


def _bearer(request: web.Request) -> str:
    """The JWT of the one `Authorization: Bearer` field. Raises ValueError."""
    values = request.headers.getall("Authorization", [])
    if len(values) != 1:
        raise ValueError(f"{len(values)} Authorization fields, want one")
    scheme, _, jwt = values[0].partition(" ")
    if scheme.lower() != "bearer" or not jwt:
        raise ValueError("Authorization is not a Bearer token")
    return jwt


async def _item(request: web.Request) -> str:
    """What is ordered, by the JSON of the body; it will be text on a page, and is not looked at."""
    try:
        item = (await request.json())["item"]
    except (ValueError, TypeError, KeyError):
        return "Something"
    return str(item).strip()[:LONGEST_ITEM] or "Something"


async def _received(request: web.Request, jwt: VerifiedJwt) -> dict[str, Any]:
    """What arrived here. The JWT itself is only hinted at, since this goes back to the client, who must not have it."""
    shown = [
        [name, _masked(value) if name.lower() in SECRET_FIELDS else value] for name, value in request.headers.items()
    ]
    return {
        "method": request.method,
        "path": request.path_qs,
        "headers": shown,
        "jwt": {"header": jwt.header, "claims": jwt.claims},
        "body_bytes": len(await request.read()),
    }


def _masked(value: str) -> str:
    scheme, space, secret = value.rpartition(" ")
    return f"{scheme}{space}{secret[:SHOWN]}…"


def _refusal(status: int, error: str, description: str) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if status in (401, 403):
        headers["WWW-Authenticate"] = f'Bearer realm="sample API", error="{error}"'
    return web.json_response({"error": error, "error_description": description}, status=status, headers=headers)
