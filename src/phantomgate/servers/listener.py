"""What the connections of the decision listener share: the gateway, the limits, what was rendered, who is connected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from types import MappingProxyType

from phantomgate.adapters.forward_auth import Read, read_decide, read_exchange
from phantomgate.adapters.preflight import read_preflight
from phantomgate.core.ports import Clock
from phantomgate.gateway.gateway import Gateway
from phantomgate.oauth.published import Published
from phantomgate.servers.connection import Connection
from phantomgate.servers.listening import Listening
from phantomgate.servers.rendering import Rendering


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may cost. Times in seconds, sizes in bytes."""

    max_headers: int = 100
    max_header_bytes: int = 65536
    header_timeout: float = 10.0
    idle_timeout: float = 75.0


class Listener(Listening):
    """Everything the connections of one process share: the gateway, what was rendered, and who is connected.

    Its state is that of `Listening`. *trusts* says whether a peer's forwarded fields are believed; *published* is what
    anybody may read, by path; *resource_metadata* is the URL for challenges, or empty; *preflights* is whether the
    gateway answers them; *downstream* whether gateways may remember what we say.
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
        published: Mapping[str, Published] = MappingProxyType({}),
        resource_metadata: str = "",
        downstream: bool = True,
        preflights: bool = False,
        limits: Limits | None = None,
        waiting: Callable[[int], None] = lambda change: None,  # noqa: ARG005 - nobody counts
    ) -> None:
        super().__init__()
        self.gateway = gateway
        self.trusts = trusts
        self.published = published
        self.limits = limits or Limits()
        self.max_headers = self.limits.max_headers
        self.rendering = Rendering(
            realm=realm,
            nginx=nginx,
            now=now,
            ticks=ticks,
            resource_metadata=resource_metadata,
            downstream=downstream,
        )
        self.read_decide: Read = read_decide(source)
        self.read_exchange: Read = read_exchange(source)
        self.read_preflight: Read | None = read_preflight(source) if preflights else None
        self.waiting = waiting

    def protocol(self) -> Connection:
        """A protocol for one more connection; the factory that `create_server` wants."""
        return Connection(self)

    def adopt(self, newer: Listener) -> None:
        """Go by what *newer* was made with, on the connections that are open too; what has begun ends as it began."""
        self.gateway = newer.gateway
        self.trusts = newer.trusts
        self.published = newer.published
        self.limits = newer.limits
        self.max_headers = newer.max_headers
        self.rendering = newer.rendering
        self.read_decide = newer.read_decide
        self.read_exchange = newer.read_exchange
        self.read_preflight = newer.read_preflight
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.go_by_listener()


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
