"""What `phantomgate serve` runs in the one process of the OAuth agent: uvicorn on the socket of `[agent] listen`.

Rule: as `lifecycle`: it obeys its channel and nothing else, and ends in good order. uvicorn neither logs requests nor
answers signals here, and believes no forwarded field.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import uvicorn

from phantomgate.adapters.agent_asgi import agent_asgi
from phantomgate.adapters.agent_http import MAX_BODY
from phantomgate.agent.model import AgentReply, AgentRequest
from phantomgate.config.agent_wiring import WiredAgent, wire_agent
from phantomgate.config.keeping import Keeping
from phantomgate.config.log import Log
from phantomgate.config.observe import Metrics
from phantomgate.config.settings import Settings
from phantomgate.servers.agent_alone import Alone
from phantomgate.servers.agent_connection import Connection
from phantomgate.servers.gateways import Gateways
from phantomgate.servers.lifecycle import POLL_SECONDS, answering, do, obey
from phantomgate.servers.renewing import Renewing

MAX_CONNECTIONS = 1000
"""How many connections and requests there may be at a time; more are answered 503 at once."""


class _Server(uvicorn.Server):
    """uvicorn, without its signal handlers: the supervisor says when to end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


class _Agent(NamedTuple):
    """An agent, and the settings that it was made of."""

    settings: Settings
    wired: WiredAgent


async def work(listening: socket.socket, end: socket.socket, log: Log, metrics: Metrics) -> int:
    """Serve the agent on *listening* until the channel at *end* says drain, or ends. The exit code."""
    channel = await Gateways.over(end)
    start = await channel.receive()
    if start is None:
        return 0
    alone = Alone()

    async def make(settings: Settings, keeping: Keeping) -> _Agent:
        await alone.also(settings)
        return _Agent(settings, wire_agent(settings, write=log, metrics=metrics, gateways=channel, keeping=keeping))

    renewing = Renewing(make, log)
    now = await renewing.first(start)

    def adopt(newer: _Agent) -> None:
        nonlocal now
        now = newer
        alone.only(newer.settings)

    async def handle(request: AgentRequest) -> AgentReply:
        return await now.wired.agent.handle(request)

    renewing.adopt = adopt
    server = _server(handle, now.settings)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells it by no other way
            await asyncio.sleep(POLL_SECONDS)
        if serving.done():
            await serving
            return 1
        channel.send({"is": "ready"})
        seconds = await obey(channel, metrics, renews=renewing) or 0.0
        async with answering(channel, metrics):
            server.config.timeout_graceful_shutdown = max(int(seconds), 1)
            server.should_exit = True
            await serving
        channel.send({"is": "done", "whole": True, "counts": metrics.snapshot()})
    finally:
        serving.cancel()
        await renewing.keeping.close()
        alone.close()
        await channel.close()
    return 0


def _server(handle: Callable[[AgentRequest], Awaitable[AgentReply]], settings: Settings) -> _Server:
    """What serves the answers of *handle*."""
    return _Server(
        uvicorn.Config(
            agent_asgi(handle),
            http=Connection,  # on h11, the one of uvicorn's parsers that bounds a request's head
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


if __name__ == "__main__":
    raise SystemExit(do(sys.argv[1:], work))
