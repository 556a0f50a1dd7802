"""The `.env` file that the Node authorizers bundle: names and values, as their dotenv reads them.

Rule: nothing in it is expanded or run, and a variable of the environment wins over it. A `#` is part of a value, as it
was there, unless a space or tab is before it: then it begins a comment, as it does nearly everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from phantomgate.core.pattern import pattern

_LINE = pattern(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=(.*)", re.DOTALL)
_QUOTED = pattern(r"""(?P<mark>["'`])(?P<text>.*)(?P=mark)""", re.DOTALL)
_COMMENTED = pattern(r"""(?P<mark>["'`])(?P<text>(?:(?!(?P=mark)).)*)(?P=mark)[ \t]*\#.*""", re.VERBOSE | re.DOTALL)
_END_OF_LINE = pattern(r"\r\n|\n|\r")
_COMMENT = pattern(r"[ \t]\#.*", re.DOTALL)


def read_dotenv(text: str) -> Mapping[str, str]:
    """The variables in *text*; a line that is none is passed over, as dotenv does."""
    found: dict[str, str] = {}
    for line in _END_OF_LINE.split(text.removeprefix("\ufeff")):
        match = _LINE.fullmatch(line)
        if match is not None:
            found[match[1]] = _value(match[2])
    return found


def _value(said: str) -> str:
    """What stands behind the `=`. Marks are taken away in pairs, and one that is inside stays."""
    quoted = _COMMENTED.fullmatch(said.strip()) or _QUOTED.fullmatch(said.strip())
    if quoted is None:
        return _COMMENT.sub("", said).strip()
    return quoted["text"].replace("\\n", "\n") if quoted["mark"] == '"' else quoted["text"]
