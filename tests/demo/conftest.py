"""What the demo's tests share: a server with a client of each kind, and one plain way to ask it."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest

from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

CALLBACK = "http://127.0.0.1:9/callback"
PAGE = "http://127.0.0.1:8080"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

CLIENTS = (
    Client("gateway", "gateway-secret", introspects=True),
    Client("service", "pa:ss %", scopes=frozenset({"read", "orders:write"}), redirect_uris=(CALLBACK,)),
    Client("page", scopes=frozenset({"read"}), redirect_uris=(CALLBACK, CALLBACK + "?from=as")),
)


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def location(self) -> dict[str, str]:
        """The query of where the browser is sent."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.headers["location"]).query).items()}


def ask(url, form=None, *, method="", basic=(), body=None, **headers) -> Answer:
    """One request on a connection of its own; a *form* is posted, *basic* is (client_id, secret)."""
    where = urlsplit(url)
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if form is not None:
        body = urlencode(form).encode()
        fields.append(("Content-Type", "application/x-www-form-urlencoded"))
    if basic:
        pair = ":".join(quote_plus(part) for part in basic)
        fields.append(("Authorization", "Basic " + base64.b64encode(pair.encode()).decode()))
    connection = HTTPConnection(where.hostname, where.port, timeout=60)
    try:
        method = method or ("GET" if body is None else "POST")
        target = f"{where.path or '/'}{'?' if where.query else ''}{where.query}"
        connection.putrequest(method, target, skip_host="Host" in headers)
        for name, value in fields:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


@pytest.fixture
def server():
    """A development server that is not serving yet."""
    return DevelopmentServer(CLIENTS, cache_control="max-age=7", allowed_origins=[PAGE])


@pytest.fixture
def issuer(server):
    """The URL of the server, which serves in a thread."""
    with server.running_in_thread() as url:
        yield url
