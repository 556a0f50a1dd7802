"""One server, guarded: seldom asked in vain, never by too many at a time, and never twice where that may do harm."""

import asyncio
from contextlib import suppress

import pytest

from phantomgate.backends.blocking import ThreadTurns, finish
from phantomgate.backends.turns import LoopTurns
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.ports import HttpCall
from phantomgate.resolvers.breaker import Breaker, State
from phantomgate.resolvers.guarded import BUDGET, OUTCOMES, Calls, Guarded
from phantomgate.testing import FakeHttp, on_a_loop, reply

GOOD = reply(200, b"yes")
QUESTION = HttpCall("POST", "https://as.example/i", timeout=2.0, retry=True)
ORDER = HttpCall("POST", "https://as.example/token", timeout=2.0)
KEYS = HttpCall("GET", "https://as.example/jwks", timeout=2.0, held=True)
DOWN = Unavailable("no connection to https://as.example: refused", kind="no_connection")


class Free:
    """Turns without end; counts those that are taken."""

    def __init__(self, full=False):
        self.taken, self.full = 0, full

    async def take(self, seconds):
        if self.full:
            raise Unavailable("full", reason=Reason.OVERLOADED)
        self.taken += 1

    def give_back(self):
        self.taken -= 1


class Guarding:
    """A guarded fake, and everything that it was given."""

    def __init__(self, clock, answer, *, breaker=True, retries=True, turns=None, took=0.0):
        self.clock, self.took = clock, took
        self.http = FakeHttp(answer)
        self.turns = turns or Free()
        self.calls = Calls()
        self.paused, self.heard = [], []
        self.guarded = Guarded(
            self, self.turns, breaker=Breaker(ticks=clock.ticks, jitter=lambda: 0.0) if breaker else None,
            retries=retries, most_wait=0.1, pause=self.pause, ticks=clock.ticks, jitter=lambda: 0.5, calls=self.calls,
            heard=lambda seconds, how: self.heard.append((seconds, how)),
        )  # fmt: skip

    async def send(self, call):
        self.clock.advance(self.took)
        return await self.http.send(call)

    async def pause(self, seconds):
        self.paused.append(seconds)
        self.clock.advance(seconds)

    def __call__(self, drive, call=QUESTION):
        return drive(self.guarded.send(call))


@pytest.mark.parametrize("trouble", [DOWN, reply(502), reply(503), reply(504)])
def test_a_question_that_failed_is_asked_once_more(clock, drive, trouble):
    guarding = Guarding(clock, [trouble, GOOD])
    assert GOOD is guarding(drive)
    assert (2, 1, [0.05], 0) == (
        len(guarding.http.calls),
        guarding.calls.retries,
        guarding.paused,
        guarding.turns.taken,
    )


@pytest.mark.parametrize("trouble", [DOWN, reply(503)])
def test_and_not_twice(clock, drive, trouble):
    guarding = Guarding(clock, trouble)
    with suppress(Unavailable):
        assert trouble is guarding(drive)
    assert 2 == len(guarding.http.calls)


@pytest.mark.parametrize("call", [ORDER, KEYS])
@pytest.mark.parametrize("trouble", [DOWN, reply(503)])
def test_what_may_change_something_is_sent_once_and_keys_wait_for_their_time(clock, drive, call, trouble):
    guarding = Guarding(clock, [trouble, GOOD])
    with suppress(Unavailable):
        guarding(drive, call)
    assert 1 == len(guarding.http.calls)


@pytest.mark.parametrize("answer", [reply(500), reply(429), reply(401), reply(503, retry_after="3"), GOOD])
def test_what_another_try_would_not_change_is_not_tried(clock, drive, answer):
    guarding = Guarding(clock, [answer, GOOD])
    assert answer is guarding(drive)
    assert 1 == len(guarding.http.calls)


def test_settings_may_say_never(clock, drive):
    guarding = Guarding(clock, [reply(503), GOOD], retries=False)
    assert 503 == guarding(drive).status


@pytest.mark.parametrize(("took", "tries"), [(1.19, 2), (1.21, 1)])
def test_there_must_be_time_for_another_try_and_both_fit_into_the_one_deadline(clock, drive, took, tries):
    guarding = Guarding(clock, reply(503), took=took)
    began = clock.ticks()
    guarding(drive)
    assert tries == len(guarding.http.calls)
    last = guarding.http.calls[-1]
    assert last.timeout <= 2.0 - (tries - 1) * took
    assert 2.0 == guarding.http.calls[0].timeout
    if tries == 2:
        assert clock.ticks() - took + last.timeout <= began + 2.005


def test_of_all_calls_one_in_ten_is_tried_again_at_most(clock, drive):
    guarding = Guarding(clock, reply(503), breaker=False)
    for _ in range(100):
        guarding(drive)
    assert guarding.calls.retries <= 1 + BUDGET * 100
    assert 9 <= guarding.calls.retries


def test_tries_again_are_saved_up_to_ten(clock, drive):
    guarding = Guarding(clock, GOOD, breaker=False)
    for _ in range(500):
        guarding(drive)
    guarding.http.answer = reply(503)
    for _ in range(50):
        guarding(drive)
    assert 10 + 50 * BUDGET - 1 <= guarding.calls.retries <= 10 + 50 * BUDGET + 1


@pytest.mark.parametrize("status", [429, 500, 503, 599])
def test_a_server_that_answers_with_its_trouble_only_is_left_alone_too(clock, drive, status):
    guarding = Guarding(clock, reply(status), retries=False)
    for _ in range(20):
        assert status == guarding(drive).status
    with pytest.raises(Unavailable, match=f"it answered {status}"):
        guarding(drive)
    assert (20, State.OPEN) == (len(guarding.http.calls), guarding.guarded.breaker.state)


@pytest.mark.parametrize("answer", [reply(200), reply(204), reply(401), reply(499), Refused(Reason.BAD_ANSWER)])
def test_any_other_answer_shows_that_the_server_is_back(clock, drive, answer):
    guarding = Guarding(clock, [*[DOWN] * 5, answer], retries=False)
    for _ in range(5):
        with pytest.raises(Unavailable):
            guarding(drive)
    clock.advance(1.0)
    with suppress(Refused):
        guarding(drive)
    assert State.CLOSED is guarding.guarded.breaker.state


def test_what_is_held_is_fetched_whatever_questions_meet(clock, drive):
    guarding = Guarding(clock, [*[DOWN] * 5, GOOD], retries=False, turns=Free())
    for _ in range(5):
        with pytest.raises(Unavailable):
            guarding(drive)
    guarding.turns.full = True
    assert State.OPEN is guarding.guarded.breaker.state
    assert GOOD is guarding(drive, KEYS)


def test_five_failures_open_the_breaker_and_the_server_is_left_alone(clock, drive):
    guarding = Guarding(clock, DOWN, retries=False)
    for _ in range(20):
        with pytest.raises(Unavailable):
            guarding(drive)
    assert (5, 15, 0) == (len(guarding.http.calls), guarding.calls.shed["breaker"], guarding.turns.taken)
    clock.advance(1.0)
    guarding.http.answer = GOOD
    assert GOOD is guarding(drive)
    assert State.CLOSED is guarding.guarded.breaker.state


def test_nonsense_is_an_answer_and_opens_nothing(clock, drive):
    guarding = Guarding(clock, Refused(Reason.BAD_ANSWER, "no HTTP"))
    for _ in range(50):
        with pytest.raises(Refused):
            guarding(drive)
    assert (50, State.CLOSED) == (len(guarding.http.calls), guarding.guarded.breaker.state)
    assert 50 == guarding.calls.by_outcome["malformed"]


def test_no_turn_is_overloaded_and_says_nothing_of_the_server(clock, drive):
    guarding = Guarding(clock, GOOD, turns=Free(full=True))
    for _ in range(50):
        with pytest.raises(Unavailable) as no:
            guarding(drive)
        assert Reason.OVERLOADED is no.value.reason
    assert (0, 50, State.CLOSED) == (
        len(guarding.http.calls),
        guarding.calls.shed["turns"],
        guarding.guarded.breaker.state,
    )


@pytest.mark.parametrize("bug", [RuntimeError("bug"), KeyError("x")])
def test_a_fault_of_ours_gives_back_the_turn_and_the_try(clock, drive, bug):
    guarding = Guarding(clock, DOWN, retries=False)
    for _ in range(5):
        with pytest.raises(Unavailable):
            guarding(drive)
    clock.advance(1.0)
    guarding.http.answer = bug
    with pytest.raises(type(bug)):
        guarding(drive)
    assert (0, 0) == (guarding.turns.taken, guarding.calls.in_flight)
    guarding.http.answer = GOOD
    assert GOOD is guarding(drive)


def test_every_call_is_counted_by_what_came_of_it(clock, drive):
    kinds = ["no_address", "no_connection", "no_tls", "cut_off", "timeout"]
    answers = [GOOD, reply(429), reply(500), *(Unavailable(kind, kind=kind) for kind in kinds)]
    guarding = Guarding(clock, [*answers, Refused(Reason.BAD_ANSWER)], retries=False, breaker=False, took=0.25)
    for _ in range(9):
        with suppress(Refused):
            guarding(drive)
    assert dict.fromkeys(OUTCOMES, 1) == guarding.calls.by_outcome
    assert {(0.25, how) for how in OUTCOMES} == set(guarding.heard)


def test_a_caller_that_is_cancelled_gives_back_its_turn():
    async def story():
        turns = LoopTurns(1)
        await turns.take(1.0)
        waiting = asyncio.ensure_future(turns.take(60.0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        late = asyncio.ensure_future(turns.take(60.0))
        await asyncio.sleep(0)
        turns.give_back()
        late.cancel()  # it has its turn already, and will not use it
        await asyncio.gather(late, return_exceptions=True)
        await turns.take(0.0)
        with pytest.raises(Unavailable):
            await turns.take(0.0)

    on_a_loop(story())


def test_turns_come_in_the_order_of_waiting():
    async def story():
        turns, order = LoopTurns(1), []

        async def work(name):
            await turns.take(60.0)
            order.append(name)
            await asyncio.sleep(0)
            turns.give_back()

        await asyncio.gather(*(work(number) for number in range(5)))
        assert [0, 1, 2, 3, 4] == order
        assert 0 == turns._taken

    on_a_loop(story())


@pytest.mark.parametrize(("turns", "run"), [(ThreadTurns, finish), (LoopTurns, on_a_loop)])
def test_who_finds_no_turn_in_time_is_overloaded(turns, run):
    async def story():
        made = turns(2)
        await made.take(0.0)
        await made.take(0.0)
        with pytest.raises(Unavailable, match="2 calls") as no:
            await made.take(0.001)
        assert Reason.OVERLOADED is no.value.reason
        made.give_back()
        await made.take(0.0)

    run(story())
