"""Connections to a Redis or Valkey: one server, one behind sentinels, or a cluster. By redis-py.

Rule: whatever goes wrong is raised as it is; whether the store can be counted on is for others to say (`redis`,
`redis_state`). What redis-py would do by itself, such as trying again, it doesn't.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeAlias

import redis
import redis.asyncio
from redis.backoff import NoBackoff

from phantomgate.backends.redis_cluster import Cluster
from phantomgate.backends.redis_line import Lines
from phantomgate.core.nouns import dataclass, field

TRIAL_SECONDS = 0.25
"""How long the first command may take, or the first after a failure: it may have to connect and find the server."""

Act: TypeAlias = Callable[[Sequence[Any], float], Awaitable[Any]]
"""Runs one command within so many seconds; raises whatever goes wrong."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store is, and who we are there. *unix* is the path of a socket, else *nodes* are (host, port)."""

    mode: Literal["single", "sentinel", "cluster"] = "single"
    nodes: tuple[tuple[str, int], ...] = ()
    unix: str = ""
    master: str = ""
    """What the sentinels call it."""
    username: str = ""
    password: str = field(default="", repr=False)
    sentinel_password: str = field(default="", repr=False)
    database: int = 0
    tls: bool = False
    ca_file: str = ""


def nonblocking(place: Place, connections: int) -> tuple[Act, Callable[[], Awaitable[None]]]:
    """What runs commands on an event loop, and what ends it. One connection carries all; to a cluster, *connections* to
    each node at the most, with one command at a time."""
    # *seconds* are all; its own cost a task each, and on Python 3.11 swallow a cancellation now and then
    make = functools.partial(_client, place, connections, redis.asyncio, {"socket_timeout": None})
    if place.mode == "cluster":
        cluster = Cluster(make)
        return cluster.act, cluster.close
    made: list[Any] = []
    lines: list[Lines] = []

    async def act(command: Sequence[Any], seconds: float) -> Any:
        if not made:
            made.append(make())
            lines.append(Lines(made[0].connection_pool))
        return await lines[0].act(command, seconds)

    async def close() -> None:
        for line in lines:
            await line.close()
        lines.clear()
        for one in _clients(made):
            await one.aclose()

    return act, close


def blocking(place: Place, connections: int, timeout: float) -> tuple[Act, Callable[[], Awaitable[None]]]:
    """What runs commands and blocks, and what ends it. *timeout* is for each step that may wait."""
    made: list[Any] = []
    waits: dict[str, float | None] = {"socket_timeout": timeout, "socket_connect_timeout": max(TRIAL_SECONDS, timeout)}

    async def act(command: Sequence[Any], seconds: float) -> Any:  # noqa: ARG001 - sockets have theirs
        if not made:
            made.append(_client(place, connections, redis, waits))
        return made[0].execute_command(*command)

    async def close() -> None:
        for one in _clients(made):
            one.close()

    return act, close


def _clients(made: list[Any]) -> list[Any]:
    """All that has connections: the client, if one was *made*, and those of the sentinels that it asks."""
    found = made[:1]
    for client in made:
        found += getattr(getattr(getattr(client, "connection_pool", None), "sentinel_manager", None), "sentinels", [])
    made.clear()
    return found


def _client(place: Place, connections: int, library: Any, waits: dict[str, float | None]) -> Any:
    """The client of redis-py, or of its asyncio twin, for *place*."""
    retry = (redis.asyncio if library is redis.asyncio else redis).retry.Retry(NoBackoff(), 0)
    options: dict[str, Any] = {"protocol": 2, "retry": retry, **waits}
    options |= {"username": place.username or None, "password": place.password or None}
    secure: dict[str, Any] = {}
    if place.tls:
        secure = {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
        secure |= {"ssl_ca_certs": place.ca_file} if place.ca_file else {}
    if place.mode == "cluster":
        nodes = [library.cluster.ClusterNode(host, port) for host, port in place.nodes]
        return library.cluster.RedisCluster(startup_nodes=nodes, max_connections=connections, **options, **secure)
    options |= {"db": place.database, "max_connections": connections}
    if place.mode == "sentinel":
        ours = {"retry": retry, **waits, **secure, "password": place.sentinel_password or None, "protocol": 2}
        found = library.sentinel.Sentinel(list(place.nodes), sentinel_kwargs=ours, **options, **secure)
        return found.master_for(place.master)
    if place.unix:
        return library.Redis(unix_socket_path=place.unix, **options)
    ((host, port),) = place.nodes
    return library.Redis(host=host, port=port, **options, **secure)
