"""The table of what ran in the docs is what ran."""

from __future__ import annotations

import pytest

from interop.matrix import REMEDY, committed, told
from interop.needs import needs

pytestmark = pytest.mark.interop

PINNED = ("oidc-provider", "django-oauth-toolkit", "Canaille")
"""By files of ours; Glewlwyd has the version that the distribution gives it."""


def test_whatever_ran_is_in_the_table(matrix):
    assert "" == told(matrix.rows - committed().rows), REMEDY


def test_whatever_is_in_the_table_ran(matrix, left_out):
    needs(*PINNED, "Glewlwyd")
    if left_out:
        pytest.skip(f"not all of the tests that record were asked for: without {', '.join(left_out)[:200]}")
    assert "" == told(committed().rows - matrix.rows), REMEDY


@pytest.mark.parametrize("name", PINNED)
def test_the_version_in_the_table_is_the_one_that_ran(matrix, name):
    assert committed().versions[name] == matrix.versions.get(name, committed().versions[name]), REMEDY
