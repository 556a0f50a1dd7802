"""One decision in a process of its own: `one_decision.py URL CA_FILE FAMILY TOKEN` prints how it ended, as JSON."""

from __future__ import annotations

import json
import os
import sys

from phantomgate.config.settings import Introspection, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Allow, Headers, Request


def main(url: str, ca_file: str, family: str, token: str) -> None:
    settings = Settings(
        introspection=Introspection(
            url, "api-gateway", "env:SECRET", ca_file=ca_file if url.startswith("https") else ""
        )
    )
    request = Request("GET", "/", Headers.of([("authorization", f"Bearer {token}")]))

    async def decide() -> object:
        wired = wire(settings, "blocking" if family == "blocking" else "nonblocking", environ=os.environ)
        try:
            return await wired.gateway.decide(request)
        finally:
            await wired.close()

    if family == "blocking":
        from phantomgate.backends.blocking import finish

        decision = finish(decide())
    else:
        import asyncio

        decision = asyncio.run(decide())
    json.dump(
        {"allowed": decision.token.jwt} if isinstance(decision, Allow) else {"refused": str(decision)}, sys.stdout
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
