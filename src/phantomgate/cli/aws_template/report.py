"""What was found in templates, for people in 80 columns, and for programs."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from phantomgate.cli.aws_template.finding import Kind
from phantomgate.cli.aws_template.looking import Looked
from phantomgate.core.errors import SettingsError

GOOD, ERRORS, SETTINGS = 0, 1, 2


def exit_code(looked: Looked) -> int:
    """0 without errors, 1 with some, 2 when the function's settings have problems."""
    if looked.problems:
        return SETTINGS
    return ERRORS if any(one.kind.is_error for one in looked.findings) else GOOD


def as_json(looked: Looked) -> dict[str, Any]:
    """For programs."""
    return {
        "good": exit_code(looked) == GOOD,
        "templates": list(looked.templates),
        "settings": {"origin": looked.settings, "problems": [one._asdict() for one in looked.problems]},
        "findings": [{**one._asdict(), "kind": one.kind.value, "error": one.kind.is_error} for one in looked.findings],
        "unknown": list(looked.unknown),
    }


def print_report(looked: Looked) -> None:
    """For people, to stdout; problems in the settings to stderr, as always."""
    width = min(shutil.get_terminal_size().columns, 120)
    for part in looked.parts:
        print(_wrapped(f"looked at: {part}", "           ", width))
    if looked.unknown:
        names = ", ".join(looked.unknown)
        print(_wrapped(f"not known before it is deployed: {names}", "           ", width))
    if looked.problems:
        sys.stdout.flush()
        print(SettingsError(looked.problems), file=sys.stderr)
    elif looked.settings:
        print(_wrapped(f"settings: good ({looked.settings})", "          ", width))
    for line in _findings(looked, width):
        print(line)
    counts = [
        f"{count} {kind.value}"
        for kind in Kind
        if (count := sum(one.kind is kind for one in looked.findings)) or kind is Kind.UNSAFE
    ]
    print(", ".join(counts).replace("0 unsafe", "nothing unsafe"))


def _findings(looked: Looked, width: int) -> Iterator[str]:
    for one in looked.findings:
        yield ""
        yield _wrapped(f"{one.kind.value}: {one.what}", "  ", width)
        yield _wrapped(f"  where:  {f'{one.template}: ' if one.template else ''}{one.place}", "          ", width)
        yield _wrapped(f"  change: {one.change}", "          ", width)
    if looked.findings:
        yield ""


def _wrapped(text: str, indent: str, width: int) -> str:
    plain = "".join(char if char.isprintable() else "?" for char in text)  # a template is anybody's words
    return textwrap.fill(
        plain, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
