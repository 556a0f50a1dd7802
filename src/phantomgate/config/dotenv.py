"""The `.env` file that the Node authorizers bundle: names and values, as dotenv reads them.

Rule: nothing in it is expanded or run, and a variable of the environment wins over it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from phantomgate.core.pattern import pattern

_LINE = pattern(
    r"""\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=[ \t]*
        (?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | `(?P<back>[^`]*)` | (?P<plain>[^#\r\n]*) )
        [ \t]*(?:\#.*)?""",
    re.VERBOSE,
)


def read_dotenv(text: str) -> Mapping[str, str]:
    """The variables in *text*; a line that is none is passed over, as dotenv does."""
    found: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        if match["double"] is not None:
            found[match[1]] = match["double"].replace("\\n", "\n").replace("\\r", "\r")
        else:
            found[match[1]] = match["single"] or match["back"] or (match["plain"] or "").strip()
    return found
