"""Durations and sizes: strict, with a unit, and a message that teaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.config.durations import duration, read_duration, read_size, size
from refusals import why_not

JUNK = st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers(), max_size=2))
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("5m", 300.0), ("1h", 3600.0), ("0s", 0.0), ("1.5s", 1.5)]
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert seconds == read_duration(text)


@given(st.integers(0, 10**9 - 1), st.sampled_from(sorted(UNITS)))
def test_every_whole_number_of_every_unit_is_a_duration(number, unit):
    assert number * UNITS[unit] == read_duration(f"{number}{unit}")


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "-5m", "5M", "5min", "5 minuts", "m", "1e3s", "5m\n", "\u0665s", ".5s", "1d"]
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is not a duration.*such as"):
        read_duration(text)


@pytest.mark.parametrize("bare", [300, "300"])
def test_a_number_without_a_unit_is_told_how_to_have_one(bare):
    with pytest.raises(ValueError, match='it needs a unit, such as "300s"'):
        read_duration(bare)


@given(JUNK)
def test_reading_a_duration_gives_seconds_or_a_value_error(value):
    said = why_not(read_duration, value)
    assert said is None or "such as" in said


@pytest.mark.parametrize(
    ("value", "count"), [("64KiB", 65536), ("512MiB", 512 << 20), ("1GiB", 1 << 30), ("7B", 7), (4096, 4096), (0, 0)]
)
def test_a_size_is_bytes_or_a_number_with_a_unit(value, count):
    assert count == read_size(value)


@pytest.mark.parametrize(
    "value", ["", "64", "64 KiB", "64KB", "64kib", "-1B", -1, True, 1.5, None, "1.5MiB", "64KiB\n"]
)
def test_what_is_no_size_is_refused_with_an_example(value):
    with pytest.raises(ValueError, match=r"is not a size.*such as"):
        read_size(value)


@given(JUNK)
def test_reading_a_size_gives_bytes_or_a_value_error(value):
    said = why_not(read_size, value)
    assert said is None or "such as" in said


@pytest.mark.parametrize("outside", ["99ms", "61s", "9999h"])
def test_a_duration_outside_its_bounds_names_them(outside):
    with pytest.raises(ValueError, match=r"want 100ms to 60s"):
        duration("100ms", "60s").read(outside)


@pytest.mark.parametrize("outside", [1023, "2MiB", "1B"])
def test_a_size_outside_its_bounds_names_them(outside):
    with pytest.raises(ValueError, match="want 1KiB to 1MiB"):
        size("1KiB", "1MiB").read(outside)


def test_bounds_themselves_are_within():
    assert tuple(map(duration("100ms", "60s").read, ["100ms", "60s"])) == (0.1, 60.0)
    assert tuple(map(size("1KiB", "1MiB").read, ["1KiB", "1MiB"])) == (1024, 1 << 20)


def test_a_variable_may_hold_bare_bytes():
    kind = size("1KiB", "1MiB")
    assert kind.read(kind.from_text("4096")) == 4096
