"""Which rules apply to a request: a table of path templates, first match wins, no match is a refusal.

Rule: the path is matched as the client sent it, never decoded or normalised. A path that two servers could read in two
ways is refused before it is matched, since the API behind us may read it the other way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Request, Route
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Match

# What two servers read in two ways: empty and dot segments, path parameters, backslashes, what is not visible ASCII, a
# raw fragment, and percent-encodings of any of these, of `?` or of `%` itself, or of nothing; and UTF-8 that is longer
# than it need be, in which careless decoders find a dot or a slash.
_AMBIGUOUS = re.compile(
    r"//|/\.{1,2}(?:/|\Z)|[;\\#\x00-\x20\x7f-\U0010ffff]"
    r"|%(?:2[eEfF53]|5[cC]|3[bBfF]|[01][0-9a-fA-F]|20|7[fF])|%(?![0-9a-fA-F]{2})"
    r"|%(?:[cC][01]|[eE]0%[89][0-9a-fA-F]|[fF]0%8[0-9a-fA-F])"
).search
# Nearly every path is plain at a glance: segments that begin with a letter, a digit or such, and have no `%`.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9\-_~][A-Za-z0-9\-._~!$&'()*+,=:@]*)+/?").fullmatch
_NAME = r"\{[A-Za-z_][A-Za-z0-9_]*\}"
_TEMPLATE = re.compile(rf"(?:/(?:\*\*|\*|{_NAME}|[A-Za-z0-9\-._~!$&'()+,=:@%]*))+").fullmatch


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


def route_table(rules: Sequence[Rule], policy: Route) -> Match:
    """The first of *rules* whose template and methods fit; *policy* for callers that name no path at all.

    Raises ValueError, with the template in it, for one that can't be understood.
    """
    table = [(_compiled(rule.path), frozenset(rule.methods), rule.route) for rule in rules]

    def match(request: Request) -> Route:
        if not request.routed:
            return policy
        path = request.path
        if _PLAIN(path) is None and (not path.startswith("/") or _AMBIGUOUS(path)):
            raise Refused(Reason.MALFORMED_REQUEST, "the path can be read in more than one way")
        method = request.method
        for fits, methods, route in table:
            if (not methods or method in methods) and fits(path) is not None:
                return route
        raise Refused(Reason.NO_ROUTE, "no route matches this method and path")

    return match


def _compiled(template: str) -> Callable[[str], re.Match[str] | None]:
    if not _TEMPLATE(template) or _AMBIGUOUS(template.replace("**", "x")):
        raise ValueError(f'"{template}" is not a path template; want segments like /orders/{{id}}/*/**')
    if template.count("**") > 1:  # more than one, and matching a long path could take quadratic time
        raise ValueError(f'"{template}" has more than one "**"')
    pieces = []
    below = template.endswith("/**")
    for segment in template.removesuffix("/**")[1:].split("/") if template != "/**" else ():
        if segment == "**":
            pieces.append(r"(?:/[^/]*)*")
        elif segment == "*" or segment.startswith("{"):
            pieces.append(r"/[^/]+")
        else:
            pieces.append("/" + re.escape(segment))
    # zero or more segments: /orders/** is /orders too
    return re.compile("".join(pieces) + (r"(?:/.*)?" if below else ""), re.DOTALL).fullmatch
