"""Settings for a gateway that asks a stub in the place of phantomgate: `init` writes its files from them."""

from __future__ import annotations

from pathlib import Path

from interop.phantomgate_server import NGINX

JWT = "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln"
"""What a stub hands out that lets a request in."""
FAULTY = 'timeout = "10ms"\n[forward]\nclaims = { "X-User" = "sub", "X-Tenant" = "tenant" }'
"""What more there is for a gateway that is to meet every fault: little patience, and words about the caller."""


def settings_file(folder: Path, port: int, more: str = "", *, source: str = NGINX) -> Path:
    """The file, for what asks on *port* of this machine; *more* goes on within `[introspection]`, and may leave it."""
    settings = folder / "phantomgate.toml"
    settings.write_text(
        f"""
[serve]
listen = "127.0.0.1:{port}"
{source}
[introspection]
endpoint = "http://127.0.0.1:1/introspect"
client_id = "gateway"
client_secret = "env:NOT_READ"
{more}
"""
    )
    return settings
