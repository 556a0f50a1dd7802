"""Puts the demo together in one process: authorization server, API, and phantomgate as the gateway between them.

The gateway is the real one, wired from a configuration like anybody's; only its decisions are recorded for the page.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from phantomgate.config.loading import load_settings
from phantomgate.config.log import LogLine
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import wire
from phantomgate.core.ports import Clock
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.demo.records import RecordingGateway
from phantomgate.demo.sample_api import SampleApi
from phantomgate.demo.serving import listening, origin, serving
from phantomgate.demo.site import Site
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.servers.proxy import SERVER_OPTIONS, reverse_proxy

PORT = 8080
MAX_AGE = 5
"""Seconds that the gateway remembers: short, so that one can wait for the end of it."""
SERVICE, PAGE = "demo-service", "demo-page"
"""The clients: one keeps a secret, the other is a page and can't."""
SCOPES = frozenset({"read", "orders:write"})
SECRET = "DEMO_GATEWAY_SECRET"  # noqa: S105 - the name of a variable

CONFIGURATION = """\
[serve]
upstream = "{api}"

[introspection]
endpoint      = "{issuer}/introspect"
issuer        = "{issuer}"
client_id     = "gateway"
client_secret = "env:{secret}"

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


@asynccontextmanager
async def running(
    port: int = PORT,
    *,
    write: Callable[[LogLine], None] | None = None,
    now: Clock = time.time,
    ticks: Clock = time.monotonic,
) -> AsyncIterator[Demo]:
    """The whole demo while the block runs, on *port* or, if that is taken, another.

    *write* gets the lines of the gateway's log, standard error if it is not given.
    """
    door = _door(port)
    with closing(door):
        here = origin(door)
        gateway_secret = secrets.token_urlsafe(24)
        service_secret = secrets.token_urlsafe(24)
        credentials = dict(client_secret_basic(SERVICE, service_secret).headers)
        server = DevelopmentServer(
            [
                Client("gateway", gateway_secret, introspects=True),
                Client(SERVICE, service_secret, scopes=SCOPES),
                Client(PAGE, scopes=SCOPES, redirect_uris=(here + "/",)),
            ],
            cache_control=f"max-age={MAX_AGE}",
            allowed_origins=[here],
            now=now,
        )
        async with server.serving() as issuer:
            api = SampleApi(issuer, issuer + "/jwks", prefix="/api", now=now)
            async with api.serving() as upstream:
                text = CONFIGURATION.format(issuer=issuer, api=upstream, secret=SECRET, max_age=MAX_AGE)
                environ = {SECRET: gateway_secret}
                wired = wire(_settings(text), "nonblocking", environ=environ, write=write, now=now, ticks=ticks)
                gateway = RecordingGateway(wired, lambda: server.introspections)
                site = Site(here, server, gateway, credentials, PAGE, MAX_AGE, text)
                try:
                    proxy = reverse_proxy(gateway, upstream, owned=tuple(wired.settings.forward.claims))
                    async with serving(site.app(proxy), door, **SERVER_OPTIONS):
                        yield Demo(here, server, api, credentials, upstream, MAX_AGE, text)
                finally:
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
