"""What one process remembers: until its time is up, within its bounds, and once where it is about being first."""

from __future__ import annotations

import pytest

from phantomgate.backends.remembered import Remembered
from phantomgate.core.errors import Reason, Unavailable


def store(clock, most=10, *, forgets=False):
    return Remembered(most=most, forgets=forgets, ticks=clock.ticks)


def test_a_record_is_there_until_its_time_is_up(drive, clock):
    one = store(clock)
    drive(one.put(b"k", b"record", 10))
    clock.advance(9)
    assert b"record" == drive(one.get(b"k"))
    clock.advance(1)
    assert drive(one.get(b"k")) is None


def test_one_is_first_until_the_time_is_up(drive, clock):
    one = store(clock)

    assert [True, False] == [drive(one.first(b"k", 10)) for _ in range(2)]
    clock.advance(10)
    assert drive(one.first(b"k", 10))


def test_a_clock_that_is_set_changes_nothing(drive, clock):
    one = store(clock)
    drive(one.put(b"k", b"record", 10))
    clock.wall += 1e9

    assert b"record" == drive(one.get(b"k"))


def test_without_room_nothing_more_is_taken_and_nothing_is_lost(drive, clock):
    one = store(clock)
    for number in range(10):
        drive(one.put(b"%d" % number, b"", 10 + number))
    with pytest.raises(Unavailable) as no:
        drive(one.put(b"more", b"", 10))
    with pytest.raises(Unavailable):
        drive(one.first(b"more", 10))

    assert no.value.reason is Reason.OVERLOADED
    assert all(drive(one.get(b"%d" % number)) == b"" for number in range(10))
    drive(one.put(b"3", b"again", 20))  # what is there can be renewed
    clock.advance(10)
    drive(one.put(b"more", b"", 10))  # what is over makes room
    assert 10 == len(one)


def test_what_is_over_takes_no_room_for_long(drive, clock):
    one = store(clock, 100_000)
    for number in range(5000):
        drive(one.put(b"%d" % number, b"", 30))
        clock.advance(1)

    assert len(one) < 1100


def test_where_it_may_forget_the_oldest_goes(drive, clock):
    one = store(clock, forgets=True)
    for number in range(25):
        drive(one.put(b"%d" % number, b"", 100))

    assert len(one) <= 10
    assert drive(one.get(b"24")) == b""
    assert drive(one.get(b"0")) is None
