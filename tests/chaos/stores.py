"""The two stores that the fleet is run with: a cluster of three, and a server with a replica behind three sentinels.

Rule: phantomgate reaches each server through a link that can be cut, because the servers announce the link's port;
among themselves, cluster nodes talk past it. They write down what they are told (`appendonly`), as whoever counts on
purges being kept has them do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import redis

from chaos.links import Link
from chaos.parts import Part
from ports import free_port
from redis_servers import BUS, command_line, join, until_watched, watching

Kind = Literal["cluster", "sentinel"]
_KEEPS = ("--appendonly", "yes", "--appendfsync", "always")


@dataclass
class Store:
    """A store that runs. *servers* hold data, the links beside them lead there; *settings* are those of `[redis]`."""

    kind: Kind
    servers: list[Part]
    links: list[Link]
    sentinels: list[Part]
    settings: str

    @property
    def parts(self) -> list[Part]:
        """All its programs."""
        return [*self.servers, *self.sentinels]

    def primary(self) -> int:
        """Which of the servers behind sentinels takes what is written."""
        for place, one in enumerate(self.servers):
            with redis.Redis(port=port_of(one), socket_timeout=2) as client:
                if client.role()[0] == b"master":
                    return place
        raise AssertionError("no primary")

    def fill(self) -> None:
        """Have no room for anything more, and evict nothing; what is there can be read."""
        for one in self.servers:
            with redis.Redis(port=port_of(one), socket_timeout=2) as client:
                client.config_set("maxmemory-policy", "noeviction")
                client.config_set("maxmemory", 1)

    def empty(self) -> None:
        """Have room again."""
        for one in self.servers:
            with redis.Redis(port=port_of(one), socket_timeout=2) as client:
                client.config_set("maxmemory", 0)

    def holder(self, key: str) -> int:
        """Which node of the cluster has *key*."""
        with redis.Redis(port=port_of(self.servers[0]), socket_timeout=2) as client:
            return client.execute_command("CLUSTER", "KEYSLOT", key) * len(self.servers) // 16384


def port_of(part: Part) -> int:
    """The port of a Redis."""
    return int(part.name.rpartition(":")[2])


def _part(folder: Path, what: str, *options: str, sentinel: str = "", port: int = 0) -> Part:
    port = port or free_port(BUS)
    place = folder / str(port)
    place.mkdir()

    def ready() -> bool:
        try:
            with redis.Redis(port=port, socket_timeout=2) as client:
                return client.ping()
        except redis.RedisError:
            return False

    line = command_line(place, port, *options, sentinel=sentinel)
    return Part(f"{what}:{port}", line, folder / f"{port}.log", ready=ready, cwd=place)


async def _linked(folder: Path, announce: str, *options: str) -> tuple[Part, Link]:
    port = free_port(BUS)
    link = Link(port)
    await link.listen()
    part = _part(folder, "redis", *options, *_KEEPS, f"--{announce}-port", str(link.port), port=port)
    return part, link


async def cluster(folder: Path) -> Store:
    """Three servers that are a cluster."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
    made = [await _linked(folder, "cluster-announce", *options) for _ in range(3)]
    for part, _ in made:
        part.start()
    await asyncio.gather(*(part.until_ready() for part, _ in made))
    await asyncio.to_thread(join, [port_of(part) for part, _ in made])
    nodes = ", ".join(f'"127.0.0.1:{link.port}"' for _, link in made)
    settings = f'mode = "cluster"\nnodes = [{nodes}]'
    return Store("cluster", [part for part, _ in made], [link for _, link in made], [], settings)


async def sentinel(folder: Path) -> Store:
    """A server, its replica, and three that watch them."""
    first, first_link = await _linked(folder, "replica-announce", "--replica-announce-ip", "127.0.0.1")
    replica = ("--replicaof", "127.0.0.1", str(first_link.port), "--replica-announce-ip", "127.0.0.1")
    second, second_link = await _linked(folder, "replica-announce", *replica)
    watchers = [_part(folder, "sentinel", sentinel=watching(first_link.port)) for _ in range(3)]
    first.start()
    await first.until_ready()
    for part in (second, *watchers):
        part.start()
    await asyncio.gather(*(part.until_ready() for part in (second, *watchers)))
    await asyncio.to_thread(until_watched, [port_of(one) for one in watchers], port_of(second))
    nodes = ", ".join(f'"127.0.0.1:{port_of(one)}"' for one in watchers)
    settings = f'mode = "sentinel"\nmaster = "m"\nnodes = [{nodes}]'
    return Store("sentinel", [first, second], [first_link, second_link], watchers, settings)


STORES = {"cluster": cluster, "sentinel": sentinel}
