"""One machine asks for all of them, nothing that is shared is believed for longer, and a broken store is a miss."""

from __future__ import annotations

import asyncio

import pytest

from issuing import jwk
from phantomgate.backends.blocking import finish
from phantomgate.backends.sealed import AHEAD, Sealed
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Route, Source, Token
from phantomgate.core.purge import Purge, mark_of
from phantomgate.oauth.jwks import KeySet, read_key_set
from phantomgate.resolvers.held import Fixed
from phantomgate.resolvers.shared import Shared, SharedCounts
from phantomgate.testing import FakeClock, FakeStore

ROUTE = Route("policy")
NOW = FakeClock().wall
SECRET = b"s" * 32


class Server:
    """Says of every token what it was told to, and counts who asks."""

    def __init__(self, clock, **changes):
        self.clock, self.asked, self.changes = clock, [], changes
        self.refusal = None

    async def resolve(self, credential, route):
        self.asked.append(credential.value)
        if self.refusal is not None:
            raise self.refusal
        facts = {"sub": f"of {credential.value}"}
        fresh = self.clock.ticks() + 300
        token = {"expires_at": self.clock.now() + 600, "fresh_until": fresh, "source": Source.NETWORK} | self.changes
        return Token("", facts, frozenset(), **token)


class Machine:
    """One phantomgate, with clocks of its own, at a store that it shares."""

    def __init__(self, store, server, clock, *, keys=(), secret=SECRET, context=("as",), prepared=None):
        self.clock, self.server = clock, server
        self.counts = SharedCounts()
        self.paused = []
        self.while_paused = lambda: None
        number = iter(range(10**6))
        self.sealed = Sealed(
            store,
            secret,
            now=clock.now,
            random=lambda size: next(number).to_bytes(size, "big"),
            forged=self.forged,
        )
        self.resolver = Shared(
            server,
            self.sealed,
            context=context,
            keys=keys,
            patience=1.0,
            pause=self.pause,
            now=clock.now,
            ticks=clock.ticks,
            name="main",
            counts=self.counts,
        )

    def forged(self):
        self.counts.forged += 1

    async def pause(self, seconds):
        self.paused.append(seconds)
        self.clock.advance(seconds)
        self.while_paused()

    async def __call__(self, token="opaque"):
        return await self.resolver.resolve(Credential(token), ROUTE)


@pytest.fixture
def store(clock):
    return FakeStore(clock.ticks)


@pytest.fixture
def two(clock, store):
    server = Server(clock)
    return Machine(store, server, clock), Machine(store, server, FakeClock(clock.wall, 77_000.0)), server


def test_what_one_machine_was_told_the_other_needn_t_ask(drive, two, clock):
    one, other, server = two

    first, second = drive(one()), drive(other())

    assert ["opaque"] == server.asked
    assert (Source.NETWORK, Source.REDIS) == (first.source, second.source)
    assert (first.claims, first.expires_at) == (second.claims, second.expires_at)
    assert 300.0 == second.fresh_until - other.clock.ticks()
    assert "main" == second.issuer
    assert {"hit": 1, "miss": 0, "fault": 0, "skipped": 0, "forged": 0} == other.counts.results()


def test_time_goes_on_while_it_is_shared(drive, two, clock):
    one, other, _server = two
    drive(one())
    clock.advance(120)
    other.clock.advance(120)
    assert 180.0 == drive(other()).fresh_until - other.clock.ticks()
    clock.advance(180)
    other.clock.advance(180)
    assert Source.NETWORK is drive(other()).source


@pytest.mark.parametrize("skew", [-3600.0, -AHEAD - 1, -AHEAD, -1.0, 0.0, 1.0, 100.0, 299.0, 300.0, 3600.0])
def test_a_clock_that_is_wrong_never_makes_it_longer(drive, store, clock, skew):
    server = Server(clock)
    one, other = Machine(store, server, clock), Machine(store, server, FakeClock(clock.wall + skew, 5.0))
    drive(one())
    clock.advance(100)  # by which the store counts down
    other.clock.advance(100)

    second = drive(other())

    if -AHEAD <= 100 + skew < 300:
        assert Source.REDIS is second.source
        assert 0 < second.fresh_until - other.clock.ticks() <= min(200.0, 200.0 - skew)
    else:
        assert 2 == len(server.asked)


def test_what_says_how_long_it_lasts_isn_t_only_the_store(drive, two, store, clock):
    one, other, server = two
    drive(one())
    for key, (_, value) in store.records.items():
        store.records[key] = (float("inf"), value)  # PERSIST
    assert 300.0 == drive(other()).fresh_until - other.clock.ticks()
    other.clock.advance(301)
    drive(other())
    assert 2 == len(server.asked)


def test_exp_is_the_end_whatever_is_left(drive, store, clock):
    server = Server(clock, expires_at=NOW + 50)
    one, other = Machine(store, server, clock), Machine(store, server, FakeClock(clock.wall, 5.0))
    drive(one())
    other.clock.advance(49)
    assert Source.REDIS is drive(other()).source
    other.clock.wall += 1
    drive(other())
    assert 2 == len(server.asked)


@pytest.mark.parametrize(
    "changes", [{"private": True}, {"fresh_until": 0.0}, {"expires_at": NOW}], ids=["private", "stale", "expired"]
)
def test_what_may_not_be_shared_isn_t(drive, store, clock, changes):
    drive(Machine(store, Server(clock, **changes), clock)())
    assert {} == store.records


def test_a_refusal_is_nobody_else_s(drive, two):
    _one, other, server = two
    server.refusal = Refused(Reason.INACTIVE, "no")
    for machine in two[:2]:
        with pytest.raises(Refused):
            drive(machine())
    server.refusal = None
    assert Source.NETWORK is drive(other()).source
    assert [] == other.paused


@pytest.mark.parametrize("changed", [{"secret": b"t" * 32}, {"context": ("another",)}, {"context": ("a", "s")}])
def test_another_secret_or_question_finds_nothing(drive, store, clock, changed):
    server = Server(clock)
    drive(Machine(store, server, clock)())
    drive(Machine(store, server, clock, **changed)())
    assert 2 == len(server.asked)


def test_a_dump_holds_neither_tokens_nor_facts(drive, two, store):
    drive(two[0]("opaque-canary"))
    dump = repr(store.records).encode() + b"".join(value for _, value in store.records.values())
    assert 1 == len(store.records)
    assert b"opaque-canary" not in dump
    assert b"sub" not in dump


def test_every_bit_of_a_value_counts(drive, two, store):
    one, other, server = two
    drive(one())
    ((key, (until, value)),) = store.records.items()
    for at in range(len(value)):
        store.records[key] = (until, value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :])
        before = len(server.asked)
        assert Source.NETWORK is drive(other()).source
        assert before + 1 == len(server.asked)
    assert len(value) - 1 == other.counts.forged  # all but the version, which may be another release's


def test_a_value_under_another_name_is_not_found(drive, two, store):
    one, other, server = two
    drive(one("a"))
    drive(one("b"))
    (a, b) = store.records
    store.records[a], store.records[b] = store.records[b], store.records[a]
    assert "of a" == drive(other("a")).claims["sub"]
    assert 3 == len(server.asked)


def key_set(*names) -> KeySet:
    return read_key_set(__import__("json").dumps({"keys": [jwk(name) for name in names]}).encode(), ("ES256",))


@pytest.mark.parametrize(
    ("mine", "theirs", "found"),
    [
        (("k1",), ("k1",), True),
        (("k1", "k2"), ("k1",), True),
        (("k2",), ("k1",), False),
        (("k1",), ("k1", "k2"), False),
        ((), ("k1",), False),
    ],
)
def test_what_a_key_proved_goes_with_the_key(drive, store, clock, mine, theirs, found):
    server = Server(clock)
    drive(Machine(store, server, clock, keys=[Fixed(key_set(*theirs))])())

    drive(Machine(store, server, clock, keys=[Fixed(key_set(*mine))])())

    assert found == (1 == len(server.asked))


class Replaced:
    """Keys that are others while the server is asked."""

    def __init__(self, *sets):
        self.sets = list(sets)

    async def get(self):
        return Fixed(self.sets.pop(0) if len(self.sets) > 1 else self.sets[0])._kept


def test_a_key_that_is_taken_back_while_we_ask_counts_too(drive, store, clock):
    server = Server(clock)
    k1, k2 = key_set("k1"), key_set("k2")
    drive(Machine(store, server, clock, keys=[Replaced(k1, k2)])())
    drive(Machine(store, server, clock, keys=[Fixed(k2)])())
    assert 2 == len(server.asked)


class Gone:
    async def get(self):
        raise Refused(Reason.BAD_ANSWER, "no keys")


def test_without_the_keys_nothing_is_found_and_nothing_is_shared(drive, store, clock):
    server = Server(clock)
    drive(Machine(store, server, clock, keys=[Gone()])())
    assert {} == store.records
    drive(Machine(store, server, clock)())
    drive(Machine(store, server, clock, keys=[Gone()])())
    assert 3 == len(server.asked)


def test_who_comes_second_waits_for_who_asks_already(drive, two, store, clock):
    one, other, server = two
    drive(one.sealed.claim(one.resolver._context + b"\0" * 7 + b"\6opaque", 5.0))
    other.while_paused = lambda: finish(
        one.resolver._keep(question(one), finish(server.resolve(Credential("opaque"), ROUTE)), set())
    )

    assert Source.REDIS is drive(other()).source
    assert ["opaque"] == server.asked
    assert 1 == len(other.paused)


def question(machine, token=b"opaque"):
    return machine.resolver._context + len(token).to_bytes(8, "big") + token


def test_who_waited_in_vain_asks_himself(drive, two):
    one, other, server = two
    drive(one.sealed.claim(question(one), 500.0))
    assert Source.NETWORK is drive(other()).source
    assert 1.0 <= sum(other.paused) < 1.2
    assert ["opaque"] == server.asked


def test_who_asked_and_failed_leaves_the_question_to_the_next(drive, two):
    one, other, _server = two
    drive(one.sealed.claim(question(one), 500.0))
    other.while_paused = lambda: finish(one.sealed.release(question(one)))
    assert Source.NETWORK is drive(other()).source
    assert 1 == len(other.paused)


def test_of_many_machines_one_asks(clock, store):
    class Slow(Server):
        async def resolve(self, credential, route):
            token = await super().resolve(credential, route)
            await asyncio.sleep(0.02)
            return token

    async def all_at_once():
        server = Slow(clock)
        machines = [Machine(store, server, FakeClock(clock.wall, 5.0)) for _ in range(20)]
        for machine in machines:
            machine.resolver.pause = lambda seconds: asyncio.sleep(0.005)
        found = await asyncio.gather(*(machine() for machine in machines))
        return server.asked, {token.claims["sub"] for token in found}

    assert (["opaque"], {"of opaque"}) == asyncio.run(all_at_once())


@pytest.mark.parametrize("record", [b"", b"\x05", b"\x00", b"\x00junk", b"\x01" + b"k" * 16])
def test_a_record_that_is_none_of_ours_is_a_miss(drive, two, record):
    one, other, _server = two
    drive(one.sealed.keep(question(one), record, 100.0))
    assert Source.NETWORK is drive(other()).source


def test_while_a_mark_lasts_what_another_was_told_is_not_believed(drive, two, clock):
    one, other, server = two
    drive(one())
    other.resolver.marks.put(mark_of(Purge("sub", "of opaque", "main", clock.now()), b"", 300.0))
    assert Source.NETWORK is drive(other()).source
    assert 2 == len(server.asked)
