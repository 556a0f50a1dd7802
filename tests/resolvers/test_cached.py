"""Facts are remembered, for as long as everybody allows, under a key that names the whole question."""

import pytest

from phantomgate.backends.blocking import finish
from phantomgate.backends.memory import MemoryCache
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Source
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.resolvers.cached import HOT_TOKENS, NEGATIVE_TOKENS, Cached
from phantomgate.resolvers.introspect import Introspect
from phantomgate.resolvers.records import pack, unpack
from phantomgate.testing import DictCache, FakeHttp, each_by_itself, reply
from tokens import NOW, jwt

ROUTE = Route("policy")
CONTEXT = ("https://as.example", "https://as.example/introspect", "gateway", "jwt")


def active(cache_control="", **claims):
    headers = {"cache_control": cache_control} if cache_control else {}
    return reply(200, jwt(claims), content_type="application/jwt", **headers)


class Asking:
    """A cached introspection whose server and clock are ours."""

    def __init__(self, clock, answer, *, cache=None, context=CONTEXT, max_age=300.0, secret=b"s" * 32):
        self.clock = clock
        self.http = FakeHttp(answer)
        self.cache = cache or MemoryCache(max_entries=1000, max_bytes=1 << 20, ticks=clock.ticks)
        inner = Introspect(
            self.http,
            "https://as.example/i",
            client_secret_basic("g", "s"),
            now=clock.now,
            ticks=clock.ticks,
            max_age=max_age,
        )
        self.cached = Cached(
            inner, self.cache, each_by_itself, secret=secret, context=context, now=clock.now, ticks=clock.ticks
        )

    async def __call__(self, token="opaque"):
        return await self.cached.resolve(token if isinstance(token, Credential) else Credential(token), ROUTE)

    @property
    def calls(self):
        return len(self.http.calls)


def test_the_second_time_nobody_is_asked(clock, drive):
    asking = Asking(clock, active())

    first, second = drive(asking()), drive(asking())

    assert (first.source, second.source) == (Source.NETWORK, Source.MEMORY)
    assert (second.jwt, second.claims, second.scopes) == (first.jwt, first.claims, first.scopes)
    assert (second.expires_at, asking.calls) == (first.expires_at, 1)
    assert (asking.cached.counts.hits, asking.cached.counts.misses) == (1, 1)


def test_the_same_credential_object_is_found_without_its_key(clock, drive):
    asking = Asking(clock, active())
    credential = Credential("opaque")
    drive(asking(credential))
    asking.cache._young.clear()

    assert drive(asking(credential)).source is Source.MEMORY
    assert asking.calls == 1


@pytest.mark.parametrize(
    ("answer", "max_age", "kept"),
    [
        (active("max-age=300", exp=NOW + 5), 300.0, 5),
        (active("max-age=60", exp=NOW + 500), 300.0, 60),
        (active(exp=NOW + 500), 300.0, 300),
        (active("max-age=99999999999999999999", exp=NOW + 9999), 300.0, 300),
    ],
)
@pytest.mark.parametrize("same_object", [True, False])
def test_nothing_is_remembered_longer_than_exp_freshness_and_cap(clock, drive, answer, max_age, kept, same_object):
    asking = Asking(clock, answer, max_age=max_age)
    credential = Credential("opaque")
    drive(asking(credential))

    clock.advance(kept - 1)
    token = drive(asking(credential if same_object else "opaque"))
    assert asking.calls == 1
    assert token.lifetime(clock.now(), clock.ticks()) == 1

    clock.advance(1)
    asking.http.answer = reply(204)
    with pytest.raises(Refused) as no:
        drive(asking(credential if same_object else "opaque"))
    assert no.value.reason is Reason.INACTIVE
    assert asking.calls == 2


@pytest.mark.parametrize("answer", [active("no-store"), active("no-cache"), active("max-age=0"), active("max-age=abc")])
def test_what_may_not_be_remembered_is_not(clock, drive, answer):
    asking = Asking(clock, answer)
    credential = Credential("opaque")

    token = drive(asking(credential))
    drive(asking(credential))

    assert asking.calls == 2
    assert len(asking.cache) == 0
    assert token.lifetime(clock.now(), clock.ticks()) == 0


def test_a_cap_of_zero_remembers_nothing(clock, drive):
    asking = Asking(clock, active("max-age=60"), max_age=0.0)
    drive(asking())
    drive(asking())

    assert asking.calls == 2


def test_a_clock_set_back_prolongs_nothing(clock, drive):
    asking = Asking(clock, active("max-age=60", iat=None))
    drive(asking())
    clock.wall -= 3600
    clock.monotonic += 61

    drive(asking())

    assert asking.calls == 2


def test_a_clock_set_forward_ends_what_exp_ends(clock, drive):
    asking = Asking(clock, active("max-age=60", exp=NOW + 100))
    credential = Credential("opaque")
    drive(asking(credential))
    clock.wall += 101

    with pytest.raises(Refused) as no:
        drive(asking(credential))

    assert no.value.reason is Reason.EXPIRED
    assert asking.calls == 2


def test_inactive_is_remembered_for_five_seconds_at_the_most(clock, drive):
    asking = Asking(clock, [reply(204), active()])
    asking.cached.negative_seconds = 5.0
    for _ in range(2):
        with pytest.raises(Refused) as no:
            drive(asking())
        assert no.value.reason is Reason.INACTIVE
    assert asking.calls == 1
    assert asking.cached.counts.negatives == 1

    clock.advance(5)

    assert drive(asking()).claims["sub"] == "ann"


def test_every_inactive_token_is_remembered_as_such(clock, drive):
    asking = Asking(clock, reply(204))
    for token in ("one", "two", "one", "two"):
        with pytest.raises(Refused):
            drive(asking(token))
    assert asking.calls == 2


def test_a_shorter_negative_memory_can_be_had(clock):
    cached = Cached(None, None, None, secret=b"s", context=(), now=clock.now, ticks=clock.ticks, negative_seconds=1.0)

    assert cached.negative_seconds == 1.0


def test_nobody_can_ask_for_a_longer_negative_memory(clock):
    cached = Cached(
        None, None, None, secret=b"s", context=(), now=clock.now, ticks=clock.ticks, negative_seconds=3600.0
    )

    assert cached.negative_seconds == 5.0


@pytest.mark.parametrize(
    "trouble",
    [
        reply(401),
        reply(500),
        reply(200, "x"),
        Unavailable("down"),
        Refused(Reason.BAD_ANSWER),
        active(exp=NOW - 1),
        active(cnf={"jkt": "x"}),
    ],
    ids=lambda trouble: type(trouble).__name__ + str(getattr(trouble, "status", "")),
)
def test_only_what_the_server_called_inactive_is_remembered_as_such(clock, drive, trouble):
    asking = Asking(clock, [trouble, active()])
    with pytest.raises(Refused):
        drive(asking())

    assert drive(asking()).claims["sub"] == "ann"


def test_a_flood_of_random_tokens_pushes_out_no_good_one(clock, drive):
    asking = Asking(clock, lambda call: active() if b"token=good&" in call.body else reply(204))

    async def flood():
        await asking("good")
        for number in range(NEGATIVE_TOKENS + 10):
            with pytest.raises(Refused):
                await asking(f"t{number}")
        before = asking.calls
        await asking("good")
        return asking.calls - before

    assert drive(flood()) == 0
    assert len(asking.cached._negative) <= NEGATIVE_TOKENS


def test_the_hot_set_is_bounded(clock, drive):
    asking = Asking(clock, active())

    async def many():
        for number in range(HOT_TOKENS + 1):
            await asking(f"t{number}")

    drive(many())

    assert len(asking.cached._hot) <= HOT_TOKENS


@pytest.mark.parametrize(
    "context",
    [
        ("https://other.example", *CONTEXT[1:]),
        (CONTEXT[0], "https://as.example/other", *CONTEXT[2:]),
        (*CONTEXT[:2], "other", CONTEXT[3]),
        (*CONTEXT[:3], "json"),
    ],
)
def test_another_question_is_another_entry(clock, drive, context):
    shared = DictCache(clock.ticks)
    one = Asking(clock, active(), cache=shared)
    two = Asking(clock, active(sub="bob"), cache=shared, context=context)
    drive(one())

    assert drive(two()).claims["sub"] == "bob"
    assert len(shared.records) == 2


def test_keys_can_not_collide_by_joining_parts(clock, drive):
    shared = DictCache(clock.ticks)
    for context, token in ((("ab", "c"), "d"), (("a", "bc"), "d"), (("ab",), "cd"), (("ab", "c"), "dd")):
        drive(Asking(clock, active(), cache=shared, context=context)(token))

    assert len(shared.records) == 4


def test_a_store_sees_neither_the_token_nor_a_plain_hash_of_it(clock, drive):
    shared = DictCache(clock.ticks)
    for secret in (b"a" * 32, b"b" * 32):
        drive(Asking(clock, active(), cache=shared, secret=secret)("opaque-token"))

    assert len(shared.records) == 2
    assert all(b"opaque" not in key + record for key, (_, record) in shared.records.items())


@pytest.mark.parametrize(
    "record", [b"", b"\x01", b"\x02" + b"x" * 40, b"\x01" + b"\x00" * 8 + b"a.b.c", b"\x80\x04\x95K."]
)
def test_a_record_we_did_not_write_is_a_miss(clock, drive, record):
    shared = DictCache(clock.ticks)
    asking = Asking(clock, active(), cache=shared)
    drive(asking())
    shared.records = {key: (until, record) for key, (until, _) in shared.records.items()}

    assert drive(asking()).source is Source.NETWORK
    assert asking.calls == 2


def test_a_packed_token_comes_back_whole(clock, drive):
    token = drive(Asking(clock, active(sub="åsa", scope=["a", "b"]))())

    again = unpack(pack(token), fresh_until=7.0, issuer="https://as", source=Source.MEMORY)

    assert (again.jwt, again.claims, again.scopes, again.expires_at) == (
        token.jwt,
        token.claims,
        token.scopes,
        token.expires_at,
    )
    assert (again.fresh_until, again.issuer, again.source) == (7.0, "https://as", Source.MEMORY)


def test_the_call_is_timed_whatever_comes_of_it(clock, drive):
    seconds = []

    class Slow(FakeHttp):
        async def send(self, call):
            clock.advance(0.25)
            return await super().send(call)

    for answer in (active(), Unavailable("down")):
        inner = Introspect(
            Slow(answer),
            "https://as/i",
            client_secret_basic("g", "s"),
            now=clock.now,
            ticks=clock.ticks,
            timed=seconds.append,
        )
        try:
            token = drive(inner.resolve(Credential("t"), ROUTE))
        except Unavailable:
            pass
        else:
            assert token.fresh_until == clock.ticks() - 0.25 + 300  # counted from the question

    assert seconds == [0.25, 0.25]


def test_what_is_forgotten_is_asked_about_again(clock, drive):
    asking = Asking(clock, active())
    credential = Credential("opaque")
    for _ in range(2):
        drive(asking(credential))
    asking.cached.forget()
    for _ in range(2):
        drive(asking(credential))
    assert 2 == asking.calls


def test_what_was_on_its_way_when_all_was_forgotten_is_not_remembered(clock):
    class Late:
        async def resolve(self, credential, route):
            token = await asking.cached.inner_before.resolve(credential, route)
            asking.cached.forget()  # the key set changes while the flight comes home
            return token

    asking = Asking(clock, active())
    asking.cached.inner_before, asking.cached.inner = asking.cached.inner, Late()
    credential = Credential("opaque")
    finish(asking(credential))
    asking.cached.inner = asking.cached.inner_before
    assert Source.NETWORK is finish(asking(credential)).source
    assert Source.MEMORY is finish(asking(credential)).source
