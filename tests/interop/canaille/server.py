"""Canaille as the tests need it: opaque tokens by client credentials, introspection in JSON with fractions of seconds.

Run as `python server.py FOLDER SECONDS`, by the Python of the environment beside it: the database goes to FOLDER, and
tokens last SECONDS. Prints its issuer when it listens, and ends when its standard input does, so it never outlives the
test.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from hypercorn.asyncio import serve
from hypercorn.config import Config
from joserfc.jwk import RSAKey

FOLDER, SECONDS = Path(sys.argv[1]), int(sys.argv[2])


def application(port: int):
    """Canaille for this port."""
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"})
    return create_app(
        config={
            "SECRET_KEY": "only-for-tests",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "OAUTH2_TOKEN_EXPIRES_IN": {"client_credentials": SECONDS},
            "CANAILLE": {"DATABASE": "sql"},
            "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{FOLDER / 'canaille.db'}", "AUTO_MIGRATE": True},
            "CANAILLE_OIDC": {
                "ISSUER": f"http://127.0.0.1:{port}",
                "ACTIVE_JWKS": [key.as_dict(private=True) | {"kid": key.thumbprint()}],
            },
        },
        init_backend=True,
    )


def set_up(app) -> None:
    """The clients `service`, `gateway` and `stranger`; what `service` gets is for `gateway` to ask about."""
    with app.app_context():
        clients = {
            name: models.Client(
                client_id=name,
                client_secret=f"{name}-secret",
                client_name=name,
                client_id_issued_at=datetime.now(UTC),
                client_uri="http://127.0.0.1",
                grant_types=["client_credentials"],
                token_endpoint_auth_method="client_secret_basic",
                scope=["read", "write"],
            )
            for name in ("service", "gateway", "stranger")
        }
        for client in clients.values():
            Backend.instance.save(client)
        clients["service"].audience = [clients["gateway"]]
        Backend.instance.save(clients["service"])


def main() -> None:
    """Serve until standard input ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = application(port)
    set_up(app)
    config = Config()
    config.bind = [f"fd://{listening.fileno()}"]
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(f"http://127.0.0.1:{port}", flush=True)
    asyncio.run(serve(app, config, mode="wsgi"))


if __name__ == "__main__":
    main()
