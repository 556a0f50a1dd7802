"""The two families of back ends, each picked as a whole: all of them block, or none does.

Rule: nothing is imported that the family doesn't need, so a cold start pays for no event loop it doesn't run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from phantomgate.config.settings import Settings
from phantomgate.core.ports import Clock, Http, Later, Once

Family: TypeAlias = Literal["blocking", "nonblocking"]


class Closable(Protocol):
    """What holds connections or tasks, and gives them back."""

    async def close(self) -> None:
        """Give them back; whatever is asked of it later is refused."""
        ...


@dataclass(frozen=True, slots=True)
class BackEnds:
    """One family: how to call, how concurrent calls become one, what runs behind, and what to close in the end.

    *http* gives the client for an issuer's name, a `ca_file` and a number of connections.
    """

    http: Callable[[str, str, int], Http]
    once: Once
    key_once: Once
    later: Later | None
    closing: list[Closable]


def back_ends(settings: Settings, family: Family, ticks: Clock, given: Http | None) -> BackEnds:
    """The back ends of *family*; *given*, if it is, instead of its HTTP clients."""
    return _nonblocking(given) if family == "nonblocking" else _blocking(settings, ticks, given)


def _nonblocking(given: Http | None) -> BackEnds:
    from phantomgate.backends.background import Background
    from phantomgate.backends.nonblocking import AiohttpHttp, SingleFlight

    clients: dict[tuple[str, str], Http] = {}
    # Keys have flights of their own, so that however many tokens wait for a key, there is room for its fetch
    flights, key_flights, later = SingleFlight(), SingleFlight(), Background()
    closing: list[Closable] = [later, flights, key_flights]

    def client(issuer: str, ca_file: str, connections: int) -> Http:
        if given is not None:
            return given
        if (issuer, ca_file) not in clients:  # each issuer its own, so that a slow one takes no other's connections
            made = AiohttpHttp(ca_file=ca_file or None, connections=connections)
            closing.append(made)
            clients[issuer, ca_file] = made
        return clients[issuer, ca_file]

    return BackEnds(client, flights, key_flights, later, closing)


def _blocking(settings: Settings, ticks: Clock, given: Http | None) -> BackEnds:
    from phantomgate.backends.blocking import SingleFlight
    from phantomgate.backends.blocking_http import BlockingHttp

    clients: dict[str, Http] = {}
    closing: list[Closable] = []

    def client(issuer: str, ca_file: str, connections: int) -> Http:  # noqa: ARG001 - each thread has one connection
        if given is not None:
            return given
        if ca_file not in clients:
            made = BlockingHttp(ca_file=ca_file or None, ticks=ticks)
            closing.append(made)
            clients[ca_file] = made
        return clients[ca_file]

    asking = max(asked.timeout for asked in (settings.introspection, *(one.introspection for one in settings.issuers)))
    # The longest way to the keys: two forms of metadata, and the keys themselves
    keys = max((3 * one.timeout for one in settings.issuers), default=2 * settings.introspection.timeout)
    discovering = bool(settings.issuers) or not settings.introspection.endpoint
    return BackEnds(
        client,
        SingleFlight(patience=asking + 1.0 + (keys if discovering else 0.0)),
        SingleFlight(patience=keys + 1.0),
        None,
        closing,
    )
