"""Kinds of values: how each is read from TOML and from a variable, and how the reference describes it.

Rule: reading is strict and pure. A wrong value raises ValueError whose text says what was found and what to write
instead, and never shows a secret; types are never bent ("2" is not 2, true is not 1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from phantomgate.core.characters import printable
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.pattern import pattern

T = TypeVar("T")


def as_it_is(value: Any) -> Any:
    """It stands for itself."""
    return value


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of value: its *name* for people, how it is read, and its JSON Schema."""

    name: str
    read: Callable[[object], T]
    """From what TOML gives to what `Settings` holds; raises ValueError."""
    schema: Mapping[str, Any]
    from_text: Callable[[str], object] = as_it_is
    """From a variable's text to what TOML would have given; raises ValueError."""
    own: Callable[[Any], T] | None = None
    """How a default of ours is read, which a test has read as everybody's."""


def setting(kind: Kind[T], default: object) -> T:
    """One setting of a section, with its *default* as a person would write it in the file."""
    value = (kind.own or kind.read)(default)
    facts = {"kind": kind, "default": default}
    made: T = (
        field(default_factory=lambda: kind.read(default), metadata=facts)
        if isinstance(value, dict)
        else field(default=value, metadata=facts)
    )
    return made


def found(value: object) -> str:
    """*value* for an error message: as TOML would have it, and short."""
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else value[:57] + "...", ensure_ascii=True)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value) if isinstance(value, float) or abs(value) < 10**20 else "a very large number"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a table" if isinstance(value, dict) else f"a {type(value).__name__}"


def text_of(value: object, want: str) -> str:
    """*value* if it is text; raises ValueError naming what is wanted otherwise."""
    if not isinstance(value, str):
        raise ValueError(f"is {found(value)}; want {want}")
    return value


def number(least: int, most: int) -> Kind[int]:
    """A whole number within bounds."""
    want = f"a whole number from {least} to {most}"

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"is {found(value)}; want {want}")
        return value

    def from_text(text: str) -> object:
        return int(text) if len(text) <= 20 and re.fullmatch(r"-?[0-9]+(_[0-9]+)*", text) else text

    return Kind(want, read, {"type": "integer", "minimum": least, "maximum": most}, from_text, as_it_is)


def _read_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is {found(value)}; want true or false")
    return value


def _switch_from_text(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)


SWITCH = Kind("true or false", _read_switch, {"type": "boolean"}, _switch_from_text, as_it_is)


def choice(*words: str) -> Kind[str]:
    """One of *words*."""
    want = "one of " + ", ".join(f'"{word}"' for word in words)

    def read(value: object) -> str:
        if value not in words or not isinstance(value, str):
            raise ValueError(f"is {found(value)}; want {want}")
        return value

    return Kind(want, read, {"enum": list(words)}, own=as_it_is)


def words(name: str, form: str, want: str, *, optional: bool = True) -> Kind[str]:
    """Text that matches *form* as a whole; an empty one means "not set" where it is *optional*."""
    whole = pattern(form)

    def read(value: object) -> str:
        text = text_of(value, want)
        if not ((optional and not text) or whole.fullmatch(text)):
            raise ValueError(f"is {found(text)}; want {want}")
        return text

    return Kind(name, read, {"type": "string"}, own=as_it_is)


def printed(name: str, want: str, *, but: str = "", optional: bool = True) -> Kind[str]:
    """Printable ASCII without the characters in *but*; otherwise as `words`."""

    def read(value: object) -> str:
        text = text_of(value, want)
        if not (text or optional) or not printable(text, but):
            raise ValueError(f"is {found(text)}; want {want}")
        return text

    return Kind(name, read, {"type": "string"}, own=as_it_is)


def list_of(kind: Kind[T], *, want: str) -> Kind[tuple[T, ...]]:
    """A list; *want* shows one. A variable holds it as JSON or separated by commas."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"is {found(value)}; want a list, such as {want}")
        items: list[T] = []
        wrong: list[str] = []
        for place, item in enumerate(value, 1):
            try:
                items.append(kind.read(item))
            except ValueError as no:
                wrong.append(f"item {place} {no}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return tuple(items)

    def from_text(text: str) -> object:
        if text.lstrip().startswith("["):
            return from_json(text)
        return [item.strip() for item in text.split(",")] if text.strip() else []

    def own(default: list[Any]) -> tuple[T, ...]:
        return tuple((kind.own or kind.read)(item) for item in default)

    return Kind(f"list of {kind.name}", read, {"type": "array", "items": dict(kind.schema)}, from_text, own)


def from_json(text: str) -> object:
    """What the JSON *text* of a variable holds. Raises ValueError that doesn't quote it."""
    try:
        value: object = json.loads(text, object_pairs_hook=_once)
    except _Twice as no:
        raise ValueError(f"has {no} twice in one table; keep one") from None
    except (ValueError, RecursionError) as no:
        where = f"line {no.lineno}, column {no.colno}" if isinstance(no, json.JSONDecodeError) else "too deep or large"
        raise ValueError(f"is not JSON ({where})") from None
    return value


class _Twice(ValueError):
    """A name that is there twice, as TOML doesn't let it be either."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(found(next(name for name in names if names.count(name) > 1)))
    return table
