"""How `--help` looks: texts are filled to the terminal's width, and what is to be copied stays as it is.

Rule: an unindented paragraph is prose. An indented line is something to copy or a word, and after two spaces or more
what it means; deeper lines below it go on with that.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from phantomgate.cli.hanging import hanging

_WIDEST = 118
_DEEPER = " " * 5
"""How a line begins that goes on with the meaning of the one above."""
_NEAR = 24
"""The farthest column at which a meaning stays beside its word where the terminal is too narrow for it."""


class Teaching(argparse.RawDescriptionHelpFormatter):
    """Fills what a command says of itself."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in filled(text, min(width, _WIDEST)))


def filled(text: str, width: int) -> list[str]:
    """The lines of *text* at most *width* long, but for what is to be copied."""
    lines: list[str] = []
    for kind, group in groupby(text.rstrip().split("\n"), _kind):
        block = [*group]
        if kind == "prose":
            lines += hanging("", " ".join(block), width)
        else:
            lines += _columns(_whole(block), width) if kind == "indented" else block
    return lines


def _kind(line: str) -> str:
    if not line:
        return "blank"
    return "indented" if line.startswith(" ") else "prose"


def _whole(lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Each thing to copy or word, the space after it, and all of what it means."""
    found: list[tuple[str, str, str]] = []
    for line in lines:
        word, space, means = found[-1] if found else ("", "", "")
        if found and line.startswith(_DEEPER) and not word.endswith("\\"):
            found[-1] = (word, space or "  ", f"{means} {line.strip()}".strip())
        else:
            word, space, means = re.fullmatch(r"( *\S.*?)(?:( {2,})(\S.*))?", line).groups("")  # type: ignore[union-attr]
            found.append((word, space, means))
    return found


def _columns(found: list[tuple[str, str, str]], width: int) -> Iterator[str]:
    """Meanings beside their words; below them, for all, where they are far away and one would be too long."""
    far = max(len(word + space) for word, space, _ in found)
    below = far > _NEAR and any(len(word + space + means) > width for word, space, means in found if means)
    for word, space, means in found:
        if not means:
            yield word
        elif below:
            yield word
            yield from hanging(" " * 6, means, width)
        else:
            yield from hanging(word + space, means, width)
