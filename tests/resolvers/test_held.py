"""How long a thing is used, when it is fetched again, and what happens when it can't be."""

from __future__ import annotations

import asyncio

import pytest

from phantomgate.backends.background import Background
from phantomgate.backends.blocking import finish
from phantomgate.backends.single_flight import SingleFlight
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.resolvers.held import PAUSE, SHORT_PAUSE, STALE, Fetched, Fixed, Held
from phantomgate.testing import each_by_itself


class Source:
    """A thing with versions: each fetch gives the next, or raises what is set as `trouble`."""

    def __init__(self, freshness: float | None = 100.0) -> None:
        self.fetches = 0
        self.freshness = freshness
        self.trouble: Refused | None = None

    async def __call__(self) -> Fetched[str]:
        self.fetches += 1
        if self.trouble is not None:
            raise self.trouble
        return Fetched(f"version {self.fetches}", self.freshness)


class Behind:
    """A `Later` that does what it was given when told to."""

    def __init__(self) -> None:
        self.acts: list = []

    def __call__(self, act) -> None:
        self.acts.append(act)

    def run(self) -> None:
        for act in self.acts:
            finish(act())
        self.acts.clear()


def held(clock, source, **more) -> Held[str]:
    return Held("a thing", source, each_by_itself, ticks=clock.ticks, **more)


def get(thing) -> str:
    return finish(thing.get()).value


def test_a_thing_is_fetched_once_and_used_while_it_is_fresh(clock, drive):
    thing = held(clock, source := Source())
    assert "version 1" == drive(thing.get()).value
    clock.advance(79.9)
    assert "version 1" == drive(thing.get()).value
    assert 1 == source.fetches


@pytest.mark.parametrize(
    ("said", "kept"), [(None, 300.0), (0.0, 60.0), (59.0, 60.0), (61.0, 61.0), (3599.0, 3599.0), (1e9, 3600.0)]
)
def test_freshness_is_what_the_server_says_within_bounds(clock, said, kept):
    assert clock.ticks() + kept == finish(held(clock, Source(said)).get()).until


def test_without_a_background_the_request_that_finds_it_due_fetches(clock):
    thing = held(clock, source := Source())
    get(thing)
    clock.advance(80)
    assert "version 2" == get(thing)
    assert 2 == source.fetches


def test_with_one_it_is_fetched_ahead_and_nobody_waits(clock):
    behind = Behind()
    thing = held(clock, source := Source(), later=behind)
    get(thing)
    clock.advance(80)
    assert ["version 1"] * 3 == [get(thing) for _ in range(3)]
    assert (1, 1) == (len(behind.acts), source.fetches)
    behind.run()
    assert ("version 2", 2) == (get(thing), source.fetches)


def test_what_is_no_longer_fresh_is_not_used_before_it_was_looked_at_again(clock):
    thing = held(clock, Source(), later=Behind())
    get(thing)
    clock.advance(100)
    assert "version 2" == get(thing)


def test_nothing_held_and_nothing_to_be_had_is_unavailable(clock, drive):
    source = Source()
    source.trouble = Unavailable("down")
    with pytest.raises(Unavailable, match="down"):
        drive(held(clock, source).get())


def test_while_nothing_is_held_attempts_are_apart(clock):
    source = Source()
    source.trouble = Unavailable("down")
    thing = held(clock, source)
    for _ in range(10):
        with pytest.raises(Unavailable):
            get(thing)
    assert 1 == source.fetches
    clock.advance(SHORT_PAUSE)
    source.trouble = None
    assert "version 2" == get(thing)


def test_a_bad_answer_stays_a_bad_answer(clock):
    source = Source()
    source.trouble = Refused(Reason.BAD_ANSWER, "nonsense")
    thing = held(clock, source)
    for _ in range(2):
        with pytest.raises(Refused) as no:
            get(thing)
        assert Reason.BAD_ANSWER is no.value.reason


@pytest.mark.parametrize("later", [None, "behind"])
def test_stale_is_used_for_an_hour_while_the_server_is_down_and_no_longer(clock, later):
    behind = Behind()
    thing = held(clock, source := Source(), later=behind if later else None)
    get(thing)
    source.trouble = Unavailable("down")
    clock.advance(100)
    for _ in range(int(STALE / 10)):
        assert "version 1" == get(thing)
        behind.run()
        clock.advance(10)
    with pytest.raises(Unavailable, match="down"):
        get(thing)
    assert 1 + STALE / PAUSE == pytest.approx(source.fetches, abs=2)
    source.trouble = None
    clock.advance(PAUSE)
    assert f"version {source.fetches + 1}" == get(thing)


def test_what_was_concluded_from_something_stale_lasts_until_the_next_attempt_only(clock):
    thing = held(clock, source := Source())
    get(thing)
    source.trouble = Unavailable("down")
    clock.advance(100)
    assert clock.ticks() + PAUSE == finish(thing.get()).until


def test_failures_are_told_with_the_time_that_is_left(clock):
    told: list = []
    thing = held(clock, source := Source(), failed=lambda no, left: told.append((no.detail, left)))
    get(thing)
    source.trouble = Unavailable("down")
    clock.advance(100)
    get(thing)
    assert [("down", STALE)] == told


def test_something_missing_is_looked_for_at_once_and_then_once_in_a_pause(clock, drive):
    thing = held(clock, source := Source())
    first = drive(thing.get()).value
    second = drive(thing.other_than(first)).value
    assert ("version 2", 2) == (second, source.fetches)
    clock.advance(PAUSE - 0.1)
    assert second == drive(thing.other_than(second)).value
    assert 2 == source.fetches
    clock.advance(0.1)
    assert "version 3" == drive(thing.other_than(second)).value


def test_whoever_missed_something_in_an_older_version_gets_the_newer_without_a_fetch(clock):
    thing = held(clock, source := Source())
    first = get(thing)
    finish(thing.other_than(first))
    assert "version 2" == finish(thing.other_than(first)).value
    assert 2 == source.fetches


def test_while_looking_fails_nobody_says_that_it_is_missing(clock):
    thing = held(clock, source := Source())
    first = get(thing)
    source.trouble = Unavailable("down")
    for _ in range(3):
        with pytest.raises(Unavailable, match="down"):
            finish(thing.other_than(first))
    assert 2 == source.fetches
    assert first == get(thing)


def test_all_who_miss_it_at_the_same_time_wait_for_one_fetch(clock):
    source = Source()
    gate = asyncio.Event()

    async def slow() -> Fetched[str]:
        await gate.wait()
        return await source()

    async def story() -> list[str]:
        gate.set()
        thing = Held("a thing", slow, SingleFlight(), ticks=clock.ticks, later=Background())
        first = (await thing.get()).value
        gate.clear()
        waiting = [asyncio.create_task(thing.other_than(first)) for _ in range(500)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(thing.other_than(first)) for _ in range(500)]
        await asyncio.sleep(0)
        gate.set()
        return [kept.value for kept in await asyncio.gather(*waiting)]

    assert {"version 2"} == set(asyncio.run(story()))
    assert 2 == source.fetches


def test_what_is_fixed_is_never_fetched():
    thing = Fixed("a thing")
    assert ("a thing", float("inf")) == finish(thing.get())
    assert "a thing" == finish(thing.other_than("a thing")).value


def test_background_work_ends_with_its_owner_and_its_failures_are_nobody_s():
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("forever")

    async def broken() -> None:
        ended.append("broken")
        raise Unavailable("down")

    async def story() -> None:
        behind = Background()
        behind(forever)
        behind(broken)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await behind.close()
        behind(broken)
        await asyncio.sleep(0)

    asyncio.run(story())
    assert ["broken", "forever"] == ended


def test_after_a_recovery_what_is_missing_is_missing(clock):
    source = Source()
    thing = held(clock, source)
    first = get(thing)
    source.trouble = Unavailable("down")
    with pytest.raises(Unavailable):
        finish(thing.other_than(first))
    source.trouble = None
    clock.advance(100)
    second = get(thing)
    third = finish(thing.other_than(second)).value
    assert third == finish(thing.other_than(third)).value


def test_whoever_joins_a_flight_that_had_nothing_to_do_asks_again(clock):
    source = Source()
    joined: list[bytes] = []

    async def once(key, fill):
        joined.append(key)
        return await fill() if len(joined) != 2 else None  # the second finds a flight that is about to land

    thing = Held("a thing", source, once, ticks=clock.ticks)
    first = get(thing)
    assert "version 2" == finish(thing.other_than(first)).value
    assert 3 == len(joined)
