"""Glewlwyd, a real authorization server of somebody else's that answers introspection with `application/jwt`.

Its settings live in a database and are made through its administration API, with the first login it comes with.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from interop.authorization_server import AuthorizationServer
from interop.needs import GLEWLWYD_TABLES, command, needs
from interop.processes import listens, process
from ports import free_port

RESOURCE = "https://api.example"
"""An API, and the client by which it asks: a token for it has it as `aud` (RFC 8707), and so has a signed statement
about the token, where others have the client that asked (RFC 9701 §5). Without a resource, `aud` is the scope."""
CONFIGURATION = """
port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="WARNING"
cookie_domain=""
cookie_secure=0
session_expiration=3600
session_key="session"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
user_middleware_module_path="/usr/lib/glewlwyd/user_middleware"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
use_secure_connection=false
secure_connection_key_file="/dev/null"
secure_connection_pem_file="/dev/null"
hash_algorithm="SHA512"
database={{ type="sqlite3"; path="{database}"; }};
"""


@contextmanager
def glewlwyd(folder: Path, token_seconds: int = 120) -> Iterator[AuthorizationServer]:
    """The server while the block runs, with its database and log in *folder*; tokens last *token_seconds*."""
    needs("Glewlwyd")
    port = free_port()
    database = folder / "glewlwyd.db"
    connection = sqlite3.connect(database)
    try:
        connection.executescript(GLEWLWYD_TABLES.read_text())
        connection.commit()
    finally:
        connection.close()
    configuration = folder / "glewlwyd.conf"
    configuration.write_text(CONFIGURATION.format(port=port, database=database))
    start = [command("glewlwyd") or "glewlwyd", f"--config-file={configuration}"]
    with process(start, folder / "glewlwyd.log", ready=lambda: listens(port)):
        issuer = f"http://127.0.0.1:{port}/api/oidc"
        _set_up(port, issuer, token_seconds)
        yield AuthorizationServer(
            name="Glewlwyd",
            version=_version(),
            issuer=issuer,
            token_endpoint=f"{issuer}/token",
            introspection_endpoint=f"{issuer}/introspect",
            revocation_endpoint=f"{issuer}/revoke",
        )


def _version() -> str:
    said = subprocess.run([command("glewlwyd") or "glewlwyd", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.split()[0]


def _set_up(port: int, issuer: str, token_seconds: int) -> None:
    session = _post(port, "/api/auth/", {"username": "admin", "password": "password"}, "")
    _post(port, "/api/mod/plugin/", _plugin(issuer, token_seconds), session)
    for scope in ("read", "write"):
        _post(port, "/api/scope/", {"name": scope, "display_name": scope, "password_required": False}, session)
    for client, secret in (("service", "service-secret"), ("gateway", "gateway-secret"), (RESOURCE, "gateway-secret")):
        _post(port, "/api/client/", _client(client, secret), session)


def _post(port: int, path: str, said: object, session: str) -> str:
    """Tell the administration API something; the session's cookie, when it starts one."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Content-Type": "application/json", **({"Cookie": session} if session else {})}
        connection.request("POST", path, json.dumps(said), headers)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, (path, response.status, body)
        return (response.getheader("Set-Cookie") or "").partition(";")[0]
    finally:
        connection.close()


def _client(name: str, secret: str) -> dict[str, object]:
    return {
        "client_id": name,
        "name": name,
        "confidential": True,
        "enabled": True,
        "password": secret,
        "scope": ["read", "write"],
        "authorization_type": ["client_credentials"],
        "redirect_uri": [],
        "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"],
    }


def _plugin(issuer: str, token_seconds: int) -> dict[str, object]:
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    parameters = {
        "iss": issuer,
        "jwt-type": "rsa",
        "jwt-key-size": "256",
        "key": private.decode(),
        "cert": public.decode(),
        "code-duration": 600,
        "refresh-token-duration": 3600,
        "access-token-duration": token_seconds,
        "allow-non-oidc": True,
        "auth-type-client-enabled": True,
        "auth-type-code-enabled": True,
        "auth-type-implicit-enabled": False,
        "auth-type-password-enabled": False,
        "auth-type-refresh-enabled": True,
        "pkce-allowed": True,
        "resource-allowed": True,
        "resource-scope": {"read": [RESOURCE], "write": [RESOURCE]},
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
        "client-pubkey-parameter": "pubkey",
        "client-sign_kid-parameter": "sign_kid",
    }
    return {"module": "oidc", "name": "oidc", "display_name": "oidc", "enabled": True, "parameters": parameters}
