"""The demo's second story: a single-page app with its agent and its gateway, all on one origin, as behind one nginx.

`/` is the files of `examples/spa`, `/oauth-agent/` the OAuth agent, `/api/` the gateway. Rule: nothing here helps the
app. The origin is on `localhost`, not on the `127.0.0.1` of the other parts: cookies know no ports, so the demo's page
and the authorization server would get those of the app; and to the browser it is another site, as in earnest.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from phantomgate.agent.agent import Agent
from phantomgate.agent.model import AgentRequest
from phantomgate.core.model import Headers
from phantomgate.demo.answers import static
from phantomgate.demo.serving import loopback_hosts_only
from phantomgate.session.cookies import AGENT_PATH

HERE = Path(__file__).parent
_PLACES = (HERE / "spa", HERE.parents[2] / "examples" / "spa")
"""In a wheel, and in a checkout."""
SERVED = ("index.html", "app.css", "app.js", "oauth-client.js", "view.js", "icon.svg")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""As `spa.conf` has nginx send them, which says why."""


def order_desk(origin: str, agent: Agent, proxy: web.Application) -> web.Application:
    """The app of *origin*, with *agent* below `/oauth-agent/` and *proxy*, the gateway, below `/api/`."""

    @web.middleware
    async def one_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/" and f"http://{request.host}" != origin:
            return web.Response(status=307, headers={"Location": f"{origin}/", "Cache-Control": "no-store"})
        return await handler(request)

    app = web.Application(middlewares=[loopback_hosts_only, one_origin])
    folder = next(place for place in _PLACES if place.is_dir())
    for name in SERVED:
        app.router.add_get("/" if name == "index.html" else f"/{name}", static(name, HEADERS, folder))
    app.router.add_route("*", f"{AGENT_PATH}/{{whatever:.*}}", _asking(agent))
    app.add_subapp("/api/", proxy)
    return app


def _asking(agent: Agent) -> Handler:
    async def ask(request: web.Request) -> web.StreamResponse:
        headers, body = Headers.of(request.raw_headers), await request.read()
        asked = AgentRequest(request.method, request.path, headers, body, request.remote or "")
        reply = await agent.handle(asked)
        fields = CIMultiDict([*reply.headers, *(("Set-Cookie", cookie) for cookie in reply.cookies)])
        if reply.body:
            fields["Content-Type"] = "application/json"
        return web.Response(status=reply.status, body=reply.body, headers=fields)

    return ask
