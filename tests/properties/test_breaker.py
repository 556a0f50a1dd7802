"""The breaker as a state machine: calls start, end in every way and in any order, and time passes.

At every step: while it rests nothing goes through; of those that try the server there is one at a time; it never rests
longer than it may; and it never opens without the failures that its rule names.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from phantomgate.core.errors import Unavailable
from phantomgate.resolvers.breaker import LEAST_CALLS, LONGEST_REST, UNANSWERED, WINDOW, Breaker, State
from phantomgate.testing import FakeClock


class Breaking(RuleBasedStateMachine):
    """A model that remembers every outcome beside a breaker that only counts."""

    @initialize(jitter=st.sampled_from([0.0, 0.5, 1.0]))
    def start(self, jitter: float) -> None:
        self.clock = FakeClock(monotonic=1000.0)
        self.breaker = Breaker(ticks=self.clock.ticks, jitter=lambda: jitter)
        self.breaker.changed = self.changed
        self.under_way: list[tuple[int, int]] = []  # (what was admitted, in which stretch between changes)
        self.stretch = 0
        self.ended: list[tuple[int, str]] = []  # (second, how), of this stretch
        self.opened_at = 0.0
        self.turns: list[State] = []

    def changed(self, old: State, new: State) -> None:
        self.stretch += 1
        self.turns.append(new)
        if new is State.OPEN:
            self.opened_at = self.clock.monotonic
        if old is State.CLOSED:
            assert self.may_open(), self.ended
        self.ended = []

    def may_open(self) -> bool:
        now = int(self.clock.monotonic)
        lately = [how for second, how in self.ended if second > now - WINDOW]
        failed = sum(how != "good" for how in lately)
        row = [how for _, how in self.ended][-UNANSWERED:]
        return row == ["silent"] * UNANSWERED or (len(lately) >= LEAST_CALLS and 2 * failed >= len(lately))

    @rule()
    def ask(self) -> None:
        before = self.breaker.state
        refused, admitted = None, 0
        try:
            admitted = self.breaker.admit()
        except Unavailable as no:
            refused = no
        if refused is None:
            assert before is not State.HALF_OPEN
            self.under_way.append((admitted, self.stretch))
            return
        assert before is not State.CLOSED
        assert 1 <= (refused.retry_after or 0) <= LONGEST_REST
        if before is State.OPEN:
            assert self.clock.monotonic < self.opened_at + LONGEST_REST

    @precondition(lambda self: self.under_way)
    @rule(place=st.integers(0, 1000), how=st.sampled_from(["good", "bad", "silent", "gone"]))
    def end(self, place: int, how: str) -> None:
        admitted, stretch = self.under_way.pop(place % len(self.under_way))
        before, stretch_now = self.breaker.state, self.stretch
        if how != "gone" and stretch == stretch_now:
            self.ended.append((int(self.clock.monotonic), how))
        if how == "good":
            self.breaker.succeeded(admitted)
        elif how == "gone":
            self.breaker.abandoned(admitted)
        else:
            self.breaker.failed(admitted, how, answered=how == "bad")
        if stretch != stretch_now:
            assert before is self.breaker.state  # of another time
        elif before is State.HALF_OPEN:
            assert (State.CLOSED if how == "good" else State.OPEN) is self.breaker.state

    @rule(times=st.integers(1, 25), how=st.sampled_from(["good", "bad", "silent"]))
    def many(self, times: int, how: str) -> None:
        for _ in range(times):
            before = len(self.under_way)
            self.ask()
            if len(self.under_way) > before:
                self.end(before, how)

    @rule(seconds=st.sampled_from([0.1, 0.5, 0.999, 1.0, 4.0, 9.9, 10.0, 30.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def one_tries_at_a_time(self) -> None:
        if self.breaker.state is State.HALF_OPEN:
            assert 1 == sum(stretch == self.stretch for _, stretch in self.under_way)

    @invariant()
    def what_must_open_it_has(self) -> None:
        if self.breaker.state is State.CLOSED and self.ended and self.ended[-1][1] != "good":
            assert not self.may_open() or int(self.clock.monotonic) != self.ended[-1][0]


TestBreaking = Breaking.TestCase
TestBreaking.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
