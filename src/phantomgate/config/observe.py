"""What is counted and what is logged: plain integers on the hot path, one line a refusal, no library.

Rule: observing never changes a decision and never waits. A decision is counted before its line is written, and a line
that can't be made or written is dropped and counted. Labels come from closed lists, so that nobody can grow them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from phantomgate.config.log import Level, Log, LogLine, frames, kinds_of
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Answer, Decision, Refuse, Request
from phantomgate.core.ports import Clock, Observer
from phantomgate.core.typed import Protocol
from phantomgate.resolvers.breaker import State
from phantomgate.resolvers.guarded import OUTCOMES, Calls

Snapshot: TypeAlias = dict[str, Any]
"""`Metrics.snapshot` as JSON carries it between processes; missing members count as nothing."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram, seconds; the timeout of an introspection is well within."""

UPSTREAM_FAILURES = ("unreachable", "timeout", "broken")
"""How the API behind the proxy can fail: no connection, no answer in time, or an answer that is not whole."""

LEVELS = {
    Reason.UNAVAILABLE: Level.WARNING,
    Reason.OVERLOADED: Level.WARNING,
    Reason.PURGES_UNHEARD: Level.WARNING,
    Reason.BAD_ANSWER: Level.ERROR,
    Reason.CLIENT_REFUSED: Level.ERROR,
    Reason.SERVER_ERROR: Level.ERROR,
}
"""How loud a refusal is; one that is the caller's own doing is `info`."""


class CacheCounts(Protocol):
    """What a cached resolver counts by itself."""

    def results(self) -> dict[str, int]:
        """Each result of a look-up, and how often it came."""


class Metrics:
    """The counts of one process, from its start. The state is plain integers that only its event loop touches."""

    __slots__ = (
        "abandoned",
        "allowed",
        "answered",
        "caches",
        "in_flight",
        "latency",
        "latency_sum",
        "lines_dropped",
        "refused",
        "servers",
        "upstream_failures",
    )

    def __init__(self) -> None:
        self.allowed = 0
        self.answered = 0
        """Preflights."""
        self.refused: dict[str, int] = dict.fromkeys((reason.label for reason in Reason), 0)
        self.abandoned = 0
        """Decisions that nobody waited for any more."""
        self.in_flight = 0
        """Requests that are waiting for their decision or, through the proxy, for the rest of their answer."""
        self.latency = [0] * (len(BUCKETS) + 1)
        """Introspections by how long they took: one count for each of `BUCKETS`, and one for those beyond."""
        self.latency_sum = 0.0
        self.lines_dropped = 0
        self.upstream_failures: dict[str, int] = dict.fromkeys(UPSTREAM_FAILURES, 0)
        self.caches: dict[str, CacheCounts] = {}
        """Level ("memory") to where that level counts."""
        self.servers: dict[str, Calls] = {}
        """Authorization server, by its name in the settings, to what was counted of our calls to it."""

    def waiting(self, change: int) -> None:
        """One more (1) or less (-1) request is in flight."""
        self.in_flight += change

    def timed(self, seconds: float) -> None:
        """One introspection took *seconds*, whatever came of it."""
        self.latency[bisect_left(BUCKETS, seconds)] += 1
        self.latency_sum += seconds

    def drop_line(self) -> None:
        """One log line could not be written."""
        self.lines_dropped += 1

    def snapshot(self) -> Snapshot:
        """All of it as JSON can carry it."""
        return {
            "allowed": self.allowed,
            "answered": self.answered,
            "refused": dict(self.refused),
            "abandoned": self.abandoned,
            "in_flight": self.in_flight,
            "latency": list(self.latency),
            "latency_sum": self.latency_sum,
            "lines_dropped": self.lines_dropped,
            "upstream_failures": dict(self.upstream_failures),
            "cache": {level: counts.results() for level, counts in self.caches.items()},
            "stale": sum(getattr(counts, "stale", 0) for counts in self.caches.values()),
            "ahead": sum(getattr(counts, "ahead", 0) for counts in self.caches.values()),
            "servers": {name: _told(calls) for name, calls in self.servers.items()},
        }


def _told(calls: Calls) -> Snapshot:
    """What was counted of one server, and how many of our breakers stand in which way."""
    return {
        "calls": {how: calls.by_outcome.get(how, 0) for how in OUTCOMES},
        "retries": calls.retries,
        "in_flight": calls.in_flight,
        "shed": dict(calls.shed),
        "opened": calls.opened,
        "breaker": {state.value: int(calls.state is state) for state in State},
    }


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The sum of *snapshots*, member by member; what one of them lacks counts as nothing."""
    total = Metrics().snapshot()
    for one in snapshots:
        total = _plus(total, one)
    return total


def ended(last: Snapshot) -> Snapshot:
    """What stays of a process that is gone: its counts, so that totals never go back, but nothing of how it stood."""
    gone = {"in_flight": 0, "breaker": dict.fromkeys((state.value for state in State), 0)}
    return {**last, "in_flight": 0, "servers": {name: {**one, **gone} for name, one in last.get("servers", {}).items()}}


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, dict):
        return {
            key: _plus(left[key], right[key]) if key in left and key in right else left.get(key, right.get(key))
            for key in {**left, **right}
        }
    if isinstance(left, list):
        return [a + b for a, b in zip(left, right, strict=True)]
    return left + right


def observer(metrics: Metrics, write: Callable[[LogLine], None], *, now: Clock, allowed: int = 0) -> Observer:
    """An observer that counts in *metrics* and hands each refusal, and one in *allowed* of all allowed, to *write*."""

    def observe(request: Request, decision: Decision) -> None:
        if isinstance(decision, Allow):
            metrics.allowed += 1
            if allowed and metrics.allowed % allowed == 1 % allowed:
                record(request, decision)
            return
        if isinstance(decision, Answer):
            metrics.answered += 1
            return
        if _was_abandoned(decision):
            metrics.abandoned += 1
        else:
            metrics.refused[decision.reason.label] += 1
        record(request, decision)

    def record(request: Request, decision: Allow | Refuse) -> None:
        try:
            write(
                _allow_line(now(), request, decision, allowed)
                if isinstance(decision, Allow)
                else _refuse_line(now(), request, decision)
            )
        except Exception:  # noqa: BLE001 - what can't be logged has been counted; a decision never depends on its line
            metrics.lines_dropped += 1

    return observe


def _was_abandoned(refuse: Refuse) -> bool:
    """Whether the decision was cut short: the client is gone, or we are told to end. That is nobody's refusal."""
    return refuse.cause is not None and not isinstance(refuse.cause, Exception)


def _allow_line(now: float, request: Request, allow: Allow, one_in: int) -> LogLine:
    return LogLine(
        now,
        Level.INFO,
        "decision",
        {
            "outcome": "allowed",
            **_request(request),
            "route": allow.route.name,
            "issuer": allow.token.issuer,
            "source": allow.token.source.value,
            **({"one_in": one_in} if one_in > 1 else {}),
        },
    )


def _refuse_line(now: float, request: Request, refuse: Refuse) -> LogLine:
    abandoned = _was_abandoned(refuse)
    fields: dict[str, Any] = {
        "outcome": "abandoned" if abandoned else "refused",
        "reason": "" if abandoned else refuse.reason.label,
        "status": 0 if abandoned else refuse.reason.status,
        "decision": refuse.id,
        **_request(request),
        "detail": refuse.detail,
    }
    level = Level.INFO if abandoned else LEVELS.get(refuse.reason, Level.INFO)
    if level is Level.ERROR:  # somebody has to mend it, and has this line
        fields["remedy"] = todo(refuse.reason, refuse.detail)
    if refuse.cause is not None:
        fields["cause"] = kinds_of(refuse.cause)
        if refuse.reason is Reason.SERVER_ERROR and not abandoned:
            fields["trace"] = frames(refuse.cause)  # last, so that a line that is too long loses it first
    return LogLine(now, level, "decision", fields)


def todo(reason: Reason, detail: str) -> str:
    """The remedy, as a line of the log has it. Its texts are loaded late: a function on Lambda seldom says one."""
    try:
        from phantomgate.config.remedies import remedy
    except (ImportError, OSError):  # out of descriptors; the line and the decision are worth more
        return ""
    return remedy(reason, detail)


def _request(request: Request) -> dict[str, str]:
    """What a line says of the request: never its query or a header, both of which hold secrets."""
    told = {"method": request.method, "path": request.path, "peer": request.peer}
    if request.host:
        told["host"] = request.host
    if request.note:
        told["note"] = request.note
    return told


def saying(write: Callable[[LogLine], None], now: Clock) -> Callable[[str, str, Refused, float], None]:
    """Tells the log that what an issuer publishes could not be fetched, while what is held may still be used."""

    def say(issuer: str, what: str, no: Refused, seconds: float) -> None:
        fields = {"issuer": issuer, "what": what, "reason": no.reason.label, "detail": no.detail}
        write(LogLine(now(), Level.WARNING, "issuer_not_refreshed", {**fields, "usable_for": int(seconds)}))

    return say


def telling(write: Callable[[LogLine], None], now: Clock) -> Callable[[str, str], None]:
    """Tells the log that the shared store is lost, back, or tampered with."""

    def say(event: str, why: str) -> None:
        level = Level.INFO if event == "shared_cache_back" else Level.WARNING
        fields = {"detail": why} if why else {}
        if event == "shared_cache_lost":
            fields["remedy"] = todo(Reason.UNAVAILABLE, f"the shared store: {why}")
        write(LogLine(now(), level, event, fields))

    return say


def stderr(settings: Settings, metrics: Metrics, now: Clock) -> Callable[[LogLine], None]:
    """The log on standard error; what can't be written is counted."""
    return Log(2, now=now, level=Level[settings.log.level.upper()], dropped=metrics.drop_line)
