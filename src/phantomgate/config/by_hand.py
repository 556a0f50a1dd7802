"""Settings that an application makes by itself, held to what a file's are held to.

Rule: nobody has read them, so a word that is none of the choices, or a text where a tuple belongs, would check less
than it says: `audiences="api"` is three audiences of one letter. Imported where settings have no origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from phantomgate.config.kinds import Kind, found
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem
from phantomgate.core.nouns import fields

ORIGIN = "made by hand"


def problems_by_hand(settings: Settings) -> list[Problem]:
    """What no file could have said."""
    return [Problem(name, text, ORIGIN) for name, text in _of(settings, "")]


def _of(noun: Any, at: str) -> Iterator[tuple[str, str]]:
    for one in fields(noun):
        name, value = f"{at}{one.name}", getattr(noun, one.name)
        if "kind" in one.metadata:
            text = _wrong(one.metadata["kind"], value)
            if text:
                yield name, text
        elif isinstance(value, (list, tuple)):
            for place, part in enumerate(value, 1):
                yield from _of(part, f"{name}[{place}].")
        elif name != "origins":
            yield from _of(value, f"{name}.")


def _wrong(kind: Kind[Any], value: Any) -> str:
    if kind.name.startswith("duration"):  # held in seconds
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
        return "" if number or (value is None and "unknown" in kind.name) else f"is {found(value)}; want seconds"
    if kind.name == "table":  # held as JSON
        return "" if isinstance(value, str) else f"is {found(value)}; want the text of a key set"
    if kind.schema.get("type") == "array" and not isinstance(value, tuple):
        return f"is {found(value)}; want a tuple"
    try:
        kind.read(value)
    except ValueError as no:
        return str(no)
    return ""
