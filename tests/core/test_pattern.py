"""Expressions that are compiled late: all of them can be, and then they are `re`'s own."""

from __future__ import annotations

import gc
import re
from importlib import import_module
from pathlib import Path

import pytest

import phantomgate
from phantomgate.cli.packaging.code import code
from phantomgate.core.pattern import Late, pattern


def test_it_is_compiled_when_it_is_used_and_once():
    late = pattern(r"(a)(b)?", re.IGNORECASE)
    assert "fullmatch" not in vars(late)

    assert "A" == late.fullmatch("A")[1]
    assert late.fullmatch is late.fullmatch
    assert "-c" == late.sub("-", "abc")


def test_it_has_what_a_pattern_has_and_no_more():
    late = pattern(rb"[0-9]+")

    for name in ("findall", "finditer", "fullmatch", "match", "search", "split", "sub"):
        assert getattr(re.compile(rb"[0-9]+"), name)(*([b"x"] if name == "sub" else []), b"12") is not None
        assert callable(getattr(late, name))
    with pytest.raises(AttributeError):
        late.nothing  # noqa: B018


def test_a_mistake_in_any_of_them_is_found_here():
    source = Path(phantomgate.__file__).parents[1]
    for name in code(source):
        import_module(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    found = [one for one in gc.get_objects() if type(one) is Late]

    assert len(found) > 40
    for one in found:
        re.compile(one.pattern, one.flags)
