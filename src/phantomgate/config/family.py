"""The two families of back ends, each picked as a whole: all of them block, or none does.

Rule: nothing is imported that the family doesn't need, so a cold start pays for no event loop it doesn't run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Literal, TypeAlias

from phantomgate.config.asking import verifies_answers
from phantomgate.config.settings import Settings
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Clock, Http, Later, Once, Turns
from phantomgate.core.typed import Protocol

Family: TypeAlias = Literal["blocking", "nonblocking"]

Certificate: TypeAlias = tuple[str, str] | None
"""The files of our certificate and its key, as for `tls.client_context`."""

HttpFor: TypeAlias = Callable[[str, str, Certificate, int], Http]
"""The client for an issuer's name, a `ca_file`, our certificate there and a number of connections."""


class Closable(Protocol):
    """What holds connections or tasks, and gives them back."""

    async def close(self) -> None:
        """Give them back; whatever is asked of it later is refused."""


@dataclass(frozen=True, slots=True)
class BackEnds:
    """One family: how to call, how concurrent calls become one, what runs behind, and what to close in the end."""

    http: HttpFor
    once: Once
    key_once: Once
    later: Later | None
    closing: list[Closable]
    turns: Callable[[int], Turns]
    pause: Callable[[float], Awaitable[None]]


def back_ends(
    settings: Settings,
    family: Family,
    ticks: Clock,
    given: Http | None,
    left: Callable[[], float] | None = None,
    part: Callable[[Hashable, Callable[[], Any]], Any] | None = None,
    prints: Callable[..., str] = lambda **things: "",  # noqa: ARG005 - what files hold doesn't change
) -> BackEnds:
    """The back ends of *family*; *given*, if it is, instead of its HTTP clients.

    *left* says for how many more seconds blocking ones may wait, and raises Unavailable once there are none; None: as
    long as the settings have it. *part* gives what was made for a key before, where settings may change while
    nonblocking ones run, and *prints* tells the files of one client from what they held before.
    """
    return _nonblocking(given, part, prints) if family == "nonblocking" else _blocking(settings, ticks, given, left)


def _nonblocking(
    given: Http | None,
    part: Callable[[Hashable, Callable[[], Any]], Any] | None,
    prints: Callable[..., str],
) -> BackEnds:
    import asyncio

    from phantomgate.backends.background import Background
    from phantomgate.backends.nonblocking import AiohttpHttp, SingleFlight
    from phantomgate.backends.turns import LoopTurns

    # Keys have flights of their own, so that however many tokens wait for a key, there is room for its fetch
    made: dict[Hashable, Any] = {}
    part = part or (lambda key, make: made[key] if key in made else made.setdefault(key, make()))
    flights, key_flights = part("flights", SingleFlight), part("key flights", SingleFlight)
    later = part("later", Background)
    closing: list[Closable] = [later, flights, key_flights]

    def client(issuer: str, ca_file: str, ours: Certificate, connections: int) -> Http:
        if given is not None:
            return given
        files = (ca_file, *(ours or ()))
        # Each issuer its own, so that a slow one takes no other's connections
        key = ("http", issuer, ca_file, ours, connections, prints(files=files))
        client: AiohttpHttp = part(
            key, lambda: AiohttpHttp(ca_file=ca_file or None, certificate=ours, connections=connections)
        )
        if client not in closing:
            closing.append(client)
        return client

    return BackEnds(client, flights, key_flights, later, closing, LoopTurns, asyncio.sleep)


def _blocking(settings: Settings, ticks: Clock, given: Http | None, left: Callable[[], float] | None) -> BackEnds:
    from phantomgate.backends.blocking import SingleFlight, ThreadTurns, Within, pause, pausing

    clients: dict[tuple[str, Certificate], Http] = {}
    closing: list[Closable] = []

    def client(issuer: str, ca_file: str, ours: Certificate, connections: int) -> Http:  # noqa: ARG001 - a thread has one
        if given is not None:
            return given if left is None else Within(given, left)
        if (ca_file, ours) not in clients:
            from phantomgate.backends.blocking_http import BlockingHttp  # and with it TLS, for whoever asks somebody

            made = BlockingHttp(ca_file=ca_file or None, certificate=ours, ticks=ticks)
            closing.append(made)
            clients[ca_file, ours] = made if left is None else Within(made, left)
        return clients[ca_file, ours]

    askers = [settings.introspection, *(one.introspection for one in settings.issuers)]
    asking = max(settings.exchange.timeout, *(asked.timeout for asked in askers))
    if settings.redis.nodes:
        asking *= 1.5  # another machine may ask already, and is waited for
    # The longest way to the keys: two forms of metadata, and the keys themselves
    found = (settings.introspection, settings.exchange)
    keys = max(*(2 * asked.timeout for asked in found), *(3 * one.timeout for one in settings.issuers))
    discovering = bool(settings.issuers) or not settings.introspection.endpoint or settings.exchanges
    # What verifies an answer may wait for its keys, and for newer ones
    opening = 2 * asking if any(verifies_answers(asked) for asked in askers) else 0.0
    return BackEnds(
        client,
        SingleFlight(patience=asking + 1.0 + opening + (keys if discovering else 0.0)),
        SingleFlight(patience=max(keys, asking) + 1.0),
        None,
        closing,
        ThreadTurns,
        pause if left is None else pausing(left),
    )
