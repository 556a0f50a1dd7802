"""Concurrent fills of one key are one, and nobody's end is anybody else's: on loops here, among threads below."""

import asyncio
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import pytest
import uvloop

from leaks import leaks_told
from phantomgate.backends import blocking
from phantomgate.backends.blocking import finish
from phantomgate.backends.nonblocking import SingleFlight
from phantomgate.core.errors import Reason, Refused, Unavailable


@pytest.fixture(params=[None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine on each kind of loop; whatever the loop complains about is an error."""
    complaints = []

    def runs(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.get_loop().set_exception_handler(lambda loop, context: complaints.append(context))
            with leaks_told():
                return runner.run(asyncio.wait_for(coroutine, 60.0))  # who waits for ever should fail

    yield runs
    assert complaints == []


class Fill:
    """A fill that waits until it is told what to give; counts how often it was begun."""

    def __init__(self):
        self.begun = 0
        self.outcome = asyncio.get_running_loop().create_future()

    async def __call__(self):
        self.begun += 1
        return await self.outcome


async def settled():
    """Every task has gone as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_thousand_callers_are_one_fill(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        callers = [asyncio.create_task(once(b"key", fill)) for _ in range(1000)]
        await settled()
        fill.outcome.set_result("token")
        return await asyncio.gather(*callers), fill.begun

    assert run(story()) == (["token"] * 1000, 1)


def test_two_keys_are_two_fills(run):
    async def story():
        once, one, two = SingleFlight(), Fill(), Fill()
        callers = [asyncio.create_task(once(key, fill)) for key, fill in ((b"1", one), (b"2", two))]
        await settled()
        one.outcome.set_result(1)
        two.outcome.set_result(2)
        return await asyncio.gather(*callers)

    assert run(story()) == [1, 2]


def test_nothing_is_remembered_once_it_has_landed(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        fill.outcome.set_result("token")
        return [await once(b"key", fill) for _ in range(3)], fill.begun

    assert run(story()) == (["token"] * 3, 3)


def test_the_first_callers_end_is_nobody_elses(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        first, *others = [asyncio.create_task(once(b"key", fill)) for _ in range(3)]
        await settled()
        first.cancel()
        await settled()
        fill.outcome.set_result("token")
        return await asyncio.gather(first, *others, return_exceptions=True), fill.begun

    (first, *others), begun = run(story())

    assert isinstance(first, asyncio.CancelledError)
    assert (others, begun) == (["token"] * 2, 1)


@pytest.mark.parametrize("steps", range(5))
def test_an_end_just_as_it_lands_is_nobody_elses_either(run, steps):
    async def story():
        once, fill = SingleFlight(), Fill()
        first, *others = [asyncio.create_task(once(b"key", fill)) for _ in range(3)]
        await settled()
        fill.outcome.set_result("token")
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(*others)

    assert run(story()) == ["token"] * 2


def test_the_first_callers_timeout_is_nobody_elses(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        others = []

        async def impatient():
            async with asyncio.timeout(0):
                await once(b"key", fill)

        first = asyncio.create_task(impatient())
        others = [asyncio.create_task(once(b"key", fill)) for _ in range(2)]
        with pytest.raises(TimeoutError):
            await first
        fill.outcome.set_result("token")
        return await asyncio.gather(*others)

    assert run(story()) == ["token"] * 2


def test_the_answer_is_still_wanted_when_everybody_has_gone(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        alone = asyncio.create_task(once(b"key", fill))
        await settled()
        alone.cancel()
        await settled()
        late = asyncio.create_task(once(b"key", fill))
        await settled()
        fill.outcome.set_result("token")
        return await late, fill.begun

    assert run(story()) == ("token", 1)


def test_a_failure_that_nobody_waits_for_any_more_bothers_nobody(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        alone = asyncio.create_task(once(b"key", fill))
        await settled()
        alone.cancel()
        await settled()
        fill.outcome.set_exception(ValueError("late"))
        await settled()

    run(story())


def test_a_refusal_is_shared_once_and_each_has_his_own(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        callers = [asyncio.create_task(once(b"key", fill)) for _ in range(3)]
        await settled()
        no = Unavailable("down", retry_after=7)
        no.__cause__ = OSError("unplugged")
        fill.outcome.set_exception(no)
        refusals = await asyncio.gather(*callers, return_exceptions=True)
        again = Fill()
        again.outcome.set_result("token")
        return [no, *refusals], await once(b"key", again)

    refusals, after = run(story())

    assert len({id(no) for no in refusals}) == 4
    assert {(type(no), no.detail, no.retry_after, str(no.__cause__)) for no in refusals} == {
        (Unavailable, "down", 7, "unplugged")
    }
    assert {len(traceback.extract_tb(no.__traceback__)) for no in refusals[1:]} == {2}, "tracebacks add up"
    assert after == "token", "the failure was remembered"


def test_a_bug_is_our_own_fault_for_everybody(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        callers = [asyncio.create_task(once(b"key", fill)) for _ in range(2)]
        await settled()
        fill.outcome.set_exception(KeyError("secret"))
        return await asyncio.gather(*callers, return_exceptions=True)

    for no in run(story()):
        assert (no.reason, no.detail, type(no.__cause__)) == (Reason.SERVER_ERROR, "KeyError", KeyError)


def test_a_fill_that_fails_before_it_is_one_is_a_bug_too(run):
    async def story():
        def no_fill():
            raise TypeError

        with pytest.raises(Refused, match="server_error: TypeError"):
            await SingleFlight()(b"key", no_fill)

    run(story())


@pytest.mark.parametrize("early", [True, False], ids=["before it began", "under way"])
def test_closing_gives_those_who_wait_unavailable_and_refuses_the_next(run, early):
    async def story():
        once, fill = SingleFlight(), Fill()
        callers = [asyncio.create_task(once(b"key", fill)) for _ in range(3)]
        await asyncio.sleep(0)
        if not early:
            await settled()
        await once.close()
        refusals = await asyncio.gather(*callers, return_exceptions=True)
        with pytest.raises(Unavailable, match="shutting down"):
            await once(b"key", fill)
        await once.close()
        return refusals, fill.begun

    refusals, begun = run(story())

    assert [type(no) for no in refusals] == [Unavailable] * 3
    assert begun == (0 if early else 1)


def test_a_fill_that_cancels_itself_leaves_nobody_waiting(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        callers = [asyncio.create_task(once(b"key", fill)) for _ in range(2)]
        await settled()
        fill.outcome.cancel()
        return await asyncio.gather(*callers, return_exceptions=True)

    assert [type(no) for no in run(story())] == [Unavailable] * 2


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("new_loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_an_exit_goes_on_and_those_who_wait_get_unavailable(new_loop, end):
    callers = []

    async def story():
        once, fill = SingleFlight(), Fill()
        callers.extend(asyncio.create_task(once(b"key", fill)) for _ in range(2))
        await settled()
        fill.outcome.set_exception(end())
        await asyncio.Event().wait()

    async def rest():
        return await asyncio.gather(*callers, return_exceptions=True)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        with pytest.raises(end):
            runner.run(story())

        assert [type(no) for no in runner.run(rest())] == [Unavailable] * 2


def test_too_many_keys_at_a_time_are_refused(run):
    async def story():
        once, fill = SingleFlight(max_flights=2), Fill()
        callers = [asyncio.create_task(once(key, fill)) for key in (b"1", b"2")]
        await settled()
        with pytest.raises(Unavailable, match="2 calls are under way already") as refused:
            await once(b"3", fill)
        fill.outcome.set_result("token")
        await asyncio.gather(*callers)
        return refused.value.reason, await once(b"3", fill)

    assert run(story()) == (Reason.OVERLOADED, "token")


def test_too_many_callers_at_a_time_are_refused(run):
    async def story():
        once, fill = SingleFlight(max_waiters=2), Fill()
        one, two = [asyncio.create_task(once(b"key", fill)) for _ in range(2)]
        await settled()
        with pytest.raises(Unavailable, match="2 requests wait already") as refused:
            await once(b"key", fill)
        one.cancel()
        await settled()
        three = asyncio.create_task(once(b"key", fill))
        await settled()
        fill.outcome.set_result("token")
        return refused.value.reason, await asyncio.gather(two, three)

    assert run(story()) == (Reason.OVERLOADED, ["token"] * 2)


class Hand:
    """Takes the first step of a coroutine outside any task, as the decision listener does, and goes on in one."""

    def __init__(self, coroutine):
        assert asyncio.current_task() is None
        self.coroutine = coroutine
        self.future = coroutine.send(None)

    def __await__(self):
        while True:
            try:
                value = yield self.future
            except BaseException as error:  # noqa: BLE001 - as the listener does
                step, argument = self.coroutine.throw, error
            else:
                step, argument = self.coroutine.send, value
            try:
                self.future = step(argument)
            except StopIteration as done:
                return done.value


async def outside_any_task(make):
    """What *make* gives when it is called from the loop itself."""
    made = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: made.set_result(make()))
    return await made


async def goes_on(hand):
    return await hand


def test_the_first_step_needs_no_task(run):
    async def story():
        once, fill = SingleFlight(), Fill()
        hands = [await outside_any_task(lambda: Hand(once(b"key", fill))) for _ in range(100)]
        tasks = [asyncio.create_task(goes_on(hand)) for hand in hands]
        await settled()
        tasks[0].cancel()
        await settled()
        fill.outcome.set_result("token")
        return await asyncio.gather(*tasks, return_exceptions=True), fill.begun

    (first, *others), begun = run(story())

    assert isinstance(first, asyncio.CancelledError)
    assert (others, begun) == (["token"] * 99, 1)


def test_a_caller_that_is_dropped_between_two_steps_makes_room(run):
    async def story():
        once, fill = SingleFlight(max_waiters=1), Fill()
        hand = await outside_any_task(lambda: Hand(once(b"key", fill)))
        hand.coroutine.close()
        late = asyncio.create_task(once(b"key", fill))
        await settled()
        fill.outcome.set_result("token")
        return await late, fill.begun

    assert run(story()) == ("token", 1)


# -- among threads ----------------------------------------------------------------------------------------------------

THREADS = 8


class SlowFill:
    """A fill that holds its thread until it is released."""

    def __init__(self, outcome):
        self.outcome = outcome
        self.begun = Semaphore(0)
        self.count = 0
        self.release = Event()

    async def __call__(self):
        self.count += 1
        self.begun.release()
        self.release.wait()
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def crowd(fill):
    """What eight threads get that ask for one key while the first of them fills."""
    once = blocking.SingleFlight()
    with ThreadPoolExecutor(THREADS) as threads:
        asked = [threads.submit(finish, once(b"key", fill))]
        fill.begun.acquire()
        asked += [threads.submit(finish, once(b"key", fill)) for _ in range(THREADS - 1)]
        while len(once._flights[b"key"].landed._cond._waiters) < THREADS - 1:
            fill.release.wait(0.001)
        fill.release.set()
        first, *others = [future.exception() or future.result() for future in asked]
    assert once._flights == {}
    return first, others


def test_threads_share_one_fill():
    fill = SlowFill("token")

    assert crowd(fill) == ("token", ["token"] * (THREADS - 1))
    assert fill.count == 1


def test_threads_share_a_refusal_but_not_the_exception():
    fill = SlowFill(Unavailable("down", retry_after=7))

    first, others = crowd(fill)

    assert first is fill.outcome
    assert len({id(no) for no in [first, *others]}) == THREADS
    assert {(type(no), no.detail, no.retry_after) for no in others} == {(Unavailable, "down", 7)}


def test_a_bug_in_one_thread_is_our_own_fault_in_the_others():
    first, others = crowd(SlowFill(KeyError("secret")))

    assert isinstance(first, KeyError)
    assert {(no.reason, no.detail) for no in others} == {(Reason.SERVER_ERROR, "KeyError")}


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_the_end_of_one_thread_is_unavailable_in_the_others(end):
    first, others = crowd(SlowFill(end()))

    assert isinstance(first, end)
    assert {type(no) for no in others} == {Unavailable}


def test_a_thread_does_not_wait_for_ever():
    once, fill = blocking.SingleFlight(patience=0.01), SlowFill("token")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(finish, once(b"key", fill))
        fill.begun.acquire()
        with pytest.raises(Unavailable, match=r"waited 0\.01 s"):
            finish(once(b"key", fill))
        fill.release.set()

        assert first.result() == "token"


def test_a_part_that_needs_a_loop_is_told_so_and_leaves_nothing_behind():
    once = blocking.SingleFlight()

    async def waits():
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="needs an event loop"):
        finish(once(b"key", waits))
    assert once._flights == {}


def test_what_was_filled_in_a_thread_is_not_remembered():
    once, fill = blocking.SingleFlight(), SlowFill("token")
    fill.release.set()

    assert [finish(once(b"key", fill)) for _ in range(3)] == ["token"] * 3
    assert fill.count == 3
