"""oidc-provider, a real authorization server of somebody else's: opaque tokens, and introspection in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interop.authorization_server import AuthorizationServer, issuer_in
from interop.needs import HERE, command, needs
from interop.processes import process


@contextmanager
def oidc_provider(
    folder: Path, member: str = "", clients: Sequence[Mapping[str, Any]] = (), *, access_token_seconds: int = 120
) -> Iterator[AuthorizationServer]:
    """The server while the block runs; its log goes to *folder*. Its answers carry a JWT in *member*, if any.

    *clients* are more clients, by their metadata; those whose name begins with `gateway` may introspect. Those
    with redirect_uris log people in, by any name and password, for *access_token_seconds* at a time.
    """
    needs("oidc-provider")
    log = folder / "oidc-provider.log"
    code = HERE / "oidc_provider"
    version = json.loads((code / "node_modules" / "oidc-provider" / "package.json").read_text())["version"]
    arguments = [member, json.dumps(list(clients)), str(access_token_seconds)]
    node = [command("node") or "node", "server.mjs", *arguments]
    with process(node, log, ready=lambda: bool(issuer_in(log)), cwd=code):
        issuer = issuer_in(log)
        yield AuthorizationServer(
            name="oidc-provider",
            version=version,
            issuer=issuer,
            token_endpoint=f"{issuer}/token",
            introspection_endpoint=f"{issuer}/token/introspection",
            revocation_endpoint=f"{issuer}/token/revocation",
        )


def refreshes(folder: Path) -> list[str]:
    """What became of every refresh that it was asked for: "success" or "error"."""
    lines = (folder / "oidc-provider.log").read_text(errors="replace").splitlines()
    return [line.split(" ")[2] for line in lines if line.startswith("grant refresh_token ")]


def tokens_given(folder: Path) -> list[str]:
    """Every opaque token that it ever gave, refresh tokens included."""
    lines = (folder / "oidc-provider.log").read_text(errors="replace").splitlines()
    return [line.removeprefix("given ") for line in lines if line.startswith("given ")]
