"""However `agent.max_age` is changed, no session outlives a mark that ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.agent.ending import Endings
from phantomgate.agent.lasting import LOOK_EVERY, ROLL, Lasting
from phantomgate.agent.model import AgentError
from phantomgate.agent.session import Person
from phantomgate.backends.blocking import finish
from phantomgate.backends.remembered import Remembered
from phantomgate.core.errors import Unavailable
from phantomgate.oauth.logout_token import Ended
from phantomgate.testing import FakeClock

HOUR = 3600.0
DAY = 24 * HOUR


class Machines:
    """Agents that are started anew with other settings, on one store and clock."""

    def __init__(self, clock):
        self.clock = clock
        self.store = Remembered(most=100, forgets=False, ticks=clock.ticks)

    def with_max_age(self, longest):
        return Endings(self.store, self.clock.now, longest)

    def login(self, number=1):
        return Person(bytes([number]), self.clock.now(), "alice", f"sid-{number}")


async def good(endings, person):
    try:
        await endings.check(person)
    except AgentError:
        return False
    return True


@pytest.fixture
def machines(clock):
    return Machines(clock)


@pytest.mark.parametrize(
    "end",
    [
        lambda endings, person: endings.end_session(person.session_id),
        lambda endings, person: endings.end(Ended("", person.sid, 0.0, "j")),
        lambda endings, person: endings.end(Ended("alice", "", 0.0, "j")),
    ],
    ids=["logout", "by sid", "by sub"],
)
def test_a_session_that_was_ended_stays_so_when_max_age_is_raised_by_a_restart(drive, clock, machines, end):
    before, person = machines.with_max_age(DAY), machines.login()
    assert drive(good(before, person))
    clock.advance(HOUR)
    drive(end(before, person))
    after = machines.with_max_age(3 * DAY)
    assert not drive(good(after, person))
    clock.advance(DAY)  # the mark is over
    assert not drive(good(after, person))


def test_what_begins_after_the_last_machine_has_it_lasts_as_long_as_it_says(drive, clock, machines):
    assert drive(good(machines.with_max_age(DAY), machines.login()))
    raised = machines.with_max_age(3 * DAY)
    during = machines.login(1)
    assert drive(good(raised, during))
    clock.advance(ROLL)
    after = machines.login(2)
    clock.advance(DAY)
    assert (False, True) == (drive(good(raised, during)), drive(good(raised, after)))
    clock.advance(2 * DAY)
    assert not drive(good(raised, after))


def test_lowered_and_raised_again_is_raised(drive, clock, machines):
    person = machines.login()
    assert drive(good(machines.with_max_age(3 * DAY), person))
    clock.advance(HOUR)
    lowered = machines.with_max_age(DAY)
    assert drive(good(lowered, person))
    drive(lowered.end_session(person.session_id))
    again = machines.with_max_age(3 * DAY)
    clock.advance(DAY)
    assert not drive(good(again, person))


def test_a_machine_with_less_beside_it_is_noticed_while_it_runs(drive, clock, machines):
    more, less, person = machines.with_max_age(3 * DAY), machines.with_max_age(DAY), machines.login()
    assert (True, True) == (drive(good(more, person)), drive(good(less, person)))
    drive(less.end_session(person.session_id))
    clock.advance(LOOK_EVERY)
    assert not drive(good(more, person))
    clock.advance(DAY)
    assert not drive(good(more, person))


def test_it_is_looked_at_once_a_minute(drive, clock):
    class Counting(Remembered):
        looks = 0

        async def get(self, key):
            self.looks += 1
            return await super().get(key)

    store = Counting(most=10, forgets=False, ticks=clock.ticks)
    lasting = Lasting(store, clock.now, DAY)
    for _ in range(20):
        assert DAY == drive(lasting.limit(clock.now()))
    assert 1 == store.looks
    clock.advance(LOOK_EVERY)
    drive(lasting.limit(clock.now()))
    assert 2 == store.looks


def test_a_store_that_takes_nothing_ends_no_session_and_is_tried_again(drive, clock):
    class Full(Remembered):
        full = True

        async def put(self, key, record, seconds):
            if self.full:
                raise Unavailable("no room")
            await super().put(key, record, seconds)

    store = Full(most=10, forgets=False, ticks=clock.ticks)
    lasting = Lasting(store, clock.now, DAY)
    assert (DAY, 0) == (drive(lasting.limit(clock.now())), len(store))
    store.full = False
    assert (DAY, 1) == (drive(lasting.limit(clock.now())), len(store))


def test_who_cant_look_refuses(drive, clock):
    class Gone(Remembered):
        async def get(self, key):
            raise Unavailable("gone")

    with pytest.raises(Unavailable):
        drive(Lasting(Gone(most=10, forgets=False, ticks=clock.ticks), clock.now, DAY).limit(clock.now()))

    class Other(Remembered):
        async def get(self, key):
            return b"what somebody else wrote"

    with pytest.raises(Unavailable):
        drive(Lasting(Other(most=10, forgets=False, ticks=clock.ticks), clock.now, DAY).limit(clock.now()))


@given(
    st.lists(
        st.tuples(st.sampled_from([HOUR, DAY, 3 * DAY]), st.floats(1.0, 2 * DAY), st.booleans()), min_size=1, max_size=8
    )
)
def test_whatever_restarts_there_are_a_session_that_was_ended_is_over(lives):
    """One machine, one life after the other: (max_age, how long it runs, whether the session is ended in it)."""
    clock = FakeClock()
    machines = Machines(clock)
    person, ended = machines.login(), False
    for longest, seconds, ends in lives:
        endings = machines.with_max_age(longest)
        assert not (finish(good(endings, person)) and ended)
        if ends:
            finish(endings.end_session(person.session_id))
            ended = True
        clock.advance(seconds)
        assert not (finish(good(endings, person)) and ended)
