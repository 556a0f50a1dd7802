"""The catalogue of attacks, and which test executes which case.

Rule: every case of tests/vectors/attacks.jsonl is executed by a test that carries its id, or stands in
tests/vectors/not_executed.json with the reason, and never both. `attack` is the only way to claim a case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])

VECTORS = Path(__file__).parent.parent / "vectors"


@dataclass(frozen=True)
class Case:
    """One line of the catalogue."""

    id: str
    input: str
    expect: str


def _read() -> dict[str, Case]:
    rows = [json.loads(line) for line in (VECTORS / "attacks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len({row["id"] for row in rows})
    return {row["id"]: Case(row["id"], row["input"], row["expect"]) for row in rows}


CASES = _read()
NOT_EXECUTED: dict[str, str] = json.loads((VECTORS / "not_executed.json").read_text(encoding="utf-8"))
CLAIMED: dict[str, set[str]] = {}
"""Case id -> the tests that execute it, filled as the test modules are imported."""


def attack(*ids: str) -> Callable[[Test], Test]:
    """Marks a test as executing the cases *ids*; it gets each, in turn, as its argument `case`."""

    def mark(test: Test) -> Test:
        for name in ids:
            _claim(name, test)
        params = [pytest.param(CASES[name], id=name, marks=pytest.mark.attack(name)) for name in ids]
        return pytest.mark.parametrize("case", params)(test)

    return mark


def attacks(names: str, rows: Sequence[tuple[Any, ...]]) -> Callable[[Test], Test]:
    """Marks a test as executing one case a row: (id, and a value for each of *names*), named by the id."""

    def mark(test: Test) -> Test:
        params = []
        for number, (case, *values) in enumerate(rows):
            _claim(case, test)
            name = f"{case}-{_short(values[0], number)}"
            params.append(pytest.param(*values, id=name, marks=pytest.mark.attack(case)))
        return pytest.mark.parametrize(names, params)(test)

    return mark


def _claim(case: str, test: Callable[..., Any]) -> None:
    assert case in CASES, f"{case} is no case of the catalogue"
    CLAIMED.setdefault(case, set()).add(f"{test.__module__}::{test.__name__}")


def _short(value: object, number: int) -> str:
    """*value* in few words, the same in every process: what is long may be a signature, which is new each time."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:20]}…{number}"
