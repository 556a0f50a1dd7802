"""Text that hangs below its own beginning. Rule: a word is never cut, so that it can be copied."""

from __future__ import annotations

from textwrap import wrap

WIDTH = 80
"""Of what is printed for people, where nothing says how wide their terminal is."""


def hanging(head: str, text: str, width: int = WIDTH) -> list[str]:
    """The lines of *text* after *head*, at most *width* long, each below where the first begins."""
    rest = " " * len(head)
    lines = wrap(text, max(width - len(head), 1), break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{head if place == 0 else rest}{line}" for place, line in enumerate(lines)]
