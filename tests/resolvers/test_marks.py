"""What was purged is not believed, nothing else is touched, and a new login gets in."""

from __future__ import annotations

import pytest

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Source, Token
from phantomgate.core.purge import ASKED_AGAIN, Purge, digest_of, mark_of, read_mark, write_mark
from phantomgate.resolvers.cached import ATTEMPTS, Cached
from phantomgate.resolvers.marks import CLEARED, MOST_SECRETS, Marks, still_good
from phantomgate.testing import DictCache, FakeClock, each_by_itself

ROUTE = Route("policy")
NOW = FakeClock().wall
CLAIMS = {"sub": "alice", "sid": "s1", "client_id": "app", "iat": NOW - 100}
NAMES = {"token": "opaque", "sub": "alice", "sid": "s1", "client_id": "app", "issuer": "main"}


class Server:
    """Says that every token is active, and does something in between."""

    def __init__(self, clock):
        self.clock, self.claims, self.asked, self.meanwhile = clock, dict(CLAIMS), 0, lambda: None
        self.source = Source.NETWORK

    async def resolve(self, credential, route):
        self.asked += 1
        claims = dict(self.claims)
        self.meanwhile()
        return Token("", claims, frozenset(), self.clock.now() + 600, self.clock.ticks() + 300, "main", self.source)


class Gate:
    def __init__(self, clock):
        self.clock, self.server, self.marks = clock, Server(clock), Marks(ticks=clock.ticks)
        self.cache = DictCache(clock.ticks)
        self.credential = Credential("opaque")
        self.restart()

    def restart(self):
        self.cached = Cached(
            self.server, self.cache, each_by_itself, secret=b"s", context=("as",), now=self.clock.now,
            ticks=self.clock.ticks, issuer="main", marks=self.marks,
        )  # fmt: skip

    async def __call__(self, token=None):
        return await self.cached.resolve(Credential(token) if token else self.credential, ROUTE)

    def purge(self, kind, value=None, issuer="main", at=None, seconds=300.0):
        issuer = "" if kind == "token" else issuer
        purge = Purge(kind, NAMES[kind] if value is None else value, issuer, self.clock.now() if at is None else at)
        self.marks.put(mark_of(purge, b"", seconds))


@pytest.fixture
def gate(clock):
    return Gate(clock)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("hot", [True, False])
def test_what_is_known_of_a_purged_token_is_not_believed(drive, gate, kind, hot):
    drive(gate())
    if not hot:
        gate.restart()
    gate.purge(kind)
    with pytest.raises(Refused) as refused:
        drive(gate())
    assert Reason.INACTIVE is refused.value.reason


@pytest.mark.parametrize("kind", ["sub", "client_id", "issuer"])
@pytest.mark.parametrize("claims", [{"iat": NOW + 1}, {"iat": NOW - 4}, {}, {"iat": "then"}])
def test_what_may_be_a_new_login_is_asked_about_again_and_then_remembered(drive, gate, kind, claims):
    gate.server.claims = {name: value for name, value in CLAIMS.items() if name != "iat"} | claims
    drive(gate())
    gate.purge(kind)
    assert [Source.NETWORK, Source.MEMORY, Source.MEMORY] == [drive(gate()).source for _ in range(3)]
    gate.restart()
    assert Source.MEMORY is drive(gate()).source
    assert 2 == gate.server.asked


@pytest.mark.parametrize("kind", ["sub", "client_id", "issuer"])
@pytest.mark.parametrize("iat", [None, "then", True, NOW - 100])
@pytest.mark.parametrize("known", [True, False])
def test_a_signature_that_is_old_or_has_no_date_says_nothing_of_after_the_purge(drive, gate, kind, iat, known):
    gate.server.source = Source.SIGNATURE  # verified here: nobody is asked, so nobody can know better
    gate.server.claims = {name: value for name, value in CLAIMS.items() if name != "iat"}
    gate.server.claims |= {} if iat is None else {"iat": iat}
    if known:
        drive(gate())
    gate.purge(kind)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            drive(gate())
        assert Reason.INACTIVE is refused.value.reason


@pytest.mark.parametrize("iat", [NOW + 1, NOW - 4.5])
def test_a_signature_of_about_the_purge_or_after_it_is_a_new_login_s(drive, gate, iat):
    gate.server.source, gate.server.claims["iat"] = Source.SIGNATURE, iat
    gate.purge("sub")
    drive(gate())
    assert Source.MEMORY is drive(gate()).source


def test_what_another_machine_was_told_may_be_from_before_the_purge(drive, gate):
    gate.server.source, gate.server.claims["iat"] = Source.REDIS, NOW + 1
    gate.purge("sub")
    with pytest.raises(Unavailable):
        drive(gate())
    assert ATTEMPTS == gate.server.asked


@pytest.mark.parametrize("kind", ["token", "sid"])
def test_a_token_or_session_stays_out_while_the_mark_lasts(drive, gate, kind):
    gate.server.claims["iat"] = NOW + 1000
    gate.purge(kind)
    for _ in range(3):
        with pytest.raises(Refused):
            drive(gate())
    gate.clock.advance(300)
    assert Source.NETWORK is drive(gate("opaque")).source or gate.server.asked
    assert not gate.marks.live


@pytest.mark.parametrize(
    ("kind", "value", "issuer"),
    [
        ("token", "opaqu", ""),
        ("sub", "alic", "main"),
        ("sub", "alice", "other"),
        ("sid", "alice", "main"),
        ("client_id", "s1", "main"),
        ("issuer", "other", "other"),
    ],
)
def test_nobody_else_is_touched(drive, gate, kind, value, issuer):
    drive(gate())
    gate.purge(kind, value, issuer)
    assert Source.MEMORY is drive(gate()).source
    assert 1 == gate.server.asked


def test_a_client_that_is_named_by_azp_is_a_client(drive, gate):
    gate.server.claims = {"azp": "app", "iat": NOW - 100}
    gate.purge("client_id")
    with pytest.raises(Refused):
        drive(gate())


@pytest.mark.parametrize("name", ["sub", "sid", "client_id"])
@pytest.mark.parametrize("value", [None, 7, ["alice"], {}, ""])
def test_claims_that_name_nobody_are_no_trouble(drive, gate, name, value):
    gate.server.claims[name] = value
    gate.purge("sub", "bob")
    gate.purge("sid", "s2")
    gate.purge("client_id", "other")
    assert drive(gate()).claims[name] == value


def test_an_answer_that_was_on_its_way_doesn_t_bring_it_back(drive, gate):
    gate.server.claims["iat"] = NOW + 1000
    gate.server.meanwhile = lambda: gate.server.asked == 1 and gate.purge("sub")
    drive(gate())
    assert 2 == gate.server.asked


def test_who_is_purged_again_and_again_while_he_asks_is_told_to_come_back(drive, gate):
    gate.server.claims["iat"] = NOW + 1000
    gate.server.meanwhile = lambda: gate.purge("sub")
    with pytest.raises(Refused) as refused:
        drive(gate())
    assert (503, ATTEMPTS) == (refused.value.reason.status, gate.server.asked)


def test_a_mark_ends_and_with_it_what_was_known_before(drive, gate):
    gate.server.claims["iat"] = NOW + 1000
    drive(gate())
    gate.purge("sub")
    gate.clock.advance(300)
    drive(gate())
    assert not gate.marks.live
    assert 2 == gate.server.asked


def test_hearing_it_twice_makes_it_longer_and_never_shorter(drive, gate):
    gate.purge("token", seconds=100)
    gate.purge("token", seconds=10, at=1.0)
    gate.clock.advance(99)
    with pytest.raises(Refused):
        drive(gate())
    gate.clock.advance(1)
    drive(gate())


def test_too_many_marks_become_one_that_has_everything_asked_again(drive, clock, gate):
    gate.marks = Marks(ticks=clock.ticks, most=3)
    gate.restart()
    gate.server.claims["iat"] = NOW + 1000
    drive(gate())
    for number in range(4):
        gate.purge("sub", f"somebody {number}")
    assert Source.NETWORK is drive(gate()).source
    assert Source.MEMORY is drive(gate()).source
    clock.advance(300)
    gate.purge("sub", "somebody")
    assert Source.NETWORK is drive(gate()).source  # the memory's own time is up
    for number in range(9):
        clock.advance(300)
        gate.purge("sub", f"another {number}")
    assert 1 == sum(map(len, gate.marks._kinds.values())) + len(gate.marks._cleared) or gate.marks.live


@pytest.mark.parametrize("kind", ["token", "sid"])
def test_a_mark_is_over_in_its_own_time_whatever_others_last(drive, clock, gate, kind):
    gate.purge(kind, seconds=100)
    gate.purge("sub", "somebody", seconds=300)
    with pytest.raises(Refused):
        drive(gate())
    clock.advance(100)
    assert gate.marks.live
    drive(gate())


def test_marks_are_bounded(clock, gate):
    gate.marks = Marks(ticks=clock.ticks, most=3)
    for number in range(10):
        gate.purge("sub", f"somebody {number}")
    assert 3 >= sum(map(len, gate.marks._kinds.values()))


def test_what_the_one_mark_says_of_everything_is_over_in_its_time(drive, clock, gate):
    gate.marks = Marks(ticks=clock.ticks, most=3)
    gate.restart()
    for number in range(4):
        gate.purge("sub", f"somebody {number}")
    token = Token("", CLAIMS, frozenset(), NOW + 6000, 3000.0, "main")
    assert not gate.marks.clears(token)
    clock.advance(299)
    gate.purge("sub", "somebody else")
    assert not gate.marks.clears(token)
    clock.advance(1)
    assert gate.marks.live
    assert gate.marks.clears(token)


def test_marks_that_are_over_make_room_before_any_is_given_up(clock, gate):
    gate.marks = Marks(ticks=clock.ticks, most=3)
    for number in range(2):
        gate.purge("sub", f"somebody {number}")
    clock.advance(200)
    gate.purge("sub", "somebody who stays")
    clock.advance(100)
    gate.purge("sub", "alice")
    assert gate.marks.clears(Token("", {"sub": "ann"}, frozenset(), NOW + 6000, 3000.0, "main"))
    for sub in ("alice", "somebody who stays"):
        assert not gate.marks.clears(Token("", {"sub": sub}, frozenset(), NOW + 6000, 3000.0, "main"))


def test_the_tokens_that_no_mark_is_about_are_remembered_in_bounds(clock, gate):
    gate.purge("sub", "somebody")
    for _ in range(CLEARED + 10):
        assert gate.marks.clears(Token("", {}, frozenset(), NOW + 600, 300.0, "main"))
    assert 0 < len(gate.marks._cleared) <= CLEARED


def test_what_waits_to_be_forwarded_is_looked_at_once_more(drive, gate):
    token = drive(gate())

    async def exchange(route, token):
        gate.purge("token")
        return "a change"

    with pytest.raises(Refused):
        drive(still_good(gate.marks, exchange)(ROUTE, token))

    async def nothing(route, token):
        return "a change"

    assert "a change" == drive(still_good(Marks(ticks=gate.clock.ticks), nothing)(ROUTE, token))


def test_a_mark_holds_no_name_and_is_read_as_it_was_written():
    mark = mark_of(Purge("sub", "canary", "main", 5.0), b"secret", 9.0)
    assert "canary" not in repr(mark) + repr(Purge("sub", "canary", "main", 5.0))
    assert mark == read_mark(write_mark(mark))
    for wrong in (None, [], ["sub"], ["x", "00", 1, 1], ["sub", "zz", 1, 1], ["sub", "00", "1", 1], ["sub", 7, 1, 1],
                  ["sub", "00", 1, -1], ["sub", "00", 1, float("nan")], [["sub"], "00", 1, 1]):  # fmt: skip
        with pytest.raises(ValueError, match="not a mark"):
            read_mark(wrong)


def test_no_two_names_are_one():
    names = [("sub", "a", "bc"), ("sub", "ab", "c"), ("sid", "a", "bc"), ("sub", "", "abc")]
    assert 5 == len({digest_of(b"k", *name) for name in names} | {digest_of(b"l", *names[0])})


def test_a_person_whose_tokens_dont_say_of_which_session_loses_those_and_no_others(drive, gate):
    drive(gate())
    gate.purge("nameless", "alice")
    drive(gate())
    assert 1 == gate.server.asked  # it says of which session, which may be another

    del gate.server.claims["sid"]
    with pytest.raises(Refused) as refused:
        drive(gate("another"))
    assert Reason.INACTIVE is refused.value.reason  # it was issued before
    gate.server.claims["iat"] = gate.clock.now()
    assert "alice" == drive(gate("newer")).claims["sub"]


def test_a_purge_that_has_all_asked_again_refuses_nothing_that_the_server_says_is_active(drive, gate):
    drive(gate())
    gate.purge("sub", at=ASKED_AGAIN)
    drive(gate())
    assert 2 == gate.server.asked


def test_a_mark_by_a_secret_that_others_use_still_or_already_is_believed(clock):
    for known, denied in (((), False), ((b"old", b"other"), True)):
        marks = Marks(ticks=clock.ticks, secret=b"new", others=known)
        marks.put(mark_of(Purge("token", "opaque", "", NOW), b"old", 600.0))
        token = Token("", CLAIMS, frozenset(), NOW + 600, 300.0, "main", presented="opaque")
        assert (denied, b"new") == (marks.denies(token), marks.secret)


def test_a_mark_by_a_secret_that_is_known_only_now_is_about_tokens_that_were_let_in_before(clock):
    marks = Marks(ticks=clock.ticks, secret=b"new")
    marks.put(mark_of(Purge("token", "opaque", "", NOW), b"old", 600.0))
    token = Token("", CLAIMS, frozenset(), NOW + 600, 300.0, "main", presented="opaque")
    assert marks.clears(token)
    marks.know(b"old")
    assert not marks.clears(token)


def test_the_digests_of_the_last_so_many_secrets_are_read_and_the_last_makes_new_ones(clock):
    marks = Marks(ticks=clock.ticks, secret=b"0")
    for number in range(1, MOST_SECRETS + 1):
        marks.know(b"%d" % number)
    marks.know(b"2")
    assert (b"2", (b"1", b"3", b"4", b"5", b"6", b"7", b"8")) == (marks.secret, marks.others)
