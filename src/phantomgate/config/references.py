"""What settings refer to and don't hold: files and secrets; and what tells all of that from any other.

Rule: nothing that is read here leaves it, but as a digest that is compared and never written anywhere.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from phantomgate.backends.secrets import read_key
from phantomgate.core.errors import Problem
from phantomgate.core.nouns import fields

_MOST_BYTES = 4 << 20
_FILE = "file:"
_KINDS = ("file", "secret reference", "list of secret reference")


def references(noun: Any, without: tuple[str, ...] = ()) -> Iterator[str]:
    """What *noun*, settings or a section of them, refers to: "file:PATH", "env:NAME" and their kin.

    *without*: not what these of its settings say, wherever they are in it.
    """
    for one in fields(noun):
        value = getattr(noun, one.name)
        if one.name in without or one.name == "origins":
            continue
        if "kind" not in one.metadata:
            for part in value if isinstance(value, tuple) else (value,):
                yield from references(part, without)
            continue
        kind = one.metadata["kind"].name
        for text in value if isinstance(value, tuple) else (value,):
            if not isinstance(text, str) or not text:
                continue
            if kind == "file":
                yield _FILE + text
            elif kind in _KINDS or (kind == "URL or file" and text.startswith(_FILE)):
                yield text


def files_of(noun: Any) -> set[str]:
    """The names of the files that *noun* refers to."""
    return {one.removeprefix(_FILE) for one in references(noun) if one.startswith(_FILE)}


def pipes(names: Iterable[str]) -> list[Problem]:
    """That some of *names* are pipes or devices: whoever opened them might wait, or read on, for ever."""
    problems: list[Problem] = []
    for name in sorted(names):
        try:
            mode = os.stat(name).st_mode  # noqa: PTH116 - pathlib costs a cold start 10 ms
        except (OSError, ValueError):
            continue  # whoever reads it says so
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            problems.append(Problem("file", f'"{name}" is a pipe or a device, which can\'t be read again', name))
    return problems


class Prints:
    """Tells settings, and what they refer to, from any other. Its state: what was read so far, each thing once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._read: dict[str, str] = {}

    def __call__(self, *things: Any, files: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> str:
        """The digest of *things*, nouns of settings or plain values, with what they refer to but for *without*.

        And of what *files* hold.
        """
        told: list[Any] = [self._held(_FILE + name) for name in files if name]
        for thing in things:
            told.append(repr(thing))
            if hasattr(thing, "__noun_fields__"):
                told += [self._held(one) for one in references(thing, without)]
        return sha256(json.dumps(told).encode("utf-8", "surrogatepass")).hexdigest()

    def _held(self, reference: str) -> str:
        if reference not in self._read:
            self._read[reference] = self._look(reference)
        return self._read[reference]

    def _look(self, reference: str) -> str:
        try:
            if reference.startswith(_FILE):
                with open(reference.removeprefix(_FILE), "rb") as file:  # noqa: PTH123 - as `loading` reads
                    return sha256(file.read(_MOST_BYTES)).hexdigest()
            return sha256(read_key(reference, self._environ).encode("utf-8", "surrogatepass")).hexdigest()
        except (OSError, ValueError):
            return "missing"  # whoever needs it says so
