"""A JWT is verified by the keys its issuer has now, remembered no longer than those, and asked about if need be."""

from __future__ import annotations

import asyncio

import pytest

from issuing import ISS, key_reply, key_set, signed
from phantomgate.backends.background import Background
from phantomgate.backends.blocking import finish
from phantomgate.backends.single_flight import SingleFlight
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Source
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jwt_rules import access_token_rules
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.held import PAUSE, STALE, Fixed, Held
from phantomgate.resolvers.introspect import Introspect
from phantomgate.resolvers.keys import keys_at
from phantomgate.resolvers.verify import Verify, Wrapped, wrapper_rules
from phantomgate.testing import DictCache, FakeHttp, each_by_itself, reply
from tokens import NOW, jwt, segment

ROUTE = Route("policy")
RULES = access_token_rules(ISS, ["api"])


async def somewhere() -> str:
    return f"{ISS}/keys"


def held(clock, http, once=each_by_itself, later=None) -> Held:
    return Held("keys", keys_at(http, somewhere, ("ES256",), timeout=2.0), once, ticks=clock.ticks, later=later)


def verifying(clock, http, *, rules=RULES, once=each_by_itself, later=None, max_age=300.0) -> Verify:
    keys = held(clock, http, once, later)
    return Verify(keys, rules, now=clock.now, ticks=clock.ticks, name="main", max_age=max_age)


def remembering(clock, inner, once=each_by_itself) -> Cached:
    return Cached(
        inner,
        DictCache(clock.ticks),
        once,
        secret=b"k" * 32,
        context=("main",),
        now=clock.now,
        ticks=clock.ticks,
        issuer="main",
    )


def resolve(resolver, token: str):
    return finish(resolver.resolve(Credential(token), ROUTE))


def refused(resolver, token: str) -> Reason:
    with pytest.raises(Refused) as no:
        resolve(resolver, token)
    return no.value.reason


def test_a_good_jwt_is_the_token_that_goes_upstream(clock, drive):
    value = signed()
    token = drive(verifying(clock, FakeHttp(key_reply("k1"))).resolve(Credential(value), ROUTE))
    assert (value, "main", Source.SIGNATURE) == (token.jwt, token.issuer, token.source)
    assert ("ann", frozenset({"read"}), NOW + 3600) == (token.claims["sub"], token.scopes, token.expires_at)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "other"}, Reason.WRONG_AUDIENCE),
        ({"iss": "https://other.example"}, Reason.WRONG_ISSUER),
        ({"exp": NOW}, Reason.EXPIRED),
        ({"nonce": "n"}, Reason.INVALID_TOKEN),
        ({"cnf": {"jkt": "x"}}, Reason.BOUND_TOKEN),
    ],
)
def test_what_the_rules_refuse_is_refused(clock, claims, reason):
    assert reason is refused(verifying(clock, FakeHttp(key_reply("k1"))), signed(**claims))


def test_a_key_that_nobody_has_seen_yet_is_fetched_once(clock, drive):
    http = FakeHttp([key_reply("k1"), key_reply("k1", "k2")])
    verify = verifying(clock, http)
    drive(verify.resolve(Credential(signed("k1")), ROUTE))
    drive(verify.resolve(Credential(signed("k2")), ROUTE))
    assert 2 == len(http.calls)


def test_a_key_that_is_in_no_set_is_the_token_s_fault(clock):
    assert Reason.INVALID_TOKEN is refused(verifying(clock, FakeHttp(key_reply("k1"))), signed("k9"))


def test_ten_thousand_unknown_keys_cause_one_fetch_in_thirty_seconds_and_leave_good_tokens_alone(clock):
    http = FakeHttp(key_reply("k1", max_age=3600))
    verify = verifying(clock, http)
    good = signed("k1")
    resolve(verify, good)
    head = {"alg": "ES256", "typ": "at+jwt"}
    forged = signed("k2", header={**head, "kid": "k9"}).split(".", 1)[1]
    for n in range(10_000):
        clock.advance(0.009)  # 90 s in all
        with pytest.raises(Refused):
            resolve(verify, f"{segment({**head, 'kid': f'unknown-{n}'})}.{forged}")
        if n % 1000 == 0:
            before = len(http.calls)
            resolve(verify, good)
            assert before == len(http.calls)
    assert 1 + 3 == len(http.calls)


def test_a_thousand_requests_with_a_rotated_key_cause_one_fetch(clock):
    http = FakeHttp([key_reply("k1"), key_reply("k2")])

    class Slow:
        async def send(self, call):
            await asyncio.sleep(0)
            return await http.send(call)

    async def story() -> int:
        behind = Background()
        verify = verifying(clock, Slow(), once=SingleFlight(), later=behind)
        resolver = remembering(clock, verify, SingleFlight())
        await resolver.resolve(Credential(signed("k1")), ROUTE)
        values = [signed("k2", jti=f"{n}") for n in range(1000)]
        tokens = await asyncio.gather(*[resolver.resolve(Credential(value), ROUTE) for value in values])
        await behind.close()
        return len({token.jwt for token in tokens})

    assert 1000 == asyncio.run(story())
    assert 2 == len(http.calls)


def test_a_jwt_verified_once_is_remembered(clock):
    http = FakeHttp(key_reply("k1"))
    resolver = remembering(clock, verifying(clock, http))
    value = signed()
    first, second = resolve(resolver, value), resolve(resolver, value)
    assert (Source.SIGNATURE, Source.MEMORY) == (first.source, second.source)
    assert (first.jwt, first.claims, first.issuer) == (second.jwt, second.claims, second.issuer)
    assert (1, 1) == (resolver.counts.hits, resolver.counts.misses)


@pytest.mark.parametrize("max_age", [60, 300, 3600])
def test_a_removed_key_is_trusted_no_longer_than_its_set_could_be_kept(clock, max_age):
    http = FakeHttp([key_reply("k1", max_age=max_age), key_reply("k2", max_age=max_age)])
    resolver = remembering(clock, verifying(clock, http, max_age=86400.0))
    value = signed(exp=NOW + 86400)
    resolve(resolver, value)
    clock.advance(max_age - 1)
    assert value == resolve(resolver, value).jwt
    clock.advance(1)
    assert Reason.INVALID_TOKEN is refused(resolver, value)


def test_the_cap_on_remembering_is_kept_too(clock):
    verify = verifying(clock, FakeHttp(key_reply("k1", max_age=3600)), max_age=30.0)
    assert clock.ticks() + 30.0 == resolve(verify, signed()).fresh_until


def test_with_the_server_down_good_keys_go_on_for_an_hour_and_unknown_ones_are_503(clock):
    http = FakeHttp([key_reply("k1", max_age=60), Unavailable("down")])
    verify = verifying(clock, http)
    old = signed("k1", exp=NOW + 86400)
    resolve(verify, old)
    for _ in range(int((60 + STALE) // 60)):
        assert old == resolve(verify, old).jwt
        assert Reason.UNAVAILABLE is refused(verify, signed("k2", exp=NOW + 86400))
        clock.advance(60)
    assert Reason.UNAVAILABLE is refused(verify, old)
    assert len(http.calls) <= 1 + 2 * (60 + STALE) / PAUSE


def test_no_keys_at_all_is_503_and_nonsense_is_502(clock):
    assert Reason.UNAVAILABLE is refused(verifying(clock, FakeHttp(reply(500))), signed())
    assert Reason.BAD_ANSWER is refused(verifying(clock, FakeHttp(reply(200, b"{}"))), signed())


def introspecting(clock, http) -> Introspect:
    client = client_secret_basic("gateway", "secret")
    return Introspect(http, f"{ISS}/introspect", client, now=clock.now, ticks=clock.ticks, issuer=ISS, name="main")


def wrapped(clock, answer, rules=RULES) -> tuple[Wrapped, FakeHttp]:
    http = FakeHttp(answer)
    keys = Fixed(read_key_set(key_set("k1"), ["ES256"]))
    verify = Verify(keys, wrapper_rules(rules), now=clock.now, ticks=clock.ticks, name="main")
    return Wrapped(verify, introspecting(clock, http)), http


def test_a_wrapper_is_verified_and_its_content_goes_upstream(clock, drive):
    inner = jwt(sub="inside")
    resolver, http = wrapped(clock, reply(200, inner, content_type="application/jwt"))
    wrapper = signed(aud=None, sub=None, exp=NOW + 60)
    token = drive(resolver.resolve(Credential(wrapper), ROUTE))
    assert (inner, "inside", NOW + 60) == (token.jwt, token.claims["sub"], token.expires_at)
    assert ("main", Source.NETWORK, 1) == (token.issuer, token.source, len(http.calls))


@pytest.mark.parametrize("claims", [{"exp": NOW}, {"aud": "other"}, {"iss": "https://evil.example"}, {"exp": None}])
def test_a_wrapper_that_does_not_verify_is_never_asked_about(clock, claims):
    resolver, http = wrapped(clock, reply(200, jwt(), content_type="application/jwt"))
    with pytest.raises(Refused):
        resolve(resolver, signed(**claims))
    with pytest.raises(Refused):
        resolve(resolver, signed("k2", header={"alg": "ES256", "typ": "at+jwt", "kid": "k1"}))
    assert [] == http.calls


def test_a_wrapper_that_the_server_has_revoked_is_refused(clock):
    resolver, _ = wrapped(clock, reply(204))
    assert Reason.INACTIVE is refused(resolver, signed())


def test_the_answer_about_a_wrapper_lasts_as_long_as_it_says(clock):
    answer = reply(200, jwt(exp=NOW + 30), content_type="application/jwt", cache_control="max-age=10")
    token = resolve(wrapped(clock, answer)[0], signed(exp=NOW + 60))
    assert (NOW + 30, clock.ticks() + 10) == (token.expires_at, token.fresh_until)


def test_a_wrapper_is_remembered_no_longer_than_its_keys(clock):
    keys = held(clock, FakeHttp(key_reply("k1", max_age=60)))
    verify = Verify(keys, wrapper_rules(RULES), now=clock.now, ticks=clock.ticks, name="main")
    answer = FakeHttp(reply(200, jwt(), content_type="application/jwt"))
    assert clock.ticks() + 60 == resolve(Wrapped(verify, introspecting(clock, answer)), signed()).fresh_until
