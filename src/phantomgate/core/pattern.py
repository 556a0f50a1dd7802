"""Regular expressions that are compiled when they are first used.

Compiling one costs a cold start up to half a millisecond, and a Lambda function uses a third of those that it imports.
Rule: what is here is `re`'s own, only later. Where every request passes, `re.compile` stays, which is one look-up less.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub")


class Late:
    """An expression. State: its methods, once one of them was asked for."""

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self.pattern, self.flags = pattern, flags

    def __getattr__(self, name: str) -> Any:  # asked only for what isn't there yet
        if name not in _METHODS:
            raise AttributeError(name)
        compiled = re.compile(self.pattern, self.flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """`re.compile(text, flags)`, later. A test compiles them all, so that a mistake in one is not found that late."""
    return cast("re.Pattern[AnyStr]", Late(text, flags))
