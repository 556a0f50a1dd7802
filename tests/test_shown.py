"""What a noun shows of itself ends in a trace or a debugger sooner or later: its secrets aren't in it."""

from __future__ import annotations

import dataclasses
import gc
from importlib import import_module
from pkgutil import walk_packages

import phantomgate
from phantomgate.config.sharing import Secrets

SECRET = frozenset(
    ("secret", "secrets", "password", "sentinel_password", "digests", "other_digests", "retired", "environ")
)
REFERENCES = "phantomgate.config.settings"
"""Where they have these names, and say where a secret is."""


def shown(kind: type) -> list[str]:
    """The fields that the representation of *kind* tells."""
    if dataclasses.is_dataclass(kind):
        return [one.name for one in dataclasses.fields(kind) if one.repr]
    return list(getattr(kind, "_fields", ())) if issubclass(kind, tuple) else []


def test_no_noun_shows_a_secret():
    for module in walk_packages(phantomgate.__path__, "phantomgate."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    ours = [one for one in gc.get_objects() if isinstance(one, type) and str(one.__module__).startswith("phantomgate.")]
    telling = {
        f"{one.__module__}.{one.__qualname__}.{name}"
        for one in ours
        for name in SECRET.intersection(shown(one))
        if not one.__module__.startswith(REFERENCES)
    }

    assert len(ours) > 300
    assert set() == telling


def test_neither_by_the_first_constructor_nor_by_that_of_one_made_often():
    told = {repr(Secrets("canary-1", "canary-2", "canary-3", (f"canary-{number}",))) for number in range(200)}

    assert {"Secrets()"} == told
