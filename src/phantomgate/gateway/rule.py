"""One line of the table of routes, and what rules where there is no table.

Rule: reads no path, which is `routes`' and which most functions on Lambda have no need of.
"""

from __future__ import annotations

from phantomgate.core.model import Request, Route
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Match


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: a path template, the methods it is for (none means all), and the rules."""

    path: str
    methods: tuple[str, ...]
    route: Route


def policy_only(route: Route) -> Match:
    """One route for every path: what rules without `[[routes]]`."""

    def match(request: Request) -> Route:  # noqa: ARG001 - the port's shape
        return route

    return match
