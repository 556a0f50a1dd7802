"""From [resilience] to the clients that call each authorization server, and what the log and the metrics hear of them.

Rule: one breaker, one count of turns and one set of figures a server, however many clients call it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from phantomgate.config.family import BackEnds, Certificate, Family, HttpFor
from phantomgate.config.issuing import DEFAULT_NAME
from phantomgate.config.observe import Metrics, todo
from phantomgate.config.settings import Settings
from phantomgate.config.tools import anew
from phantomgate.core.errors import Reason
from phantomgate.core.ports import Clock, Http, Turns
from phantomgate.core.typed import NamedTuple
from phantomgate.resolvers.breaker import Breaker, State
from phantomgate.resolvers.guarded import Calls, Guarded

if TYPE_CHECKING:
    from phantomgate.backends.tracing import Tracing
    from phantomgate.config.log import LogLine


class _Server(NamedTuple):
    """What all clients of one server share."""

    turns: Turns
    breaker: Breaker | None
    calls: Calls


def guarding(
    settings: Settings,
    ends: BackEnds,
    metrics: Metrics,
    write: Callable[[LogLine], None],
    *,
    now: Clock,
    ticks: Clock,
    random: Callable[[int], bytes],
    tracing: Tracing | None = None,
    part: Callable[[Hashable, Callable[[], Any]], Any] = anew,
) -> HttpFor:
    """The clients of *ends*, each guarded as [resilience] says. *random* spreads what many would do at a time.

    *part* gives what was made for a key before, where settings may change.
    """
    servers: dict[str, _Server] = {}

    def jitter() -> float:
        return random(1)[0] / 255

    def server(name: str, connections: int) -> _Server:
        calls = metrics.servers.setdefault(name, Calls())
        breaker: Breaker | None = None
        if settings.resilience.breaker:
            breaker = Breaker(ticks=ticks, jitter=jitter)
            breaker.changed = _saying(name, breaker, calls, write, now)
        return _Server(ends.turns(connections), breaker, calls)

    def shared_by_all(name: str, connections: int) -> _Server:
        name = name or DEFAULT_NAME
        if name not in servers:
            key = ("server", name, connections, settings.resilience)
            servers[name] = part(key, lambda: server(name, connections))
        return servers[name]

    def client(name: str, ca_file: str, ours: Certificate, connections: int) -> Http:
        shared = shared_by_all(name, connections)
        http = ends.http(name, ca_file, ours, connections)
        return Guarded(
            http if tracing is None else tracing.http(http, name or DEFAULT_NAME),
            shared.turns,
            breaker=shared.breaker,
            retries=settings.resilience.retry,
            most_wait=settings.resilience.max_wait,
            pause=ends.pause,
            ticks=ticks,
            jitter=jitter,
            calls=shared.calls,
        )

    return client


def traced(settings: Settings, family: Family) -> Tracing | None:
    """What traces decisions, if [traces] says where to; nothing of it is imported if not.

    Raises ModuleNotFoundError when the extra `otel` isn't installed.
    """
    if not settings.traces.endpoint or family == "blocking":
        return None
    from phantomgate.backends.tracing import Tracing

    return Tracing(settings.traces.endpoint, settings.traces.one_in)


def _saying(
    name: str, breaker: Breaker, calls: Calls, write: Callable[[LogLine], None], now: Clock
) -> Callable[[State, State], None]:
    """Counts what becomes of a breaker, and tells the log when it begins to refuse and when that is over."""

    def changed(old: State, new: State) -> None:
        calls.state = new
        if old is State.CLOSED:
            calls.opened += 1
        elif new is not State.CLOSED:
            return  # tried in vain: what was said still holds
        from phantomgate.config.log import Level, LogLine

        fields: dict[str, Any] = {"issuer": name, "detail": breaker.why, "calls": dict(calls.by_outcome)}
        if new is State.CLOSED:
            write(LogLine(now(), Level.INFO, "breaker_closed", fields))
            return
        fields["remedy"] = todo(Reason.UNAVAILABLE, breaker.why)
        write(LogLine(now(), Level.ERROR, "breaker_opened", fields))

    return changed
