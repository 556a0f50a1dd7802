"""What `phantomgate serve` runs in each worker process: from the supervisor's settings to a listener.

Rule: the settings come whole through the channel, so every worker has the very ones that the supervisor has checked,
whatever has happened to the file since. Secrets don't come through it; they are read here, where they were kept.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from phantomgate.config.loading import Sources, load
from phantomgate.config.log import Level, Log
from phantomgate.config.observe import Metrics
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.model import Refuse
from phantomgate.core.ports import Store
from phantomgate.core.purge import read_mark
from phantomgate.servers.channel import Message
from phantomgate.servers.lifecycle import Served, run
from phantomgate.servers.listener import Limits, Listener, trusted_peers


async def build(start: Message, log: Log, metrics: Metrics) -> Served:
    """The listener that the settings in *start* describe. Raises SettingsError."""
    settings = load(Sources(**start["sources"]))
    log.level = Level[settings.log.level.upper()]
    wired = wire(settings, "nonblocking", write=log, metrics=metrics, told=True)
    if wired.sharing is not None:
        await wired.sharing.trouble()  # connects: the first requests after a restart find what is shared, too

    def purge(message: Message) -> None:
        for mark in message.get("marks", ()):
            wired.marks.put(read_mark(mark))

    purge(start)
    served = replace(_served(wired, log), purge=purge)
    return served if wired.halves is None else await _pushed_to(wired, wired.halves, served)


def _served(wired: Wired, log: Log) -> Served:
    serve = wired.settings.serve
    if serve.upstream:
        return _proxy(wired, log)
    return _agent(wired, log) if serve.protocol == "spop" else _listener(wired)


async def _pushed_to(wired: Wired, halves: Store, served: Served) -> Served:
    """*served*, and beside it the listener where the parts of split tokens are pushed."""
    from phantomgate.servers.pushes import Pushes, receiving

    stop = await receiving(Pushes(halves, wired.push_secret, wired.now), wired.settings)

    async def close() -> None:
        await stop()
        await served.close()

    return replace(served, close=close)


def limits_of(settings: Settings) -> Limits:
    """What one connection may cost, by the settings."""
    serve = settings.serve
    return Limits(
        max_headers=serve.max_headers,
        max_header_bytes=serve.max_header_bytes,
        header_timeout=serve.header_timeout,
        idle_timeout=serve.idle_timeout,
    )


def _listener(wired: Wired) -> Served:
    """The decision listener."""
    serve = wired.settings.serve
    listener = Listener(
        wired.gateway,
        now=wired.now,
        ticks=wired.ticks,
        trusts=trusted_peers(serve.trusted_proxies),
        source=serve.source,
        realm=serve.realm,
        nginx=serve.nginx,
        published=wired.published,
        resource_metadata=wired.resource_metadata,
        downstream=wired.settings.cache.downstream,
        preflights=wired.settings.session.cors,
        limits=limits_of(wired.settings),
        waiting=wired.metrics.waiting,
    )
    return Served(listener, wired.close)


def _agent(wired: Wired, log: Log) -> Served:
    """The agent that HAProxy asks."""
    from phantomgate.servers.spoe import Agent

    def complain(no: Refuse) -> None:
        log.say(Level.ERROR, "answer_too_long", reason=no.reason.label, detail=no.detail, decision=no.id)

    serve = wired.settings.serve
    agent = Agent(
        wired.gateway,
        trusts=trusted_peers(serve.trusted_proxies),
        realm=serve.realm,
        resource_metadata=wired.resource_metadata,
        limits=limits_of(wired.settings),
        sessions=bool(wired.settings.session.keys),
        waiting=wired.metrics.waiting,
        complain=complain,
    )
    return Served(agent, wired.close)


def _proxy(wired: Wired, log: Log) -> Served:
    """The reverse proxy."""
    from phantomgate.servers.proxy import Proxy
    from phantomgate.servers.proxy_listener import ProxyListener

    settings = wired.settings
    proxy = Proxy(
        wired.gateway,
        settings.serve.upstream,
        owned=settings.forward.claims,
        realm=settings.serve.realm,
        metrics=wired.metrics,
        log=log,
        max_header_bytes=settings.serve.max_header_bytes,
        published=wired.published,
        resource_metadata=wired.resource_metadata,
    )

    async def close() -> None:
        await proxy.close()
        await wired.close()

    return Served(ProxyListener(proxy, limits_of(settings)), close)


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:], build))
