"""A template's places, with CloudFormation's functions done: what is there, or as much as can be known of it.

Rule: whatever is in a template, looking at it never fails. What has the wrong shape is noted, and is as if it were not
there; what is only known when it is deployed is a `Later`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from phantomgate.cli.aws_template.functions import Later, Names, holds, resolve
from phantomgate.config.kinds import found


class Oddity(NamedTuple):
    """A value of the wrong shape: where, and what is wrong with it."""

    place: str
    text: str


class Template:
    """One template, and the values that its parameters are *given*. State: what was odd about it so far, each once.

    And where something is that was looked for, and is only known when it is deployed.
    """

    def __init__(self, name: str, raw: Mapping[str, Any], given: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.odd: dict[Oddity, None] = {}
        self.unseen: dict[str, None] = {}
        self.names = Names(raw, self._unknown, given or {})
        self.root = Node(self, "", raw)

    def _unknown(self, text: str) -> None:
        self.odd[Oddity("", text)] = None

    def resources(self, *types: str) -> Iterator[tuple[str, Node, Node]]:
        """(logical id, the resource, its properties) of those that are of *types*, and may be deployed."""
        for name, resource in self.root.at("Resources").items():
            kind, condition = resource.at("Type").value, resource.at("Condition").value
            deployed = not isinstance(condition, str) or holds(condition, self.names) is not False
            if isinstance(kind, str) and kind in types and deployed:
                yield name, resource, resource.at("Properties")


class Node:
    """One place: its path, and its value with the outermost function done.

    *fallback* is where a part is looked for that isn't here: SAM's Globals.
    """

    __slots__ = ("_fallback", "_template", "path", "value")

    def __init__(self, template: Template, path: str, raw: object, fallback: Node | None = None) -> None:
        self._template = template
        self.path = path
        self.value = resolve(raw, template.names)
        if self.value is None and fallback:
            self.path, self.value, fallback = fallback.path, fallback.value, None
        self._fallback = fallback

    def __bool__(self) -> bool:
        """Whether anything is there."""
        return self.value is not None

    def over(self, fallback: Node) -> Node:
        """This, with *fallback* for what is not here."""
        return Node(self._template, self.path, self.value, fallback)

    def at(self, *keys: str) -> Node:
        """The place below this one; with nothing there, if there is nothing."""
        here = self
        for key in keys:
            here = here._below(key)
        return here

    def _below(self, key: str) -> Node:
        path = f"{self.path}.{key}" if self.path and self.path != "Resources" else key
        fallback = None if self._fallback is None else self._fallback.at(key)
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Node(self._template, path, value, fallback)

    def keys(self) -> list[str]:
        """The names below this place; none where there is no mapping."""
        if self.value is not None and not isinstance(self.value, (dict, Later)):
            self.note("a mapping")
        self.unseen_if_later()
        own = list(self.value) if isinstance(self.value, dict) else []
        more = [] if self._fallback is None else self._fallback.keys()
        return list(dict.fromkeys(str(key) for key in [*own, *more]))

    def items(self) -> Iterator[tuple[str, Node]]:
        """What is below this place, by name."""
        for key in self.keys():
            below = self.at(key)
            if below:
                yield key, below

    def values(self) -> Iterator[Node]:
        """What is below this place."""
        return (below for _, below in self.items())

    def each(self) -> list[Node]:
        """The elements of a list; something alone counts as a list of it."""
        if isinstance(self.value, list):
            return [
                one
                for place, value in enumerate(self.value)
                if (one := Node(self._template, f"{self.path}[{place}]", value))
            ]
        return [self] if self else []

    def text(self) -> str | Later | None:
        """Text; a number or switch is the text of it."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, (int, float)):
            return found(self.value)
        text: str | Later | None = self._of((str, Later), "text")
        return text

    def word(self) -> str:
        """Text that is known; else empty."""
        text = self.text()
        return text if isinstance(text, str) else ""

    def whole(self) -> str:
        """Text, known or not: `${Name}` stands for what isn't."""
        text = self.text()
        return text.text if isinstance(text, Later) else text or ""

    def number(self) -> float | Later | None:
        """A number, also one that is written as text."""
        if isinstance(self.value, str) and re.fullmatch("[0-9]{1,9}", self.value.strip()):
            return int(self.value)
        sane = isinstance(self.value, (int, float)) and not isinstance(self.value, bool) and abs(self.value) < 1e9
        number: float | Later | None = self._of((int, float, Later) if sane else (Later,), "a number")
        return number

    def switch(self) -> bool | Later | None:
        """True or false, also as text."""
        if isinstance(self.value, str) and self.value.lower() in ("true", "false"):
            return self.value.lower() == "true"
        switch: bool | Later | None = self._of((bool, Later), "true or false")
        return switch

    def _of(self, types: tuple[type, ...], want: str) -> Any:
        """The value, if it is of one of *types*; else this place has the wrong shape."""
        if isinstance(self.value, types):
            return self.value
        if self:
            self.note(want)
        return None

    @property
    def is_chosen_later(self) -> bool:
        """Whether a condition decides this when it is deployed."""
        return isinstance(self.value, Later) and self.value.text[2:-1] in self._template.names.conditions

    def unseen_if_later(self) -> None:
        """Nobody looks at what is here, where it is only known when it is deployed: that is to be said."""
        if isinstance(self.value, Later):
            self._template.unseen[self.path] = None

    def note(self, want: str) -> None:
        """This place has the wrong shape."""
        self._template.odd[Oddity(self.path, f"is {_shown(self.value)}; want {want}")] = None


def _shown(value: object) -> str:
    return found(value).replace("a table", "a mapping")
