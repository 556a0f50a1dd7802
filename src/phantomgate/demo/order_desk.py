"""The demo's second story: a single-page app with its agent and its gateway, all on one origin, as behind one nginx.

`/` is the files of `examples/spa`, `/oauth-agent/` the OAuth agent, `/api/` the gateway. Rule: nothing here helps the
app. The origin is on `localhost`, not on the `127.0.0.1` of the other parts: cookies know no ports, so the demo's page
and the authorization server would get those of the app; and to the browser it is another site, as in earnest.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from phantomgate.demo.answers import TYPES
from phantomgate.demo.serving import loopback_hosts_only

HERE = Path(__file__).parent
_PLACES = (HERE / "spa", HERE.parents[2] / "examples" / "spa")
"""In a wheel, and in a checkout."""
SERVED = ("index.html", "app.css", "app.js", "oauth-client.js", "view.js", "icon.svg")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""As `spa.conf` has nginx send them."""


def order_desk(origin: str, agent: web.Application, proxy: web.Application) -> web.Application:
    """The app of *origin*, with *agent* below `/oauth-agent/` and *proxy*, the gateway, below `/api/`."""

    @web.middleware
    async def one_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/" and f"http://{request.host}" != origin:
            return web.Response(status=307, headers={"Location": f"{origin}/", "Cache-Control": "no-store"})
        return await handler(request)

    app = web.Application(middlewares=[loopback_hosts_only, one_origin])
    folder = next(place for place in _PLACES if place.is_dir())
    for name in SERVED:
        app.router.add_get("/" if name == "index.html" else f"/{name}", _file(folder / name))
    app.add_subapp("/oauth-agent/", agent)
    app.add_subapp("/api/", proxy)
    return app


def _file(file: Path) -> Handler:
    async def give(_: web.Request) -> web.StreamResponse:
        # Read each time: whoever changes the app sees it, and so does the browser, which asks each time too.
        return web.Response(body=file.read_bytes(), content_type=TYPES[file.suffix], charset="utf-8", headers=HEADERS)

    return give
