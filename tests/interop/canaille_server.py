"""Canaille, a real authorization server of somebody else's: JSON alone, in which times have fractions of a second.

It tells about a token only to whom the token is for: to `gateway`, and not to its other client `stranger`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interop.authorization_server import AuthorizationServer, issuer_in
from interop.needs import HERE, needs, python_of, version_in
from interop.processes import process


@contextmanager
def canaille(folder: Path, token_seconds: int = 120) -> Iterator[AuthorizationServer]:
    """The server while the block runs, with its database and log in *folder*; tokens last *token_seconds*."""
    needs("Canaille")
    log = folder / "canaille.log"
    start = [python_of("canaille"), "server.py", folder, token_seconds]
    with process(start, log, ready=lambda: bool(issuer_in(log)), cwd=HERE / "canaille"):
        issuer = issuer_in(log)
        yield AuthorizationServer(
            name="Canaille",
            version=version_in("canaille", "canaille"),
            issuer=issuer,
            token_endpoint=f"{issuer}/oauth/token",
            introspection_endpoint=f"{issuer}/oauth/introspect",
            revocation_endpoint=f"{issuer}/oauth/revoke",
        )
