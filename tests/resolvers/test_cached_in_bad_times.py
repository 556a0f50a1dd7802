"""Facts past their time, and facts asked for before it: bounded by `exp`, the settings, the route and the server."""

import asyncio

import pytest

from phantomgate.backends.memory import MemoryCache
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Source
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.introspect import Introspect
from phantomgate.testing import FakeHttp, each_by_itself, on_a_loop, reply
from tokens import NOW, jwt

LENIENT, STRICT = Route("reading", allow_stale=True), Route("paying")
SAME = Credential("opaque")


class Asking:
    """A cached introspection; what is to run behind is in `behind`, until it is run."""

    def __init__(self, clock, answer, *, stale=60.0, ahead=False, once=each_by_itself, max_age=100.0):
        self.http = FakeHttp(answer)
        self.behind = []
        inner = Introspect(
            self.http, "https://as.example/i", client_secret_basic("g", "s"), now=clock.now, ticks=clock.ticks,
            max_age=max_age,
        )  # fmt: skip
        self.cached = Cached(
            inner, MemoryCache(max_entries=100, max_bytes=1 << 20, ticks=clock.ticks), once, secret=b"s" * 32,
            context=("as",), now=clock.now, ticks=clock.ticks, stale_seconds=stale,
            later=self.behind.append if ahead else None,
        )  # fmt: skip

    async def __call__(self, route=LENIENT, credential=SAME):
        return await self.cached.resolve(credential, route)


def active(seconds=10_000, **fields):
    return reply(200, jwt({"exp": NOW + seconds}), content_type="application/jwt", **fields)


DOWN = Unavailable("down", kind="no_connection")


def refused(drive, asking, route=LENIENT, credential=SAME):
    with pytest.raises(Refused) as no:
        drive(asking(route, credential))
    return no.value.reason


@pytest.mark.parametrize(
    "trouble", [DOWN, reply(503), reply(500), reply(429), Unavailable("", reason=Reason.OVERLOADED)]
)
def test_past_its_time_an_answer_is_used_while_nobody_can_be_asked_and_not_longer(clock, drive, trouble):
    asking = Asking(clock, [active(), trouble])
    drive(asking())
    clock.advance(100.0)
    for _ in range(3):
        token = drive(asking())
        assert (Source.STALE, 0) == (token.source, token.lifetime(clock.now(), clock.ticks()))
    clock.advance(59.999)
    assert Source.STALE is drive(asking(credential=Credential("opaque"))).source
    clock.advance(0.002)
    assert refused(drive, asking).status == 503
    assert 4 == asking.cached.counts.stale


def test_it_is_never_used_past_exp(clock, drive):
    asking = Asking(clock, [active(130), DOWN])
    drive(asking())
    clock.advance(129.9)
    assert Source.STALE is drive(asking()).source
    clock.wall += 0.2  # by the wall clock alone
    assert Reason.UNAVAILABLE is refused(drive, asking)


def test_it_is_used_only_on_routes_that_allow_it_whoever_asked_first(clock):
    asking = Asking(clock, [active(), DOWN])

    async def story():
        from phantomgate.backends.single_flight import SingleFlight

        asking.cached.once = SingleFlight()
        await asking()
        clock.advance(100.0)
        return await asyncio.gather(asking(LENIENT), asking(STRICT), asking(LENIENT), return_exceptions=True)

    lenient, strict, other = on_a_loop(story())
    assert (Source.STALE, Source.STALE) == (lenient.source, other.source)
    assert isinstance(strict, Unavailable)


def test_without_the_setting_no_route_gets_it(clock, drive):
    asking = Asking(clock, [active(), DOWN], stale=0.0)
    drive(asking())
    clock.advance(100.0)
    assert Reason.UNAVAILABLE is refused(drive, asking)


def test_with_the_setting_gone_nobody_gets_what_was_kept_by_it(clock, drive):
    asking = Asking(clock, [active(), DOWN])
    drive(asking())
    clock.advance(100.0)
    assert Source.STALE is drive(asking()).source
    asking.cached.stale_seconds = 0.0
    assert Reason.UNAVAILABLE is refused(drive, asking)


def test_a_minute_is_the_most_whatever_is_asked_for(clock):
    assert 60.0 == Asking(clock, active(), stale=3600.0).cached.stale_seconds


@pytest.mark.parametrize("word", [reply(204), reply(401), reply(200, "<html>"), reply(404)])
def test_any_word_of_the_server_but_trouble_is_final(clock, drive, word):
    asking = Asking(clock, [active(), word, DOWN])
    drive(asking())
    clock.advance(100.0)
    assert refused(drive, asking) is not Reason.UNAVAILABLE


def test_once_called_inactive_it_is_not_used_again_however_down_the_server_is(clock, drive):
    asking = Asking(clock, [active(), reply(204), DOWN])
    drive(asking())
    clock.advance(100.0)
    assert Reason.INACTIVE is refused(drive, asking)
    clock.advance(5.0)
    assert Reason.UNAVAILABLE is refused(drive, asking)


def test_an_answer_that_may_not_be_stored_is_not_kept_for_later_either(clock, drive):
    asking = Asking(clock, [active(cache_control="no-store"), DOWN])
    drive(asking())
    assert Reason.UNAVAILABLE is refused(drive, asking)


def test_what_a_key_has_proved_is_not_used_past_its_time_once_the_key_is_gone(clock, drive):
    asking = Asking(clock, [active(), DOWN])
    drive(asking())
    clock.advance(100.0)
    asking.cached.forget()
    assert Reason.UNAVAILABLE is refused(drive, asking)


# -- ahead -------------------------------------------------------------------------------------------------------------


def run(asking):
    """What was to run behind."""

    async def all_of_it():
        while asking.behind:
            await asking.behind.pop(0)()

    return all_of_it()


def test_what_is_used_again_after_four_fifths_of_its_time_is_asked_for_behind(clock, drive):
    asking = Asking(clock, active(), ahead=True)
    drive(asking())
    clock.advance(79.9)
    assert Source.MEMORY is drive(asking()).source
    assert [] == asking.behind
    clock.advance(0.1)
    for _ in range(3):
        assert Source.MEMORY is drive(asking()).source  # nobody waits
    assert (1, 1) == (len(asking.behind), len(asking.http.calls))
    drive(run(asking))
    assert (2, 1) == (len(asking.http.calls), asking.cached.counts.ahead)
    clock.advance(79.0)
    assert Source.MEMORY is drive(asking()).source  # good for its whole time again
    assert [] == asking.behind


def test_what_is_used_by_nobody_else_is_not_asked_for(clock, drive):
    asking = Asking(clock, active(), ahead=True)
    drive(asking(credential=Credential("opaque")))
    clock.advance(90.0)
    drive(asking(credential=Credential("opaque")))  # another request's, which was not seen before
    assert [] == asking.behind


def test_what_ends_by_exp_anyway_is_not_asked_for_ahead(clock, drive):
    asking = Asking(clock, active(90), ahead=True)
    drive(asking())
    clock.advance(89.0)
    drive(asking())
    assert [] == asking.behind


@pytest.mark.parametrize("stale", [60.0, 0.0])
def test_a_revocation_that_is_heard_of_ahead_counts_at_once(clock, drive, stale):
    asking = Asking(clock, [active(), reply(204)], stale=stale, ahead=True)
    drive(asking())
    clock.advance(80.0)
    drive(asking())
    drive(run(asking))
    assert Reason.INACTIVE is refused(drive, asking)
    clock.advance(6.0)  # the refusal is forgotten, and so must be what was remembered before it
    asking.http.answer = DOWN
    assert Reason.UNAVAILABLE is refused(drive, asking)


def test_what_was_asked_for_ahead_when_all_was_forgotten_is_not_remembered(clock, drive):
    asking = Asking(clock, active(), ahead=True)
    drive(asking())
    clock.advance(80.0)
    drive(asking())

    def taken_back(call):
        asking.cached.forget()
        return active()

    asking.http.answer = taken_back
    drive(run(asking))
    asking.http.answer = DOWN
    assert Reason.UNAVAILABLE is refused(drive, asking)


def test_a_token_is_asked_for_behind_once_however_many_bring_it(clock, drive):
    asking = Asking(clock, active(), ahead=True)
    credentials = [Credential("opaque"), Credential("opaque")]
    for seconds in (0.0, 80.0):
        clock.advance(seconds)
        for credential in credentials:
            drive(asking(credential=credential))
    assert 1 == len(asking.behind)


def test_trouble_that_is_met_ahead_is_nobody_s_and_is_met_once(clock, drive):
    asking = Asking(clock, [active(), DOWN], ahead=True)
    drive(asking())
    clock.advance(80.0)
    drive(asking())
    drive(run(asking))
    for _ in range(3):
        assert Source.MEMORY is drive(asking()).source
    assert (2, []) == (len(asking.http.calls), asking.behind)


def test_so_many_are_asked_for_at_a_time_and_no_more(clock, drive):
    asking = Asking(clock, active(), ahead=True)
    credentials = [Credential(f"token-{number}") for number in range(40)]
    for credential in credentials:
        drive(asking(credential=credential))
    clock.advance(80.0)
    for credential in credentials:
        drive(asking(credential=credential))
    assert 16 == len(asking.behind)
    drive(run(asking))
    assert 16 == asking.cached.counts.ahead


def test_what_somebody_else_has_asked_for_ahead_is_not_asked_for_again(clock, drive):
    asking = Asking(clock, active(), ahead=True)
    one, other = Credential("opaque"), Credential("opaque")
    drive(asking(credential=one))
    drive(asking(credential=other))
    clock.advance(85.0)
    drive(asking(credential=one))
    drive(run(asking))
    drive(asking(credential=other))
    assert ([], 2) == (asking.behind, len(asking.http.calls))
    clock.advance(79.0)
    drive(asking(credential=other))
    assert [] == asking.behind
    clock.advance(2.0)
    drive(asking(credential=other))
    assert 1 == len(asking.behind)  # it is due again, whoever asks
