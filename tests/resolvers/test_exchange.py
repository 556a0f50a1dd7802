"""What an exchange is remembered by, for how long, and what happens when it can't be had."""

import asyncio
import json
from urllib.parse import parse_qs

import pytest

from phantomgate.backends.single_flight import SingleFlight
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Token
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.oauth.token_exchange import ExchangeRules
from phantomgate.resolvers import exchange as module
from phantomgate.resolvers.cached import Counts
from phantomgate.resolvers.exchange import Exchange
from phantomgate.testing import DictCache, FakeHttp, each_by_itself, on_a_loop, reply
from tokens import NOW, jwt

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def answer(seconds=3600, **more):
    given = jwt(aud="orders", exp=NOW + seconds, **more)
    said = {"access_token": given, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer"}
    return reply(200, json.dumps(said), content_type="application/json")


def numbered():
    """A new JWT for every call."""
    count = iter(range(1000))
    return lambda call: answer(jti=f"j{next(count)}")


def refuses(code, status=400):
    return reply(status, json.dumps({"error": code}), content_type="application/json")


def token(presented="opaque", server_jwt="", issuer="main", **facts):
    claims = {"sub": "ann", "scope": "read", **facts}
    return Token(server_jwt, claims, frozenset(("read",)), NOW + 7200.0, 1e9, issuer=issuer, presented=presented)


@pytest.fixture
def make(clock):
    cache = DictCache(clock.ticks)

    def exchange(answers, rules=None, *, client="gateway", endpoint="https://as.example/token", **options):
        made = Exchange(
            FakeHttp(answers),
            endpoint,
            client_secret_basic(client, "s3cret"),
            rules or ExchangeRules("orders"),
            options.pop("cache", cache),
            options.pop("once", each_by_itself),
            secret=b"k",
            context=("exchange", endpoint, client),
            counts=Counts(),
            now=clock.now,
            ticks=clock.ticks,
            **options,
        )
        return made, made.http.calls

    return exchange


def form(call):
    return {name: values[0] for name, values in parse_qs(call.body.decode(), strict_parsing=True).items()}


def test_the_presented_token_is_exchanged_and_the_answer_remembered(drive, make, clock):
    exchange, calls = make(numbered())

    first = drive(exchange(token(), ""))
    clock.advance(239)
    second = drive(exchange(token(), ""))

    assert form(calls[0])["subject_token"] == "opaque"
    assert (first.jwt, len(calls)) == (second.jwt, 1)
    assert (first.expires_at, first.renew_at) == (NOW + 300, NOW + 240)
    assert (exchange.counts.hits, exchange.counts.misses) == (1, 1)


def test_the_jwt_of_an_introspection_is_exchanged_where_the_settings_say_so(drive, make):
    exchange, calls = make(answer(), of_jwt=True)

    drive(exchange(token(server_jwt=jwt()), ""))

    assert form(calls[0])["subject_token"] == jwt()


@pytest.mark.parametrize("of_jwt", [True, False])
def test_without_a_token_to_exchange_nothing_is_asked(drive, make, of_jwt):
    exchange, calls = make(answer(), of_jwt=of_jwt)

    with pytest.raises(Refused) as no:
        drive(exchange(token(presented=""), ""))

    assert (no.value.reason, calls) == (Reason.BAD_ANSWER, [])


@pytest.mark.parametrize(
    "other",
    [
        {"presented": "another"},
        {"issuer": "other"},
        {"scope": "read write"},
        {"sub": "bob"},
        {"act": {"sub": "x"}},
    ],
)
def test_another_token_or_other_facts_are_another_question(drive, make, other):
    exchange, calls = make(numbered())
    drive(exchange(token(), ""))

    drive(exchange(token(**other), ""))

    assert len(calls) == 2


def test_another_audience_is_another_question(drive, make):
    exchange, calls = make(numbered())
    given = {drive(exchange(token(), audience)).jwt for audience in ("", "stock", "orders", "stock")}

    assert [form(call)["audience"] for call in calls] == ["orders", "stock", "orders"]
    assert len(given) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"rules": ExchangeRules("orders", scope=("read",))},
        {"rules": ExchangeRules("orders", "https://o")},
        {"rules": ExchangeRules("orders", requested_type="jwt")},
        {"rules": ExchangeRules("orders", subject_type="jwt")},
        {"client": "other"},
        {"endpoint": "https://other.example/token"},
    ],
)
def test_another_server_client_or_wish_is_another_question(drive, make, other):
    drive(make(numbered())[0](token(), ""))
    exchange, calls = make(numbered(), **other)

    drive(exchange(token(), ""))

    assert len(calls) == 1, "the answer to another question was used"


def test_no_two_questions_share_a_key_by_where_their_parts_end(drive, make):
    exchange, calls = make(numbered())

    drive(exchange(token(issuer="ab", presented="c"), ""))
    drive(exchange(token(issuer="a", presented="bc"), ""))

    assert len(calls) == 2


def test_it_is_renewed_before_it_ends(drive, make, clock):
    exchange, calls = make(numbered())
    first = drive(exchange(token(), ""))
    clock.advance(240)

    second = drive(exchange(token(), ""))

    assert (first.jwt != second.jwt, len(calls)) == (True, 2)


def test_one_that_is_still_good_is_used_while_it_can_not_be_renewed(drive, make, clock):
    exchange, calls = make([answer(), Unavailable("down"), reply(503), answer(jti="new")])
    first = drive(exchange(token(), ""))
    clock.advance(240)

    assert drive(exchange(token(), "")).jwt == first.jwt
    assert drive(exchange(token(), "")).jwt == first.jwt
    assert len(calls) == 2, "the server is asked again at once"
    clock.advance(module.PAUSE)
    assert drive(exchange(token(), "")).jwt == first.jwt
    clock.advance(module.PAUSE)
    assert drive(exchange(token(), "")).jwt != first.jwt


def test_one_that_has_ended_is_never_used(drive, make, clock):
    exchange, _ = make([answer(), Unavailable("down")])
    drive(exchange(token(), ""))
    clock.advance(300)

    with pytest.raises(Unavailable):
        drive(exchange(token(), ""))


def test_one_that_ends_while_it_can_not_be_renewed_is_not_used(drive, make, clock):
    exchange, _ = make(answer())
    drive(exchange(token(), ""))
    clock.advance(240)

    def slow_and_down(call):
        clock.advance(60)
        raise Unavailable("too late")

    exchange.http.answer = slow_and_down
    with pytest.raises(Unavailable):
        drive(exchange(token(), ""))


def test_a_token_that_is_refused_at_its_renewal_is_refused(drive, make, clock):
    exchange, _ = make([answer(), refuses("invalid_grant")])
    drive(exchange(token(), ""))
    clock.advance(240)

    with pytest.raises(Refused) as no:
        drive(exchange(token(), ""))
    assert no.value.reason is Reason.INVALID_TOKEN


def test_the_servers_own_time_ends_it_sooner(drive, make, clock):
    exchange, calls = make(lambda call: answer(seconds=10 + clock.now() - NOW))

    assert drive(exchange(token(), "")).expires_at == NOW + 10
    clock.advance(10)
    drive(exchange(token(), ""))
    assert len(calls) == 2


def test_a_clock_that_is_set_back_prolongs_nothing(drive, make, clock):
    exchange, calls = make(numbered())
    drive(exchange(token(), ""))
    clock.advance(301)
    clock.wall -= 301

    drive(exchange(token(), ""))

    assert len(calls) == 2


def test_a_refused_token_is_remembered_for_a_few_seconds(drive, make, clock):
    exchange, calls = make(refuses("invalid_grant"))
    for seconds in (0, 4.9, 0.2):
        clock.advance(seconds)
        with pytest.raises(Refused) as no:
            drive(exchange(token(), ""))
        assert no.value.reason is Reason.INVALID_TOKEN

    assert (len(calls), exchange.counts.negatives) == (2, 1)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (refuses("invalid_target"), Reason.CLIENT_REFUSED),
        (refuses("invalid_client", 401), Reason.CLIENT_REFUSED),
        (reply(403), Reason.CLIENT_REFUSED),
        (reply(500), Reason.UNAVAILABLE),
        (reply(429, retry_after="9"), Reason.UNAVAILABLE),
        (Unavailable("lost"), Reason.UNAVAILABLE),
        (reply(200, "{}", content_type="application/json"), Reason.BAD_ANSWER),
        (reply(302, location="https://evil.example"), Reason.BAD_ANSWER),
    ],
)
def test_trouble_is_never_the_token_s_fault_and_never_remembered(drive, make, said, reason):
    exchange, calls = make([said, answer()])

    with pytest.raises(Refused) as no:
        drive(exchange(token(), ""))

    assert no.value.reason is reason
    assert drive(exchange(token(), "")).jwt
    assert len(calls) == 2


def test_what_is_refused_is_remembered_within_bounds(drive, make):
    exchange, _ = make(refuses("invalid_grant"))
    for number in range(module.REFUSED_TOKENS + 1):
        with pytest.raises(Refused):
            drive(exchange(token(presented=f"t{number}"), ""))

    assert len(exchange._refused) <= module.REFUSED_TOKENS


@pytest.mark.parametrize("record", [b"", b"junk", b"\x01" + b"\0" * 40])
def test_a_record_that_is_none_of_ours_is_asked_for_again(drive, make, clock, record):
    cache = DictCache(clock.ticks)
    exchange, calls = make(numbered(), cache=cache)
    drive(exchange(token(), ""))
    [key] = cache.records
    cache.records[key] = (clock.ticks() + 60, record)

    assert drive(exchange(token(), "")).jwt
    assert len(calls) == 2


def test_the_endpoint_and_the_client_may_have_to_be_found_first(drive, make):
    async def found():
        return "https://as.example/found"

    async def asserted():
        return client_secret_basic("gateway", "s3cret")

    exchange, calls = make(answer())
    exchange.endpoint, exchange.client = found, asserted
    drive(exchange(token(), ""))

    assert calls[0].url == "https://as.example/found"


def test_concurrent_requests_exchange_once(make):
    class Slow(FakeHttp):
        async def send(self, call):
            await asyncio.sleep(0)
            return await super().send(call)

    async def together():
        flight = SingleFlight()
        exchange, _ = make(None, once=flight)
        exchange.http = Slow(numbered())
        made = await asyncio.gather(*(exchange(token(), "") for _ in range(20)))
        await flight.close()
        return exchange.http.calls, {one.jwt for one in made}

    calls, given = on_a_loop(together())
    assert (len(calls), len(given)) == (1, 1)


def test_no_secret_is_in_what_is_said_of_a_refusal(drive, make):
    exchange, _ = make(refuses("invalid_target"))
    with pytest.raises(Refused) as no:
        drive(exchange(token(presented="canary-token"), ""))

    assert "canary" not in f"{no.value!r} {no.value.detail} {token(presented='canary-token')!r}"
