"""What `phantomgate serve` runs in each worker process with `protocol = "grpc"`.

Rule: as `lifecycle`: it obeys its channel and nothing else, and ends in good order. The socket that it gets keeps the
port and is never listened on.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

from phantomgate.config.loading import Sources, load
from phantomgate.config.log import Level, Log
from phantomgate.config.observe import Metrics
from phantomgate.config.wiring import wire
from phantomgate.servers.channel import Channel
from phantomgate.servers.grpc import Checks
from phantomgate.servers.lifecycle import do, obey
from phantomgate.servers.listener import trusted_peers
from phantomgate.servers.worker import limits_of


async def work(listening: socket.socket, end: socket.socket, log: Log, metrics: Metrics) -> int:
    """Serve checks on the port of *listening* until the channel at *end* says drain, or ends. The exit code."""
    channel = await Channel.over(end)
    start = await channel.receive()
    if start is None:
        return 0
    settings = load(Sources(**start["sources"]))
    log.level = Level[settings.log.level.upper()]
    wired = wire(settings, "nonblocking", write=log, metrics=metrics, told=True)
    checks = Checks(
        wired.gateway,
        trusts=trusted_peers(settings.serve.trusted_proxies),
        realm=settings.serve.realm,
        resource_metadata=wired.resource_metadata,
        limits=limits_of(settings),
        waiting=metrics.waiting,
    )
    host, port = listening.getsockname()[:2]
    try:
        await checks.start(host, port)
        channel.send({"is": "ready"})
        seconds = await obey(channel, metrics)
        answering = asyncio.create_task(obey(channel, metrics))
        whole = await checks.stop(seconds)
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering
        channel.send({"is": "done", "whole": whole, "counts": metrics.snapshot()})
    finally:
        listening.close()
        await wired.close()
        await channel.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(do(sys.argv[1:], work))
