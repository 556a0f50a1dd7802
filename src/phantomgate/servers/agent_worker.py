"""What `phantomgate serve` runs in the one process of the OAuth agent: uvicorn on the socket of `[agent] listen`.

Rule: as `lifecycle`: it obeys its channel and nothing else, and ends in good order. uvicorn neither logs requests nor
answers signals here, and believes no forwarded field.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from phantomgate.adapters.agent_asgi import agent_asgi
from phantomgate.adapters.agent_http import MAX_BODY
from phantomgate.config.agent_wiring import wire_agent
from phantomgate.config.loading import Sources, load
from phantomgate.config.log import Level, Log
from phantomgate.config.observe import Metrics
from phantomgate.servers.agent_alone import be_alone
from phantomgate.servers.gateways import Gateways
from phantomgate.servers.lifecycle import POLL_SECONDS, do, obey

MAX_CONNECTIONS = 1000
"""How many connections and requests there may be at a time; more are answered 503 at once."""


class _Server(uvicorn.Server):
    """uvicorn, without its signal handlers: the supervisor says when to end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


async def work(listening: socket.socket, end: socket.socket, log: Log, metrics: Metrics) -> int:
    """Serve the agent on *listening* until the channel at *end* says drain, or ends. The exit code."""
    channel = await Gateways.over(end)
    start = await channel.receive()
    if start is None:
        return 0
    settings = load(Sources(**start["sources"]))
    log.level = Level[settings.log.level.upper()]
    alone = await be_alone(settings)
    wired = wire_agent(settings, write=log, metrics=metrics, gateways=channel)
    server = _Server(
        uvicorn.Config(
            agent_asgi(wired.agent.handle),
            http="h11",  # the one of uvicorn's parsers that bounds a request's head
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=int(settings.serve.idle_timeout),
            h11_max_incomplete_event_size=max(settings.serve.max_header_bytes, MAX_BODY),
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells it by no other way
            await asyncio.sleep(POLL_SECONDS)
        if serving.done():
            await serving
            return 1
        channel.send({"is": "ready"})
        seconds = await obey(channel, metrics)
        answering = asyncio.create_task(obey(channel, metrics))
        server.config.timeout_graceful_shutdown = max(int(seconds), 1)
        server.should_exit = True
        await serving
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering
        channel.send({"is": "done", "whole": True, "counts": metrics.snapshot()})
    finally:
        serving.cancel()
        await wired.close()
        alone()
        await channel.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(do(sys.argv[1:], work))
