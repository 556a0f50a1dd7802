"""A breaker opens when a server fails, lets one call try it, and never lets an old call say how things are now."""

import pytest

from phantomgate.core.errors import Reason, Unavailable
from phantomgate.resolvers.breaker import LEAST_CALLS, LONGEST_REST, UNANSWERED, WINDOW, Breaker, State


@pytest.fixture
def breaker(clock):
    return Breaker(ticks=clock.ticks, jitter=lambda: 0.0)


def fail(breaker, *, answered=False, times=1):
    for _ in range(times):
        breaker.failed(breaker.admit(), "no connection", answered=answered)


def succeed(breaker, times=1):
    for _ in range(times):
        breaker.succeeded(breaker.admit())


def test_five_calls_in_a_row_without_an_answer_open_it(breaker):
    fail(breaker, times=UNANSWERED - 1)
    assert State.CLOSED is breaker.state
    fail(breaker)
    assert State.OPEN is breaker.state


@pytest.mark.parametrize("between", [succeed, lambda breaker: fail(breaker, answered=True)])
def test_an_answer_of_any_kind_ends_the_row(breaker, between):
    fail(breaker, times=UNANSWERED - 1)
    between(breaker)
    fail(breaker, times=UNANSWERED - 1)
    assert State.CLOSED is breaker.state


def test_half_of_twenty_calls_open_it_and_of_nineteen_do_not(breaker):
    succeed(breaker, LEAST_CALLS // 2)
    fail(breaker, answered=True, times=LEAST_CALLS // 2 - 1)
    assert State.CLOSED is breaker.state
    fail(breaker, answered=True)
    assert State.OPEN is breaker.state


def test_less_than_half_never_opens_it(breaker):
    for _ in range(100):
        succeed(breaker, 2)
        fail(breaker, answered=True)
    assert State.CLOSED is breaker.state


def test_only_the_last_ten_seconds_count(breaker, clock):
    fail(breaker, answered=True, times=LEAST_CALLS - 1)
    clock.advance(WINDOW)
    fail(breaker, answered=True)
    assert State.CLOSED is breaker.state


def test_what_failed_long_ago_does_not_count_however_little_came_since(breaker, clock):
    fail(breaker, answered=True, times=LEAST_CALLS - 1)
    clock.advance(WINDOW + 1)
    fail(breaker, answered=True)
    assert State.CLOSED is breaker.state


def test_once_it_is_closed_again_what_opened_it_is_forgotten(breaker, clock):
    fail(breaker, answered=True, times=LEAST_CALLS)
    clock.advance(1.0)
    succeed(breaker)
    fail(breaker, answered=True)
    assert State.CLOSED is breaker.state


def test_while_it_is_open_nothing_is_let_through_and_the_refusal_says_when_and_why(breaker, clock):
    fail(breaker, times=UNANSWERED)
    with pytest.raises(Unavailable, match=r"not asked.*no connection") as no:
        breaker.admit()
    assert (Reason.UNAVAILABLE, 1) == (no.value.reason, no.value.retry_after)
    clock.advance(0.999)
    with pytest.raises(Unavailable):
        breaker.admit()


def test_then_one_call_tries_the_server_and_the_others_still_wait(breaker, clock):
    fail(breaker, times=UNANSWERED)
    clock.advance(1.0)
    trying = breaker.admit()
    assert State.HALF_OPEN is breaker.state
    with pytest.raises(Unavailable):
        breaker.admit()
    breaker.succeeded(trying)
    assert State.CLOSED is breaker.state
    succeed(breaker, 3)


def test_each_try_that_fails_makes_the_next_rest_longer_up_to_half_a_minute(breaker, clock):
    fail(breaker, times=UNANSWERED)
    rests = []
    for _ in range(8):
        rest = breaker._until - clock.ticks()
        rests.append(rest)
        clock.advance(rest)
        fail(breaker, answered=True)
    assert [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_REST, LONGEST_REST, LONGEST_REST] == rests
    clock.advance(LONGEST_REST)
    succeed(breaker)
    fail(breaker, times=UNANSWERED)
    assert 1.0 == breaker._until - clock.ticks()  # a server that was back starts anew


def test_rests_are_spread_so_that_many_do_not_try_at_once(clock):
    breaker = Breaker(ticks=clock.ticks, jitter=lambda: 1.0)
    fail(breaker, times=UNANSWERED)
    assert 0.5 == breaker._until - clock.ticks()


def test_a_try_that_nobody_waited_for_is_left_to_the_next(breaker, clock):
    fail(breaker, times=UNANSWERED)
    clock.advance(1.0)
    breaker.abandoned(breaker.admit())
    assert State.OPEN is breaker.state
    succeed(breaker)
    assert State.CLOSED is breaker.state


@pytest.mark.parametrize("late", ["succeeded", "failed", "abandoned"])
def test_what_was_let_through_before_says_nothing_of_now(breaker, clock, late):
    old = breaker.admit()
    fail(breaker, times=UNANSWERED)
    clock.advance(1.0)
    trying = breaker.admit()
    if late == "failed":
        breaker.failed(old, "late", answered=False)
    else:
        getattr(breaker, late)(old)
    assert State.HALF_OPEN is breaker.state
    breaker.succeeded(trying)
    assert State.CLOSED is breaker.state


def test_each_change_is_told(breaker, clock):
    told = []
    breaker.changed = lambda old, new: told.append((old.value, new.value))
    fail(breaker, times=UNANSWERED)
    clock.advance(1.0)
    fail(breaker)
    clock.advance(2.0)
    succeed(breaker)
    assert [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ] == told
