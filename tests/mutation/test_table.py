"""The table of lost checks is about the code as it is now; whether tests notice, `run.py` finds out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutation.table import MUTATIONS

SOURCES = Path(__file__).parents[2] / "src" / "phantomgate"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.lost)
def test_what_is_to_be_lost_is_there_once(mutation):
    assert 1 == (SOURCES / mutation.file).read_text(encoding="utf-8").count(mutation.old)
    assert mutation.old != mutation.new
