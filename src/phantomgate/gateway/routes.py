"""Which rules apply to a request: a table of path templates, first match wins, no match is a refusal.

Rule: the path is matched as the client sent it. A path that two servers could read in two ways is refused before it is
matched, since the API behind us may read it the other way; and so is one whose encoded letters, decoded, would lead to
another line of the table, and a method that would in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Request, Route
from phantomgate.core.pattern import pattern
from phantomgate.core.ports import Match
from phantomgate.gateway.rule import Rule

# What two servers read in two ways: empty and dot segments, path parameters, backslashes, what is not visible ASCII, a
# raw fragment, and percent-encodings of any of these, of `?` or of `%` itself, or of nothing; and UTF-8 that is longer
# than it need be, in which careless decoders find a dot or a slash.
_AMBIGUOUS = pattern(
    r"//|/\.{1,2}(?:/|\Z)|[;\\#\x00-\x20\x7f-\U0010ffff]"
    r"|%(?:2[eEfF53]|5[cC]|3[bBfF]|[01][0-9a-fA-F]|20|7[fF])|%(?![0-9a-fA-F]{2})"
    r"|%(?:[cC][01]|[eE]0%[89][0-9a-fA-F]|[fF]0%8[0-9a-fA-F])"
)
# Nearly every path is plain at a glance: segments that begin with a letter, a digit or such, and have no `%`.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9\-_~][A-Za-z0-9\-._~!$&'()*+,=:@]*)+/?").fullmatch
# What may stand in a path as it is, and so in a template: servers take its encoding for the same, some of it by
# RFC 3986 §6.2.2.2, the rest because they decode before they route.
_ENCODED = pattern(r"%(2[146789a-dA-D]|3[0-9aAdD]|4[0-9a-fA-F]|6[1-9a-fA-F]|5[0-9aAfF]|7[0-9aAeE])")
_HEX = pattern(r"%[0-9a-fA-F]{2}")
_NAME = r"\{[A-Za-z_][A-Za-z0-9_]*\}"
_TEMPLATE = pattern(rf"(?:/(?:\*\*|\*|{_NAME}|[A-Za-z0-9\-._~!$&'()+,=:@%]*))+")


def route_table(rules: Sequence[Rule], policy: Route) -> Match:
    """The first of *rules* whose template and methods fit; *policy* for callers that name no path at all.

    Raises ValueError, with the template in it, for one that can't be understood.
    """
    table = [(_compiled(rule.path), frozenset(rule.methods), rule.route) for rule in rules]

    def match(request: Request) -> Route:
        if not request.routed:
            return policy
        path = request.path
        if _PLAIN(path) is None and (not path.startswith("/") or _AMBIGUOUS.search(path)):
            raise Refused(Reason.MALFORMED_REQUEST, "the path can be read in more than one way")
        if "%" in path:
            path = capital(path)
        route = first(request.method, path)
        if route is None:
            raise Refused(Reason.NO_ROUTE, "no route matches this method and path")
        method = request.method
        if not method.isupper():  # case counts (RFC 9110 §9.1), but Django and Werkzeug take `delete` for DELETE
            method = method.upper()
            if first(method, path) is not route:
                raise Refused(Reason.MALFORMED_REQUEST, "the method leads to another rule when it is in capitals")
        if "%" in path and first(method, decoded(path)) is not route:
            raise Refused(Reason.MALFORMED_REQUEST, "the path's encoded letters lead to another rule when decoded")
        return route

    def first(method: str, path: str) -> Route | None:
        for fits, methods, route in table:
            if (not methods or method in methods) and fits(path) is not None:
                return route
        return None

    return match


def capital(path: str) -> str:
    """RFC 3986 §6.2.2.1: the case of hexadecimal digits says nothing."""
    return _HEX.sub(lambda found: found[0].upper(), path)


def decoded(path: str) -> str:
    """*path* without encodings of what may stand in it as it is."""
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), path)


def _compiled(template: str) -> Callable[[str], re.Match[str] | None]:
    if not _TEMPLATE.fullmatch(template) or _AMBIGUOUS.search(template.replace("**", "x")):
        raise ValueError(f'"{template}" is not a path template; want segments like /orders/{{id}}/*/**')
    if decoded(template) != template:
        raise ValueError(f'"{template}" is a path template with letters in percent-encoding; write {decoded(template)}')
    if template.count("**") > 1:  # more than one, and matching a long path could take quadratic time
        raise ValueError(f'"{template}" has more than one "**"')
    template = capital(template)
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
