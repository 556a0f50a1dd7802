"""The development authorization server on port 9000: believes everybody, forgets everything. For your machine only."""

from __future__ import annotations

import asyncio

from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

CLIENTS = (
    Client("gateway", "gateway-secret", introspects=True),
    Client("service", "service-secret", scopes=frozenset({"read", "write"})),
)


async def main() -> None:
    """Serves until Ctrl-C."""
    async with DevelopmentServer(CLIENTS).serving(9000) as issuer:
        print(f"{issuer} (development only)", flush=True)  # noqa: T201 - it says where it is
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
