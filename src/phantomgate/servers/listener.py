"""What the connections of the decision listener share: the gateway, the limits, what was rendered, who is connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from phantomgate.adapters.forward_auth import Read, read_decide, read_exchange
from phantomgate.adapters.preflight import read_preflight
from phantomgate.core.ports import Clock
from phantomgate.gateway.gateway import Gateway
from phantomgate.servers.connection import Connection
from phantomgate.servers.rendering import Rendering


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may cost. Times in seconds, sizes in bytes."""

    max_headers: int = 100
    max_header_bytes: int = 65536
    header_timeout: float = 10.0
    idle_timeout: float = 75.0


class Listener:
    """Everything the connections of one process share: the gateway, what was rendered, and who is connected.

    Its state is the set of open connections and whether we are draining. *trusts* says whether a peer's forwarded
    fields are believed; *published_keys* is a JWK Set, or empty; *preflights* is whether the gateway answers them.
    Call `sweep` every second or so: it closes connections that are idle or too slow.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        now: Clock,
        ticks: Clock,
        trusts: Callable[[str], bool],
        source: str = "auto",
        realm: str = "api",
        nginx: bool = False,
        published_keys: bytes = b"",
        preflights: bool = False,
        limits: Limits | None = None,
        waiting: Callable[[int], None] = lambda change: None,  # noqa: ARG005 - nobody counts
    ) -> None:
        self.gateway = gateway
        self.trusts = trusts
        self.published_keys = published_keys
        self.limits = limits or Limits()
        self.max_headers = self.limits.max_headers
        self.rendering = Rendering(realm=realm, nginx=nginx, now=now, ticks=ticks)
        self.read_decide: Read = read_decide(source)
        self.read_exchange: Read = read_exchange(source)
        self.read_preflight: Read | None = read_preflight(source) if preflights else None
        self.waiting = waiting
        self.connections: set[Connection] = set()
        self.draining = False
        self.empty = asyncio.Event()
        """Set when the last connection ended while draining."""

    def protocol(self) -> Connection:
        """A protocol for one more connection; the factory that `create_server` wants."""
        return Connection(self)

    def sweep(self, seconds: float) -> None:
        """*seconds* have passed: close what was idle, or has been sending one request, for too long."""
        for connection in list(self.connections):
            connection.grow_older(seconds)

    def last_call(self) -> None:
        """Every answer from now on ends its connection; one that is idle may still bring a request."""
        self.draining = True

    def begin_drain(self) -> None:
        """Close idle connections; the others end after the answer they are owed."""
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()

    async def drained(self, deadline: float) -> bool:
        """Whether every connection ended within *deadline* seconds; those that did not are cut off."""
        if self.connections:
            self.empty.clear()  # set when an earlier last one ended
            with suppress(TimeoutError):
                await asyncio.wait_for(self.empty.wait(), deadline)
        left = list(self.connections)
        for connection in left:
            connection.abort()
        return not left


def trusted_peers(networks: Iterable[str]) -> Callable[[str], bool]:
    """Whether a peer's address lies in one of *networks* (strings in CIDR form); a unix-socket peer always does."""
    known = [ip_network(network) for network in networks]

    def trusts(peer: str) -> bool:
        if peer == "unix":
            return True
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in known)

    return trusts
