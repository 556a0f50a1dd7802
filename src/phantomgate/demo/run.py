"""Puts the demo together in one process: authorization server, API, and phantomgate as the gateway between them; and
for the second story a single-page app, with a gateway and an OAuth agent of its own.

Both gateways and the agent are the real ones, wired from configurations like anybody's; only the decisions of the first
are recorded, for the page.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any

from phantomgate.config.agent_wiring import wire_agent
from phantomgate.config.loading import load_settings
from phantomgate.config.log import LogLine
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import wire
from phantomgate.core.ports import Clock
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.demo.order_desk import order_desk
from phantomgate.demo.records import RecordingGateway
from phantomgate.demo.sample_api import SampleApi
from phantomgate.demo.serving import listening, origin, serving
from phantomgate.demo.site import Site
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.servers.proxy import SERVER_OPTIONS, reverse_proxy

PORT = 8080
MAX_AGE = 5
"""Seconds that the gateway remembers: short, so that one can wait for the end of it."""
APP_MAX_AGE = 2
APP_TOKEN_SECONDS = 30.0
"""How long an access token of the app lasts: short, so that one can see it refreshed."""
SERVICE, PAGE, APP = "demo-service", "demo-page", "order-desk"
"""The clients: one keeps a secret, one is a page and can't, and one is a page whose agent can."""
SCOPES = frozenset({"read", "orders:write"})
SECRETS = {
    "gateway_secret": "DEMO_GATEWAY_SECRET",
    "agent_secret": "DEMO_AGENT_SECRET",
    "session_key": "DEMO_SESSION_KEY",
}
"""What the configurations call each, and the variable that it is in."""

CONFIGURATION = """\
[serve]
upstream = "{api}"

[introspection]
endpoint      = "{issuer}/introspect"
issuer        = "{issuer}"
client_id     = "gateway"
client_secret = "env:{gateway_secret}"

[cache]
max_age = "{max_age}s"        # also how long a revoked token may still be let in

[policy]
issuers   = ["{issuer}"]
audiences = ["sample-api"]

[[routes]]
path    = "/api/orders"
methods = ["GET"]
scopes  = ["read"]

[[routes]]
path    = "/api/orders"
methods = ["POST"]
scopes  = ["orders:write"]

[[routes]]
path   = "/api/ticker"
scopes = ["read"]

[[routes]]
path = "/api/me"

[forward]
claims = {{ "X-User" = "sub", "X-Scope" = "scope" }}
"""
APP_CONFIGURATION = """\
[session]
keys                = ["env:{session_key}"]
trusted_web_origins = ["{app}"]

[agent]
issuer        = "{issuer}"
client_id     = "order-desk"
client_secret = "env:{agent_secret}"
algorithms    = ["ES256"]
scope         = ["openid", "profile", "email", "read", "orders:write"]
redirect_uri             = "{app}/"
post_logout_redirect_uri = "{app}/"

"""
"""What the app's gateway and agent have besides that."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that runs."""

    url: str
    """Where the page and the gateway are."""
    server: DevelopmentServer
    api: SampleApi
    credentials: Mapping[str, str] = field(repr=False)
    """The header fields by which the authorization server knows the service."""
    upstream: str
    """Where the API is, for those who go past the gateway and are refused."""
    max_age: int
    configuration: str
    app_url: str
    """Where the single-page app is, with a gateway and an agent of its own."""


@asynccontextmanager
async def running(
    port: int = PORT,
    *,
    write: Callable[[LogLine], None] | None = None,
    now: Clock = time.time,
    ticks: Clock = time.monotonic,
    max_age: int = MAX_AGE,
) -> AsyncIterator[Demo]:
    """The whole demo while the block runs, on *port* or, if that is taken, another.

    *write* gets the lines of the gateway's log, standard error if it is not given; *max_age* is how many seconds the
    first story's gateway remembers.
    """
    door, app_door = _door(port), _door(port + 1 if port else 0)
    async with AsyncExitStack() as stack:
        stack.enter_context(closing(door))
        stack.enter_context(closing(app_door))
        here, app_url = origin(door), f"http://localhost:{app_door.getsockname()[1]}"
        environ = {name: secrets.token_hex(32) for name in SECRETS.values()}
        service_secret = secrets.token_urlsafe(24)
        credentials = dict(client_secret_basic(SERVICE, service_secret).headers)
        server = DevelopmentServer(
            _clients(here, app_url, environ, service_secret),
            cache_control=f"max-age={max_age}",
            allowed_origins=[here],
            now=now,
        )
        issuer = await stack.enter_async_context(server.serving())
        api = SampleApi(issuer, issuer + "/jwks", prefix="/api", now=now)
        upstream = await stack.enter_async_context(api.serving())
        values = {**SECRETS, "issuer": issuer, "api": upstream, "app": app_url}
        text = CONFIGURATION.format(**values, max_age=max_age)
        demo = Demo(here, server, api, credentials, upstream, max_age, text, app_url)
        how: dict[str, Any] = {"environ": environ, "write": write, "now": now, "ticks": ticks}
        await stack.enter_async_context(_first_story(demo, door, how))
        text = (APP_CONFIGURATION + CONFIGURATION).format(**values, max_age=APP_MAX_AGE)
        await stack.enter_async_context(_second_story(demo, app_door, _settings(text), how))
        yield demo


def _clients(page: str, app: str, environ: Mapping[str, str], service_secret: str) -> list[Client]:
    """Whom the authorization server knows; *page* and *app* are origins."""
    return [
        Client("gateway", environ[SECRETS["gateway_secret"]], introspects=True),
        Client(SERVICE, service_secret, scopes=SCOPES),
        Client(PAGE, scopes=SCOPES, redirect_uris=(page + "/",)),
        Client(
            APP,
            environ[SECRETS["agent_secret"]],
            scopes=SCOPES | {"openid", "profile", "email"},
            redirect_uris=(app + "/",),
            post_logout_redirect_uris=(app + "/",),
            access_token_seconds=APP_TOKEN_SECONDS,
        ),
    ]


@asynccontextmanager
async def _first_story(demo: Demo, door: socket, how: dict[str, Any]) -> AsyncIterator[None]:
    """The page with its gateway, whose decisions are recorded."""
    wired = wire(_settings(demo.configuration), "nonblocking", **how)
    try:
        gateway = RecordingGateway(wired, lambda: demo.server.introspections)
        proxy = reverse_proxy(gateway, demo.upstream, owned=tuple(wired.settings.forward.claims))
        site = Site(
            demo.url, demo.app_url, demo.server, gateway, demo.credentials, PAGE, demo.max_age, demo.configuration
        )
        async with serving(site.app(proxy), door, **SERVER_OPTIONS):
            yield
    finally:
        await wired.close()


@asynccontextmanager
async def _second_story(demo: Demo, door: socket, settings: Settings, how: dict[str, Any]) -> AsyncIterator[None]:
    """The single-page app with its gateway and its agent."""
    wired, agent = wire(settings, "nonblocking", **how), wire_agent(settings, "nonblocking", **how)
    try:
        proxy = reverse_proxy(wired.gateway, demo.upstream, owned=tuple(settings.forward.claims))
        async with serving(order_desk(demo.app_url, agent.agent, proxy), door, **SERVER_OPTIONS):
            yield
    finally:
        await agent.close()
        await wired.close()


def _door(port: int) -> socket:
    """A socket on *port*, or on any free one if somebody has it."""
    try:
        return listening(port)
    except OSError:
        return listening(0)


def _settings(text: str) -> Settings:
    """The settings in *text*, read as from anybody's file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "phantomgate.toml"
        file.write_text(text)
        return load_settings(file, {})
