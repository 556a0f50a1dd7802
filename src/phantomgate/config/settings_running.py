"""The settings of bad days and of whoever watches, as `settings` has those of all else, and by its rule."""

from __future__ import annotations

from phantomgate.config.durations import duration
from phantomgate.config.kinds import SWITCH, choice, number, setting
from phantomgate.config.network import url
from phantomgate.core.nouns import dataclass


@dataclass(frozen=True, slots=True)
class Resilience:
    """How each authorization server is called when it has trouble. The defaults need no tuning. `timeout` is the
    deadline of a call whatever is done here, and `max_connections` bounds how many are under way in each worker."""

    retry: bool = setting(SWITCH, True)
    """Ask once more, within `timeout`, about a token when there was no answer or a 502, 503 or 504 without
    `Retry-After`: of all calls, one in ten at most. Calls of a token endpoint are made once, and so are those with a
    client assertion."""
    breaker: bool = setting(SWITCH, True)
    """Stop asking a server that fails: when half of 20 or more calls within ten seconds did, or five in a row got no
    answer. For 1 to 30 seconds, longer each time, what isn't remembered is then refused at once (503 with
    `Retry-After`); after that one call tries whether it is back."""
    max_wait: float = setting(duration("0s", "5s"), "500ms")
    """How long a call may wait for its turn when `max_connections` calls are under way; after that, the request is
    refused (503, `overloaded`)."""


@dataclass(frozen=True, slots=True)
class Log:
    """The log: one JSON line an event, on stderr."""

    level: str = setting(choice("debug", "info", "warning", "error"), "info")
    """The least important lines to write. A refusal is always written."""
    allows: bool = setting(SWITCH, False)
    """Also write a line for requests that are allowed."""
    allows_one_in: int = setting(number(1, 1_000_000), 1)
    """Of those, for one in so many. 1: for every one."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Traces by OpenTelemetry, of the decisions of `serve`: `pip install phantomgate[otel]`."""

    endpoint: str = setting(url(query=False, want='a URL such as "http://127.0.0.1:4318/v1/traces"'), "")
    """Where spans are sent, by OTLP over HTTP. Empty: there are none, and nothing of OpenTelemetry is loaded."""
    one_in: int = setting(number(1, 1_000_000), 100)
    """Of how many decisions one is recorded, chosen by the trace's id, so that services with the same ratio choose the
    same. That a caller's `traceparent` asks for it doesn't count."""
