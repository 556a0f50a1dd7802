"""The authorization server of the fleet, a process of its own, that misbehaves on command.

    python -m chaos.authority PORT FACTS

Rule: whatever it is told to do wrong, it never calls a token active that the facts say is not.
"""

from __future__ import annotations

import asyncio
import sys
import time
from base64 import b64encode
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import uvloop
from aiohttp import web

from chaos.facts import (
    ANSWER_KEYS_MAX_AGE,
    CLIENT_ID,
    ISSUER,
    KEYS_MAX_AGE,
    Facts,
    Watched,
    new_key,
    read_key,
    read_opaque,
)

SLOW_SECONDS = 1.0
GARBAGE = (b"}{ not a JWT \xff\x00", b"<html><h1>It works!</h1></html>", b"eyJhbGciOiJub25lIn0.e30.")


class Authority:
    """Its state: the facts, and how often it was asked about tokens."""

    def __init__(self, facts: Path) -> None:
        self.facts = Watched(facts)
        self.asked = 0
        self._other = new_key("other")

    def app(self) -> web.Application:
        """The endpoints; `/asked` is ours, to know how often it was asked."""
        app = web.Application(middlewares=[self._mood])
        app.add_routes(
            [
                web.post("/introspect", self._introspect),
                web.get("/jwks", partial(self._keys, KEYS_MAX_AGE)),
                web.get("/answer-keys", partial(self._keys, ANSWER_KEYS_MAX_AGE)),
                web.get("/asked", self._asked),
            ]
        )
        return app

    @web.middleware
    async def _mood(self, request: web.Request, handler) -> web.StreamResponse:
        if request.path == "/asked":
            return await handler(request)
        match self.facts.now()[0].mood:
            case "slow":
                await asyncio.sleep(SLOW_SECONDS)
            case "down":
                request.transport.abort()
            case "failing":
                return web.Response(status=500, text="canary of the authorization server's own words")
        return await handler(request)

    async def _introspect(self, request: web.Request) -> web.Response:
        self.asked += 1
        facts, revoked, key = self.facts.now()
        if facts.mood == "refusing us" or not _knows(request, facts):
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
        if facts.mood == "garbage":
            return web.Response(body=GARBAGE[self.asked % len(GARBAGE)], content_type="application/jwt")
        found = read_opaque(parse_qs((await request.read()).decode()).get("token", [""])[0])
        if found is None or found[0]["number"] in revoked or time.time() >= found[0]["exp"]:
            return web.Response(status=204)
        claims, keep = found
        if facts.mood == "wrong signature":
            key = read_key({**self._other, "kid": facts.signs})
        jwt = key.sign({"iss": ISSUER, **claims})
        return web.Response(
            body=jwt.encode(), content_type="application/jwt", headers={"Cache-Control": f"max-age={keep}"}
        )

    async def _asked(self, _: web.Request) -> web.Response:
        return web.Response(text=str(self.asked))

    async def _keys(self, seconds: int, _: web.Request) -> web.Response:
        headers = {"Cache-Control": f"max-age={seconds}"}
        return web.json_response(self.facts.now()[0].public(), headers=headers)


def _knows(request: web.Request, facts: Facts) -> bool:
    given = request.headers.get("Authorization", "")
    return given in [f"Basic {b64encode(f'{CLIENT_ID}:{one}'.encode()).decode()}" for one in facts.secrets]


async def main(port: int, facts: Path) -> None:
    """Serve until ended."""
    runner = web.AppRunner(Authority(facts).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2])))
