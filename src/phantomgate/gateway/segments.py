"""Sets of paths, segment by segment: which a template means, which IAM's `*` would take, and how two sets relate.

Rule: pure, and on the safe side. `meets` may say yes where two sets only seem to have a path in common, `holds` may say
no where one does lie within the other; never the reverse. Only paths that can be read in one way are meant: no segment
but the last is empty.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias


class Wild(Enum):
    """What stands for segments that are not spelled out."""

    ONE = "one segment, not empty"
    ANY = "one segment, perhaps empty"
    MANY = "any number of segments, none too"


Parts: TypeAlias = tuple[str | Wild, ...]
"""A set of paths: each segment spelled out, or wild."""
Pattern: TypeAlias = tuple[str, ...]
"""A path as IAM matches it: a segment spelled out, or `*`, which is any text, slashes included."""


def template_parts(template: str) -> Parts:
    """The paths that a route's *template* matches, as `routes` reads it."""
    wild: dict[str, str | Wild] = {"**": Wild.MANY, "*": Wild.ONE}
    return tuple(
        Wild.ONE if segment.startswith("{") else wild.get(segment, segment) for segment in template[1:].split("/")
    )


def pattern_parts(pattern: Pattern) -> Parts:
    """The paths that IAM takes *pattern* for: `*` is one segment or more, and the last may be empty."""
    parts: list[str | Wild] = []
    for segment in pattern:
        parts += (Wild.ANY, Wild.MANY) if segment == "*" else (segment,)
    return tuple(parts)


def patterns_of(template: Parts) -> list[Pattern]:
    """The fewest patterns that together take all paths of *template*; where `*` crosses a slash they take more."""
    stars: list[Pattern] = []
    for many in ([], ["*"]):
        pattern: list[str] = []
        for part in template:
            pattern += many if part is Wild.MANY else ["*" if isinstance(part, Wild) else part]
        if pattern and tuple(pattern) not in stars:
            stars.append(tuple(pattern))
    return [
        one
        for one in stars
        if not any(other is not one and holds(pattern_parts(other), pattern_parts(one)) for other in stars)
    ]


def beyond(template: Parts) -> list[Pattern]:
    """What the patterns of *template* take and it doesn't mean: a `*` that crosses a slash, or is empty at the end."""
    more: list[Pattern] = []
    for pattern in patterns_of(template):
        for place, segment in enumerate(pattern):
            if segment == "*":
                more.append((*pattern[:place], "*", "*", *pattern[place + 1 :]))
        if pattern[-1] == "*":
            more.append((*pattern[:-1], ""))
    return [one for one in more if not holds(template, pattern_parts(one))]


def meets(left: Parts, right: Parts) -> bool:
    """Whether a path may be in both."""
    if not left or not right:
        return all(part is Wild.MANY for part in left or right)
    if left[0] is Wild.MANY:
        return meets(left[1:], right) or meets(left, right[1:])
    if right[0] is Wild.MANY:
        return meets(left, right[1:]) or meets(left[1:], right)
    return _same(left[0], right[0]) and meets(left[1:], right[1:])


def _same(one: str | Wild, other: str | Wild) -> bool:
    if isinstance(one, Wild):
        return other != "" or one is Wild.ANY
    return one == other or (isinstance(other, Wild) and (one != "" or other is Wild.ANY))


def holds(whole: Parts, part: Parts) -> bool:
    """Whether every path of *part* is surely one of *whole*."""
    if not part:
        return all(one is Wild.MANY for one in whole)
    if not whole:
        return False
    if whole[0] is Wild.MANY:
        return holds(whole[1:], part) or holds(whole, part[1:])
    return part[0] is not Wild.MANY and _takes(whole[0], part) and holds(whole[1:], part[1:])


def _takes(one: str | Wild, part: Parts) -> bool:
    """Whether *one* is surely every first segment of *part*, which is empty only where no other follows."""
    first = part[0]
    if not isinstance(one, Wild):
        return one == first
    if one is Wild.ANY or first is Wild.ONE:
        return True
    followed = any(other is not Wild.MANY for other in part[1:])
    return followed if first is Wild.ANY else first != ""
