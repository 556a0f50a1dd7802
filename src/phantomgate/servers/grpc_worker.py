"""What `phantomgate serve` runs in each worker process with `protocol = "grpc"`.

Rule: as `lifecycle`: it obeys its channel and nothing else, and ends in good order. The socket that it gets keeps the
port and is never listened on.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

from phantomgate.config.keeping import Keeping
from phantomgate.config.log import Log
from phantomgate.config.observe import Metrics
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.servers.channel import Channel, Message
from phantomgate.servers.grpc import Checks
from phantomgate.servers.lifecycle import answering, do, obey, told_to_go
from phantomgate.servers.listener import trusted_peers
from phantomgate.servers.renewing import Renewing, Renews, adopting, purging
from phantomgate.servers.worker import limits_of


class _Serves(NamedTuple):
    """As `lifecycle.Serves`."""

    purge: Callable[[Message], None]
    renews: Renews


async def work(listening: socket.socket, end: socket.socket, log: Log, metrics: Metrics) -> int:
    """Serve checks on the port of *listening* until the channel at *end* says drain, or ends. The exit code."""
    channel = await Channel.over(end)
    start = await channel.receive()
    if start is None:
        return 0

    async def make(settings: Settings, keeping: Keeping) -> Wired:
        return wire(settings, "nonblocking", write=log, metrics=metrics, told=True, keeping=keeping)

    def served(wired: Wired) -> Checks:
        settings = wired.settings
        return Checks(
            wired.gateway,
            trusts=trusted_peers(settings.serve.trusted_proxies),
            realm=settings.serve.realm,
            resource_metadata=wired.resource_metadata,
            limits=limits_of(settings),
            waiting=metrics.waiting,
        )

    renewing = Renewing(make, log)
    wired = await renewing.first(start)
    checks = served(wired)
    purge = purging(wired.marks)
    renewing.adopt = adopting(lambda newer: checks.adopt(served(newer)))
    purge(start)
    host, port = listening.getsockname()[:2]
    try:
        if not await told_to_go(channel, start, metrics, _Serves(purge, renewing)):
            return 0
        await checks.start(host, port)
        channel.send({"is": "ready"})
        seconds = await obey(channel, metrics, purge, renewing) or 0.0
        async with answering(channel, metrics, purge):
            whole = await checks.stop(seconds)
        channel.send({"is": "done", "whole": whole, "counts": metrics.snapshot()})
    finally:
        listening.close()
        await renewing.keeping.close()
        await channel.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(do(sys.argv[1:], work))
