"""The cache is bounded by entries and bytes, forgets in time, and keeps what is used."""

import pytest

from phantomgate.backends.memory import MemoryCache


def cache(clock, entries=10, size=1 << 20):
    return MemoryCache(max_entries=entries, max_bytes=size, ticks=clock.ticks)


def test_a_record_lasts_as_long_as_it_was_put_for(clock, drive):
    memory = cache(clock)
    drive(memory.put(b"k", b"record", 10.0))

    assert drive(memory.get(b"k")) == (b"record", 10.0)
    clock.advance(9.5)
    assert drive(memory.get(b"k")) == (b"record", 0.5)
    clock.advance(0.5)
    assert drive(memory.get(b"k")) is None
    assert len(memory) == 0


def test_a_clock_set_back_changes_nothing(clock, drive):
    memory = cache(clock)
    drive(memory.put(b"k", b"record", 10.0))
    clock.wall -= 3600
    clock.monotonic += 10

    assert drive(memory.get(b"k")) is None


@pytest.mark.parametrize("seconds", [0, -1])
def test_what_may_not_be_kept_is_not(clock, drive, seconds):
    memory = cache(clock)
    drive(memory.put(b"k", b"record", seconds))

    assert len(memory) == 0


def test_the_number_of_entries_is_bounded_and_the_used_survive(clock, drive):
    memory = cache(clock, entries=10)
    drive(memory.put(b"used", b"record", 1000.0))
    for number in range(100):
        drive(memory.put(b"%d" % number, b"record", 1000.0))
        assert drive(memory.get(b"used")) is not None
        assert len(memory) <= 10

    assert drive(memory.get(b"0")) is None


def test_the_number_of_bytes_is_bounded(clock, drive):
    memory = cache(clock, entries=10_000, size=100_000)
    for number in range(1000):
        drive(memory.put(b"%d" % number, b"x" * 1000, 1000.0))
        held = sum(len(entry) for entry in (*memory._young.values(), *memory._old.values()))
        assert held <= 100_000

    assert len(memory) > 50


def test_a_record_too_large_to_keep_is_not_kept(clock, drive):
    memory = cache(clock, size=1000)
    drive(memory.put(b"k", b"x" * 1000, 10.0))

    assert len(memory) == 0


def test_a_record_that_is_replaced_is_gone(clock, drive):
    memory = cache(clock, entries=4)
    drive(memory.put(b"k", b"one", 10.0))
    for number in range(2):  # push it into the old generation
        drive(memory.put(b"%d" % number, b"record", 10.0))
    drive(memory.put(b"k", b"two", 5.0))

    assert drive(memory.get(b"k")) == (b"two", 5.0)
    clock.advance(6)
    assert drive(memory.get(b"k")) is None


def test_the_count_of_bytes_stays_true(clock, drive):
    memory = cache(clock, entries=8, size=50_000)
    for number in range(500):
        drive(memory.put(b"%d" % (number % 7), b"x" * (number % 300), 1.0 + number % 3))
        drive(memory.get(b"%d" % (number % 11)))
        clock.advance(0.4)
        assert memory._young_bytes == sum(len(entry) + 240 for entry in memory._young.values())


@pytest.mark.parametrize("more", [0, 1, 2])
def test_what_is_forgotten_is_gone_from_either_generation(drive, clock, more):
    memory = cache(clock, entries=4)
    drive(memory.put(b"k" * 32, b"record", 60))
    for number in range(more):
        drive(memory.put(bytes([number]) * 32, b"other", 60))

    drive(memory.forget(b"k" * 32))
    drive(memory.forget(b"k" * 32))

    assert drive(memory.get(b"k" * 32)) is None
    assert len(memory) == more
