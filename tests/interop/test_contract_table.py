"""The table of the contract in the docs is what came of the contract."""

from __future__ import annotations

import pytest

from interop.contract_table import committed
from interop.gateways import BINARIES
from interop.matrix import REMEDY
from interop.needs import needs

pytestmark = pytest.mark.interop

PINNED = ("Traefik", "Caddy, current", "Envoy")
"""By files of ours; the others have the version that the distribution gives them."""


def test_whatever_was_seen_is_in_the_table(contract):
    known = committed().cells
    assert {} == {cell: seen for cell, seen in contract.cells.items() if known.get(cell) != seen}, REMEDY


def test_whatever_is_in_the_table_was_seen(contract, left_out):
    needs(*(name for binary in BINARIES for name in binary.needs))
    if left_out:
        pytest.skip(f"not all of the tests that record were asked for: without {', '.join(left_out)[:200]}")
    assert {} == {cell: said for cell, said in committed().cells.items() if cell not in contract.cells}, REMEDY


def test_what_was_checked_is_what_the_table_says(contract):
    known = committed().checks
    assert contract.checks == {name: known.get(name) for name in contract.checks}, REMEDY


def test_what_the_table_calls_checked_was_checked(contract, left_out):
    needs("apigeelint and Kubernetes' models", "nginx's Lua module", "Envoy")
    if left_out:
        pytest.skip(f"not all of the tests that record were asked for: without {', '.join(left_out)[:200]}")
    assert committed().checks == contract.checks, REMEDY


@pytest.mark.parametrize("name", PINNED)
def test_the_version_in_the_table_is_the_one_that_ran(contract, name):
    assert committed().versions[name] == contract.versions.get(name, committed().versions[name]), REMEDY


def test_every_binary_has_a_column():
    assert [binary.name for binary in BINARIES] == [*committed().versions]
