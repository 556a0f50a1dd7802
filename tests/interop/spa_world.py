"""A single-page app in earnest: nginx with the shipped files, `phantomgate serve` with its agent, an API, and one of
two authorization servers.

Everything is on one host as the how-to has it; that host is `localhost`, so the authorization server, on 127.0.0.1, is
another site to the browser.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from interop.nginx_server import nginx
from interop.oidc_provider_server import oidc_provider, refreshes, tokens_given
from interop.phantomgate_server import ENVIRON, phantomgate
from interop.processes import until
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.demo.sample_api import SampleApi
from phantomgate.demo.serving import in_thread
from ports import free_port

SPA = Path(__file__).parents[2] / "examples" / "spa"
SERVERS = ("development", "oidc-provider")
CLIENT, SECRET = "order-desk", "order-desk-secret"
SCOPES = ("openid", "profile", "email", "read", "orders:write")
ACCESS_TOKEN_SECONDS = 10
"""Of the server that can't be told to end one: waited for, and more than a slow page needs to use a new one."""
GATEWAY_ISSUER = "https://gateway.example"
SETTINGS = """
[introspection]
endpoint = "{introspection}"
issuer = "{issuer}"
client_id = "gateway"
client_secret = "env:GATEWAY_SECRET"

[cache]
max_age = "0s"

[session]
keys = ["env:SESSION_KEY"]
trusted_web_origins = ["{origin}"]
cors = {cors}

[agent]
listen = "127.0.0.1:{agent}"
issuer = "{issuer}"
client_id = "order-desk"
client_secret = "env:AGENT_SECRET"
algorithms = ["{algorithm}"]
scope = {scopes}
redirect_uri = "{origin}/"
post_logout_redirect_uri = "{origin}/"

[[routes]]
path = "/api/orders"
methods = ["GET"]
scopes = ["read"]

[[routes]]
path = "/api/orders"
methods = ["POST"]
scopes = ["orders:write"]
"""
MINT = """
[mint]
keys = ["file:{key}"]
issuer = "https://gateway.example"
audience = "sample-api"
"""


@dataclass(frozen=True)
class Server:
    """One authorization server, and how a test pulls it."""

    issuer: str
    introspection: str
    revocation: str
    algorithm: str
    tokens: Callable[[], list[str]]
    """All that it ever gave out: every opaque token, and perhaps more that is as random."""
    refreshes: Callable[[], int]
    """How many refreshes it was asked for."""
    development: DevelopmentServer | None = None
    """The development server, with its knobs."""

    def expire(self) -> None:
        """The access tokens are over: ended, or waited for."""
        if self.development:
            self.development.expire(CLIENT)
        else:
            until(lambda: not any(map(self._active, self.tokens()[-4:])), "the end of the access token")

    def end_sessions(self) -> None:
        """Nothing can be refreshed any more."""
        for token in self.tokens():
            self._ask(self.revocation, CLIENT, SECRET, token=token)

    def _active(self, token: str) -> bool:
        said = self._ask(self.introspection, "gateway", "gateway-secret", token=token)
        return bool(said["active"]) and said.get("token_type") == "Bearer"

    def _ask(self, url: str, client: str, secret: str, **form: str) -> dict[str, object]:
        where = urlsplit(url)
        basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = HTTPConnection(str(where.hostname), where.port, timeout=30)
        try:
            connection.request("POST", where.path, urlencode(form), headers)
            said = connection.getresponse().read()
            return dict(json.loads(said)) if said else {}
        finally:
            connection.close()


@dataclass(frozen=True)
class World:
    """What runs: the app, and the authorization server behind it."""

    origin: str
    """Of the page."""
    back: str
    """Where the agent and the API are."""
    server: Server
    log: Path = field(repr=False)
    """What phantomgate says."""


@contextmanager
def spa_world(name: str, folder: Path, *, two_origins: bool = False) -> Iterator[World]:
    """All of it while the block runs, with one of SERVERS; logs and settings go to *folder*.

    With *two_origins* the page is on another port than the API and the agent: one site, and CORS.
    """
    port, agent, decisions = free_port(), free_port(), free_port()
    page_port = free_port() if two_origins else port
    origin, back = f"http://localhost:{page_port}", f"http://localhost:{port}"
    with ExitStack() as stack:
        start = _development if name == "development" else _oidc_provider
        server = stack.enter_context(start(origin, folder))
        environ = {**ENVIRON, "AGENT_SECRET": SECRET, "SESSION_KEY": secrets.token_hex(32)}
        settings = SETTINGS.format(
            introspection=server.introspection,
            issuer=server.issuer,
            origin=origin,
            cors="true" if two_origins else "false",
            agent=agent,
            algorithm=server.algorithm,
            scopes=json.dumps(SCOPES),
        )
        issuer, keys = server.issuer, f"{server.issuer}/jwks"
        if not server.development:  # it has no JWT to give, so we make them
            settings += MINT.format(key=_signing_key(folder))
            issuer, keys = GATEWAY_ISSUER, f"http://127.0.0.1:{decisions}/.well-known/jwks.json"
        gate = stack.enter_context(phantomgate(folder, settings, listen=f"127.0.0.1:{decisions}", environ=environ))
        api = stack.enter_context(in_thread(SampleApi(issuer, keys, prefix="/api").serving))
        own = _beside(folder, page_port, back) if two_origins else _on_one_host
        stack.enter_context(nginx(gate.settings, int(api.rpartition(":")[2]), own=own, port=port))
        yield World(origin, back, server, gate.log)


def _on_one_host(example: str) -> str:
    """The example with what the tutorial adds: the page, and the API below a path of its own."""
    assert example.count("location / {") == 1
    return example.replace("location / {", f"{_page(SPA)}\n        location /api/ {{")


def _beside(folder: Path, port: int, back: str) -> Callable[[str], str]:
    """The example with a second server, for a page that knows where its agent is."""
    shutil.copytree(SPA, folder / "page")
    app = folder / "page" / "app.js"
    app.write_text(app.read_text().replace('agent: "/oauth-agent"', f'agent: "{back}/oauth-agent"'))

    def own(example: str) -> str:
        page = _page(folder / "page").replace("connect-src 'self'", f"connect-src {back}")
        return example.replace(
            "    server {\n", f"    server {{ listen 127.0.0.1:{port};\n{page} }}\n    server {{\n", 1
        )

    return own


def _page(folder: Path) -> str:
    return f"set $spa {folder};\n        {(SPA / 'spa.conf').read_text()}"


@contextmanager
def _development(origin: str, folder: Path) -> Iterator[Server]:
    given: list[str] = []

    def random() -> str:
        given.append(secrets.token_urlsafe())
        return given[-1]

    clients = [
        Client("gateway", "gateway-secret", introspects=True),
        Client(CLIENT, SECRET, frozenset(SCOPES), (f"{origin}/",), post_logout_redirect_uris=(f"{origin}/",)),
    ]
    server = DevelopmentServer(clients, random=random)
    with server.running_in_thread() as issuer:
        yield Server(
            issuer,
            f"{issuer}/introspect",
            f"{issuer}/revoke",
            "ES256",
            lambda: [*given],
            lambda: server.token_requests,
            server,
        )


@contextmanager
def _oidc_provider(origin: str, folder: Path) -> Iterator[Server]:
    app = {
        "client_id": CLIENT,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [f"{origin}/"],
        "post_logout_redirect_uris": [f"{origin}/"],
        "scope": " ".join(SCOPES),
    }
    with oidc_provider(folder, clients=[app], access_token_seconds=ACCESS_TOKEN_SECONDS) as server:
        yield Server(
            server.issuer,
            server.introspection_endpoint,
            server.revocation_endpoint,
            "RS256",
            lambda: tokens_given(folder),
            lambda: len(refreshes(folder)),
        )


def _signing_key(folder: Path) -> Path:
    file = folder / "mint.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    return file
