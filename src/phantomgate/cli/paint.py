"""Colours, for a terminal that has them and never for a file. Rule: what is said is said without them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TextIO, TypeAlias

Paint: TypeAlias = Callable[[str, str], str]
"""(strong, soft, good or bad; text) -> the text as it is printed."""

_CODES = {"strong": "1", "soft": "2", "good": "32", "bad": "31"}


def painter(out: TextIO, environ: Mapping[str, str]) -> Paint:
    """What paints for *out*: nothing where it is no terminal, or is asked to do without (no-color.org)."""
    if not out.isatty() or environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return lambda _, text: text
    return lambda kind, text: f"\033[{_CODES[kind]}m{text}\033[0m"
