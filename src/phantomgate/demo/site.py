"""The page and its data, on the same origin as the gateway: `/` is the page, `/demo/…` its data, `/api/…` the gateway.

What the page can't do by itself is done here: a service's secret is kept, the authorization server is switched off.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, web
from aiohttp.typedefs import Handler

from phantomgate.demo.answers import json_answer, static
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.records import RecordingGateway, current
from phantomgate.demo.serving import loopback_hosts_only

STYLES = ("theme.css", "page.css", "flow.css", "stage.css")
SCRIPTS = ("app.js", "dom.js", "flow.js", "oauth.js", "wires.js", "words.js")
RECORD = "X-Demo-Record"


@dataclass(frozen=True, slots=True)
class Site:
    """What the page is about."""

    origin: str
    """The page's own, as registered at the authorization server."""
    app_url: str
    """Where the second story is: the single-page app."""
    server: DevelopmentServer
    gateway: RecordingGateway
    credentials: Mapping[str, str] = field(repr=False)
    """The header fields by which the authorization server knows the service, whose part the page's server plays."""
    page_client: str
    max_age: float
    configuration: str

    def app(self, proxy: web.Application) -> web.Application:
        """The page, its data, and *proxy* below `/api/`."""
        app = web.Application(middlewares=[loopback_hosts_only, self._one_origin, self._record])
        app.on_response_prepare.append(_name_the_record)
        app.add_routes(
            [
                web.get("/", static("index.html", self._page_headers())),
                *(web.get(f"/{name}", static(name)) for name in (*STYLES, *SCRIPTS, "icon.svg")),
                web.get("/demo/about", self._about),
                web.get("/demo/decisions/{name}", self._decision),
                web.post("/demo/service-token", self._service_token),
                web.post("/demo/service-revoke", self._service_revoke),
                web.post("/demo/authorization-server", self._switch),
            ]
        )
        app.add_subapp("/api/", proxy)
        return app

    def _page_headers(self) -> dict[str, str]:
        rules = f"default-src 'self'; connect-src 'self' {self.server.issuer}; object-src 'none'; base-uri 'none'"
        return {
            "Content-Security-Policy": f"{rules}; form-action 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
        }

    @web.middleware
    async def _one_origin(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """`localhost` and `127.0.0.1` are two origins; the page lives on the one that the login comes back to."""
        if request.path == "/" and f"http://{request.host}" != self.origin:
            return web.Response(status=307, headers={"Location": self.origin + "/", "Cache-Control": "no-store"})
        # Only our own page may change anything: another origin must ask before it sends JSON, and is never told yes.
        if request.path.startswith("/demo/") and request.method == "POST" and not _is_json(request):
            return json_answer({"error": "invalid_request", "error_description": "want JSON"}, status=415)
        return await handler(request)

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        # Set for every request, since those of one connection share a context.
        current.set(secrets.token_urlsafe(9) if request.path.startswith("/api/") else "")
        return await handler(request)

    async def _about(self, _: web.Request) -> web.Response:
        facts: dict[str, Any] = {
            "issuer": self.server.issuer,
            "client_id": self.page_client,
            "redirect_uri": self.origin + "/",
            "max_age": self.max_age,
            "down": self.server.down,
            "app": self.app_url,
            "configuration": self.configuration,
        }
        return json_answer(facts, "no-store")

    async def _decision(self, request: web.Request) -> web.Response:
        record = self.gateway.record(request.match_info["name"])
        if record is None:
            return json_answer({"error": "not_found", "error_description": "no such record"}, status=404)
        return json_answer(record, "no-store")

    async def _service_token(self, request: web.Request) -> web.Response:
        scope = await _text(request, "scope")
        return await self._ask("/token", {"grant_type": "client_credentials", **({"scope": scope} if scope else {})})

    async def _service_revoke(self, request: web.Request) -> web.Response:
        return await self._ask("/revoke", {"token": await _text(request, "token")})

    async def _ask(self, path: str, form: dict[str, str]) -> web.Response:
        """What the authorization server says to the service."""
        url = self.server.issuer + path
        try:
            async with ClientSession() as http, http.post(url, data=form, headers=self.credentials) as reply:
                return web.Response(body=await reply.read(), status=reply.status, content_type=reply.content_type)
        except ClientError:
            said = {"error": "temporarily_unavailable", "error_description": "nothing; it does not answer"}
            return json_answer(said, "no-store", status=503)

    async def _switch(self, request: web.Request) -> web.Response:
        self.server.down = (await _members(request)).get("down") is True
        return json_answer({"down": self.server.down}, "no-store")


async def _text(request: web.Request, name: str) -> str:
    return str((await _members(request)).get(name, ""))


async def _members(request: web.Request) -> dict[str, Any]:
    try:
        members = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="want JSON") from None
    if not isinstance(members, dict):
        raise web.HTTPBadRequest(text="want a JSON object")
    return members


def _is_json(request: web.Request) -> bool:
    return request.content_type == "application/json"


async def _name_the_record(_: web.Request, response: web.StreamResponse) -> None:
    if name := current.get():
        response.headers[RECORD] = name
