"""The table of routes as IAM can say it: which resources a token may reach, under a cache that knows only the token.

IAM's `*` takes slashes too, Deny always wins, and statements have no order. So an Allow may take more paths than its
route means, which only a Deny can take back, and a Deny may take paths that another route grants. Rule: what the table
refuses is never allowed. Where the price would be that something it grants is denied, the table `clashes`, and is for
nobody to use under a cache.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeAlias

from phantomgate.core.nouns import dataclass
from phantomgate.core.typed import NamedTuple
from phantomgate.gateway.routes import capital, decoded
from phantomgate.gateway.rule import Rule
from phantomgate.gateway.segments import (
    Parts,
    Pattern,
    Wild,
    beyond,
    holds,
    meets,
    pattern_parts,
    patterns_of,
    template_parts,
)

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""All that API Gateway knows. A `*` in their place would take a slash and what follows it too."""

AMBIGUOUS = (
    *("*//*", "*/./*", "*/../*", "*/.", "*/..", "*;*", "*\\*", "*#*", "* *", "*%", "*%?", "*%0*", "*%1*"),
    *(f"*%{byte}*" for byte in ("20", "25", "2e", "2E", "2f", "2F", "3b", "3B", "3f", "3F", "5c", "5C", "7f", "7F")),
    *(f"*%{byte}*" for byte in ("c0", "C0", "c1", "C1", "e0%8", "e0%9", "E0%8", "E0%9", "f0%8", "F0%8")),
)
"""What `routes` calls ambiguous, as far as IAM can say it; API Gateway itself refuses the rest (control characters, and
a `%` that begins no byte)."""

Requirements: TypeAlias = frozenset[tuple[str, object]]
"""What a route wants of a token. A token that meets these meets every subset of them."""


class Reachable(NamedTuple):
    """METHOD/path, as IAM matches it: what is allowed, what is denied of that, and what is denied on every stage."""

    allow: tuple[str, ...]
    deny: tuple[str, ...]
    anywhere: tuple[str, ...] = AMBIGUOUS


@dataclass(frozen=True, slots=True)
class _Line:
    """One rule of the table for one method: its place from 0, what it means, takes, and takes too much."""

    place: int
    means: Parts
    takes: tuple[Pattern, ...]
    beyond: tuple[Pattern, ...]


class _Denied(NamedTuple):
    pattern: Pattern
    line: _Line
    whole: bool
    """All that the line takes, or only what is beyond what it means."""


class Table:
    """The rules of a table, ready to be said in IAM's words. Its only state is what was worked out from them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        lines = [_line(place, rule) for place, rule in enumerate(rules)]
        self._by_method: dict[str, tuple[_Line, ...]] = {}
        for method in METHODS:
            applying = [line for line in lines if method in (rules[line.place].methods or METHODS)]
            self._by_method[method] = tuple(
                line
                for at, line in enumerate(applying)
                if not any(holds(earlier.means, line.means) for earlier in applying[:at])  # never applies
            )
        applying_somewhere = {line for lines_of in self._by_method.values() for line in lines_of}
        self._anywhere = (*AMBIGUOUS, *_spellings(part for line in applying_somewhere for part in line.means))

    def reachable(self, granted: Collection[int]) -> Reachable:
        """What a token may reach that is granted the rules at these places, and only these."""
        allow: list[str] = []
        deny: list[str] = []
        for method, lines in self._by_method.items():
            allow += [_resource(method, one) for line in lines if line.place in granted for one in line.takes]
            deny += [_resource(method, one.pattern) for one in _denied(lines, granted)]
        everywhere = [f"{method}/*" for method in METHODS]
        if set(everywhere) <= set(allow):
            allow = ["*"]
        return Reachable(tuple(dict.fromkeys(allow)), tuple(dict.fromkeys(deny)), self._anywhere)

    def clashes(self, requirements: Sequence[Requirements]) -> tuple[int, int] | None:
        """Two places in the table that IAM can't keep apart for some token, or None; one place twice, if it is alone.

        *requirements* are each rule's. The smallest grants under which two rules apply show every clash there is.
        """
        wanted = list(dict.fromkeys(requirements))
        grants = {
            frozenset(place for place, needs in enumerate(requirements) if needs <= one | other)
            for one in wanted
            for other in wanted
        }
        for lines in dict.fromkeys(self._by_method.values()):
            for granted in grants:
                for denied in _denied(lines, granted):
                    for line in lines:
                        if line.place in granted and _takes_away(denied, line):
                            return denied.line.place, line.place
        return None

    def is_one_rule(self, method: str, template: str) -> bool:
        """Whether one rule, or none, rules all requests by *method* ("ANY": every one) to the paths of *template*."""
        asked = template_parts(template)
        ruling = {_ruling(self._by_method[one], asked) for one in METHODS if method in ("ANY", one)}
        return len(ruling) <= 1 and _SEVERAL not in ruling


def _line(place: int, rule: Rule) -> _Line:
    parts = template_parts(capital(rule.path))
    return _Line(place, parts, tuple(patterns_of(parts)), tuple(beyond(parts)))


def _spellings(parts: Iterable[str | Wild]) -> Iterator[str]:
    """Other spellings of what the table spells out: `/%61dmin` must not pass where `/admin` doesn't.

    `routes` refuses such a path where it would lead to another rule; IAM can only be told of the characters.
    """
    spelled = "".join(sorted({part for part in parts if isinstance(part, str)}))
    escapes = {spelled[at : at + 3] for at, char in enumerate(spelled) if char == "%"}
    for char in sorted(set(spelled)):
        escape = f"%{ord(char):02X}"
        if decoded(escape) == char:
            yield from (f"*{one}*" for one in sorted({escape, escape.lower()}))
    for escape in sorted(escapes):
        cases = {f"%{high}{low}" for high in _cases(escape[1]) for low in _cases(escape[2])}
        yield from (f"*{one}*" for one in sorted(cases - {escape}))


def _cases(digit: str) -> set[str]:
    return {digit.lower(), digit.upper()}


def _denied(lines: Sequence[_Line], granted: Collection[int]) -> Iterator[_Denied]:
    """What must be denied so that nothing but what is granted stays allowed."""
    before: dict[int, _Line] = {}
    for at, line in enumerate(lines):
        if line.place in granted:
            for earlier in lines[:at]:
                if earlier.place not in granted and meets(earlier.means, line.means):
                    before[earlier.place] = earlier
    yield from (_Denied(pattern, line, True) for line in before.values() for pattern in line.takes)
    for line in lines:
        if line.place in granted:
            for pattern in line.beyond:
                if not _granted_anyway(lines, {*granted, *before}, pattern_parts(pattern)):
                    yield _Denied(pattern, line, False)


def _granted_anyway(lines: Sequence[_Line], settled: Collection[int], paths: Parts) -> bool:
    """Whether every rule that *paths* can come to is granted, or denied already, and none of them comes to no rule."""
    for line in lines:
        if meets(line.means, paths):
            if line.place not in settled:
                return False
            if holds(line.means, paths):
                return True
    return False


def _takes_away(denied: _Denied, line: _Line) -> bool:
    """Whether a Deny may hit a path that *line* grants."""
    if denied.whole and denied.line.place < line.place:  # what both mean is the earlier one's
        return any(meets(pattern_parts(pattern), line.means) for pattern in denied.line.beyond)
    return meets(pattern_parts(denied.pattern), line.means)


_NONE, _SEVERAL = -1, -2


def _ruling(lines: Sequence[_Line], asked: Parts) -> int:
    """The place of the rule that rules all paths of *asked*."""
    for line in lines:
        if meets(line.means, asked):
            return line.place if holds(line.means, asked) else _SEVERAL
    return _NONE


def _resource(method: str, pattern: Pattern) -> str:
    return f"{method}/{'/'.join(pattern)}"
