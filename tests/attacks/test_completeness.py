"""Nothing is passed over in silence: every case of the catalogue is executed, or listed with the reason why not yet."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from attacks.cases import CASES, CLAIMED, NOT_EXECUTED

GROUPS = {"HDR", "INT", "CACHE", "FWD", "REL", "LOG", "JWT", "META", "COOKIE", "ASGI", "AWS", "BFF"}


@pytest.fixture(scope="module", autouse=True)
def every_test_module():
    """All that execute a case are imported, also when only some tests were asked for."""
    tests = Path(__file__).parents[1]
    for file in tests.rglob("test_*.py"):
        if "from attacks.cases import" in file.read_text(encoding="utf-8"):
            importlib.import_module(".".join(file.relative_to(tests).with_suffix("").parts))


def test_every_case_is_executed_or_listed_with_a_reason():
    assert [] == sorted(set(CASES) - set(CLAIMED) - set(NOT_EXECUTED))


def test_no_case_is_both_executed_and_listed_as_not():
    assert [] == sorted(set(CLAIMED) & set(NOT_EXECUTED))


def test_only_cases_of_the_catalogue_are_listed():
    assert [] == sorted(set(NOT_EXECUTED) - set(CASES))


def test_every_reason_says_something():
    assert all(len(reason) > 20 for reason in NOT_EXECUTED.values())


def test_the_catalogue_is_the_groups_of_what_is_built():
    assert GROUPS == {case.partition("-")[0] for case in CASES}
    assert 228 == len(CASES)
