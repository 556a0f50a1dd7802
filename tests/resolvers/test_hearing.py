"""A process that nobody tells of purges looks for them itself, before it believes what it remembers."""

from __future__ import annotations

import threading

import pytest

from phantomgate.backends.blocking import SingleFlight, finish
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Token
from phantomgate.core.purge import Purge, mark_of, write_note
from phantomgate.resolvers.hearing import LOOK_EVERY, Hearing, Knowing
from phantomgate.resolvers.marks import Marks
from phantomgate.testing import each_by_itself
from tokens import NOW

ROUTE = Route("policy")
SECRET = b"s" * 32


class Shelf:
    """Notes that machines share, while it is there; it gives two at a time."""

    def __init__(self):
        self.notes, self.there, self.looks = [], True, 0

    def write(self, marks, at=NOW, secret=SECRET):
        self.notes.append((f"{int(at * 1000)}-{len(self.notes)}", write_note(marks, secret)))

    async def news(self, since):
        self.looks += 1
        return [one for one in self.notes if self.order(one[0]) > self.order(since)][:2] if self.there else None

    @staticmethod
    def order(name):
        return tuple(map(int, name.split("-")))


class Remembered:
    """Believes what it remembers unless a mark is about it."""

    def __init__(self, marks):
        self.marks = marks

    async def resolve(self, credential, route):
        token = Token("", {"sub": credential.value}, frozenset(), NOW + 600, 300.0, "main")
        self.marks.check(token)
        return token


class Process:
    def __init__(self, clock, shelf, once=each_by_itself, around=lambda inner, _: inner):
        self.marks, self.forged = Marks(ticks=clock.ticks, secret=SECRET), []
        self.hearing = Hearing(
            around(Remembered(self.marks), self.marks), self.marks, shelf, SECRET, seconds=600.0, once=once,
            now=clock.now, ticks=clock.ticks, forged=lambda: self.forged.append(1),
        )  # fmt: skip

    async def __call__(self, sub="alice"):
        try:
            await self.hearing.resolve(Credential(sub), ROUTE)
        except Refused as no:
            return "refused" if no.reason is Reason.INACTIVE else no.reason
        return "let in"


@pytest.fixture
def shelf():
    return Shelf()


def over(sub="alice", seconds=600.0):
    return [mark_of(Purge("sub", sub, "main", float(NOW)), SECRET, seconds)]


def test_what_another_has_purged_is_refused_within_a_second(drive, clock, shelf):
    process = Process(clock, shelf)
    assert "let in" == drive(process())
    shelf.write(over())
    clock.advance(LOOK_EVERY)
    assert ("refused", "let in") == (drive(process()), drive(process("bob")))
    assert LOOK_EVERY < 1.0


def test_a_process_that_starts_or_was_asleep_looks_before_it_decides(drive, clock, shelf):
    for sub in ("one", "two", "three", "alice", "five"):
        shelf.write(over(sub))
    process = Process(clock, shelf)
    assert "refused" == drive(process())
    shelf.write(over("bob"))
    clock.advance(300.0)
    assert "refused" == drive(process("bob"))


def test_the_store_is_looked_into_twice_a_second_however_many_ask(drive, clock, shelf):
    process = Process(clock, shelf)
    for _ in range(20):
        drive(process())
    assert 1 == shelf.looks


def test_a_store_that_is_away_refuses_nobody_and_is_heard_when_it_is_back(drive, clock, shelf):
    process = Process(clock, shelf)
    shelf.there = False
    shelf.write(over())
    assert "let in" == drive(process())
    shelf.there = True
    clock.advance(LOOK_EVERY)
    assert "refused" == drive(process())


def test_where_nobody_may_be_let_in_before_it_is_known_what_was_purged_nobody_is(drive, clock, shelf):
    shelf.there = False
    shelf.write(over())
    process = Process(clock, shelf, around=Knowing)
    assert Reason.PURGES_UNHEARD == drive(process("bob"))
    assert 503 == Reason.PURGES_UNHEARD.status
    shelf.there = True
    clock.advance(LOOK_EVERY)
    assert ("refused", "let in") == (drive(process()), drive(process("bob")))


def test_nor_is_anybody_who_cant_look(drive, clock, shelf):
    async def full(key, fill):
        raise Unavailable("no room")

    assert Reason.PURGES_UNHEARD == drive(Process(clock, shelf, once=full, around=Knowing)())


def test_half_of_the_news_is_not_all(drive, clock):
    class Leaving(Shelf):
        async def news(self, since):
            self.there = self.looks == 0
            return await super().news(since)

    shelf = Leaving()
    for sub in ("one", "two", "alice"):
        shelf.write(over(sub))
    assert Reason.PURGES_UNHEARD == drive(Process(clock, shelf, around=Knowing)("bob"))
    assert 2 == shelf.looks


def test_a_store_that_goes_away_later_refuses_nobody(drive, clock, shelf):
    process = Process(clock, shelf, around=Knowing)
    assert "let in" == drive(process())
    shelf.there = False
    clock.advance(3600.0)
    assert "let in" == drive(process())


def test_whoever_cant_look_goes_on(drive, clock, shelf):
    async def full(key, fill):
        raise Unavailable("no room")

    assert "let in" == drive(Process(clock, shelf, once=full)())


def test_what_none_of_us_wrote_is_not_believed_and_counted(drive, clock, shelf):
    shelf.write(over(), secret=b"another")
    shelf.notes.append((f"{NOW * 1000}-7", b""))
    shelf.notes.append((f"{NOW * 1000}-8", b"x" * 40))
    process = Process(clock, shelf)
    assert ("let in", 3) == (drive(process()), len(process.forged))


def test_what_is_long_over_is_not_read(drive, clock, shelf):
    shelf.write(over(), at=NOW - 700)
    process = Process(clock, shelf)
    assert "let in" == drive(process())
    assert not process.marks.live


def test_a_mark_lasts_as_long_as_what_this_process_remembers(drive, clock, shelf):
    """Whoever purged may remember for a shorter time by his own settings."""
    shelf.write(over(seconds=10.0), at=NOW - 300)
    process = Process(clock, shelf)
    assert "refused" == drive(process())
    clock.advance(599.0)
    assert "refused" == drive(process())


def test_a_store_that_never_comes_to_an_end_keeps_nobody_waiting_for_ever(drive, clock):
    class Endless(Shelf):
        async def news(self, since):
            self.looks += 1
            if self.looks > 10_000:
                raise RecursionError("asked without end")
            return [(f"{NOW * 1000}-1", b"")]

    shelf = Endless()
    assert "let in" == drive(Process(clock, shelf)())
    assert shelf.looks <= 1000


def test_threads_that_come_together_look_together(clock, shelf):
    process = Process(clock, shelf, once=SingleFlight(patience=5.0))
    shelf.write(over())
    found = []
    threads = [threading.Thread(target=lambda: found.append(finish(process()))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert ["refused"] * 8 == found


def test_a_mark_that_comes_while_a_token_is_cleared_is_not_forgotten(clock):
    """Two threads: one finds no mark about a token; before it says so, the other puts one."""
    marks = Marks(ticks=clock.ticks, secret=SECRET)
    token = Token("", {"sub": "alice"}, frozenset(), NOW + 600, 300.0, "main")
    marks.put(over("bob")[0])

    def meanwhile(token):
        marks.put(over()[0])
        return False

    marks.denies = meanwhile
    assert marks.clears(token)  # it was before
    del marks.denies
    assert not marks.clears(token)


@pytest.mark.parametrize("name", ["9" * 400 + "-0", "9" * 5000 + "-0", "-1", "", "now-1", "\u0663-0"])
def test_a_name_that_no_store_gives_is_no_reason_to_refuse(drive, clock, shelf, name):
    asked = []

    async def news(since):
        asked.append(since)
        return [(name, write_note(over(), SECRET))] if len(asked) == 1 else None

    shelf.news = news
    process = Process(clock, shelf)

    assert "let in" == drive(process("bob"))
