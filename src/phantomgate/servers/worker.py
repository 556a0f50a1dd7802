"""What `phantomgate serve` runs in each worker process: from the supervisor's settings to a listener.

Rule: the settings come whole through the channel, so every worker has the very ones that the supervisor has checked,
whatever has happened to the file since. Secrets don't come through it; they are read here, where they were kept.
Settings that come later are taken up by the listener that is there, with all connections.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from phantomgate.config.keeping import Keeping
from phantomgate.config.log import Level, Log
from phantomgate.config.observe import Metrics
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.model import Refuse
from phantomgate.servers.channel import Message
from phantomgate.servers.lifecycle import Listens, Served, run
from phantomgate.servers.listener import Limits, Listener, trusted_peers
from phantomgate.servers.renewing import Renewing, adopting, purging

if TYPE_CHECKING:
    from phantomgate.servers.pushes import Pushes


async def build(start: Message, log: Log, metrics: Metrics) -> Served:
    """The listener that the settings in *start* describe, and those that come after them. Raises SettingsError."""

    async def make(settings: Settings, keeping: Keeping) -> Wired:
        return wire(settings, "nonblocking", write=log, metrics=metrics, told=True, keeping=keeping)

    renewing = Renewing(make, log)
    wired = await renewing.first(start)
    if wired.sharing is not None:
        await wired.sharing.trouble()  # connects: the first requests after a restart find what is shared, too
    served = _served(wired, log)
    pushes = _pushes(wired)

    def adopt(newer: Wired) -> None:
        served.adopt(newer)
        if pushes is not None:
            pushes.secret = newer.push_secret

    renewing.adopt = adopting(adopt)
    purge = purging(wired.marks)
    purge(start)

    async def close() -> None:
        await served.close()
        await renewing.keeping.close()

    whole = Served(served.listener, close, purge, renewing)
    return whole if pushes is None else await _pushed_to(pushes, wired, whole)


class _Kind(NamedTuple):
    """One kind of listener: itself, how it is had to go by other settings, and what it holds besides connections."""

    listener: Listens
    adopt: Callable[[Wired], None]
    close: Callable[[], Awaitable[None]]


def _served(wired: Wired, log: Log) -> _Kind:
    serve = wired.settings.serve
    if serve.upstream:
        return _proxy(wired, log)
    return _agent(wired, log) if serve.protocol == "spop" else _listener(wired)


async def _nothing() -> None:
    """There is nothing to give back."""


def _pushes(wired: Wired) -> Pushes | None:
    """What the parts of split tokens are pushed by, where there are such."""
    if wired.halves is None:
        return None
    from phantomgate.servers.pushes import Pushes

    return Pushes(wired.halves, wired.push_secret, wired.now)


async def _pushed_to(pushes: Pushes, wired: Wired, served: Served) -> Served:
    """*served*, and beside it the listener where the parts of split tokens are pushed."""
    from phantomgate.servers.pushes import receiving

    stop = await receiving(pushes, wired.settings)

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


def _listener(wired: Wired) -> _Kind:
    """The decision listener."""

    def made(wired: Wired) -> Listener:
        serve = wired.settings.serve
        return Listener(
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

    listener = made(wired)
    return _Kind(listener, lambda newer: listener.adopt(made(newer)), _nothing)


def _agent(wired: Wired, log: Log) -> _Kind:
    """The agent that HAProxy asks."""
    from phantomgate.servers.spoe import Agent

    def complain(no: Refuse) -> None:
        log.say(Level.ERROR, "answer_too_long", reason=no.reason.label, detail=no.detail, decision=no.id)

    def made(wired: Wired) -> Agent:
        serve = wired.settings.serve
        return Agent(
            wired.gateway,
            trusts=trusted_peers(serve.trusted_proxies),
            realm=serve.realm,
            resource_metadata=wired.resource_metadata,
            limits=limits_of(wired.settings),
            sessions=bool(wired.settings.session.keys),
            waiting=wired.metrics.waiting,
            complain=complain,
        )

    agent = made(wired)
    return _Kind(agent, lambda newer: agent.adopt(made(newer)), _nothing)


def _proxy(wired: Wired, log: Log) -> _Kind:
    """The reverse proxy."""
    from phantomgate.servers.proxy import Proxy, Terms
    from phantomgate.servers.proxy_listener import ProxyListener

    def terms(wired: Wired) -> dict[str, Any]:
        settings = wired.settings
        return {
            "gateway": wired.gateway,
            "upstream": settings.serve.upstream,
            "owned": settings.forward.claims,
            "realm": settings.serve.realm,
            "max_header_bytes": settings.serve.max_header_bytes,
            "max_headers": settings.serve.max_headers,
            "published": wired.published,
            "resource_metadata": wired.resource_metadata,
        }

    proxy = Proxy(**terms(wired), metrics=wired.metrics, log=log)
    listener = ProxyListener(proxy, limits_of(wired.settings))
    return _Kind(listener, lambda newer: listener.adopt(Terms(**terms(newer)), limits_of(newer.settings)), proxy.close)


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:], build))
