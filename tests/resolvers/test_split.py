"""Split tokens: what is held is found, joined and verified, and never believed."""

from hashlib import sha256

import pytest

from issuing import ISS, key_set, signed
from phantomgate.backends.memory import MemoryCache
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Route
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jwt_rules import access_token_rules
from phantomgate.resolvers import split as module
from phantomgate.resolvers.cached import Cached, Counts
from phantomgate.resolvers.held import Fixed
from phantomgate.resolvers.split import Split
from phantomgate.resolvers.verify import Verify
from phantomgate.testing import DictCache, each_by_itself
from tokens import NOW

ROUTE = Route("r")


@pytest.fixture
def halves(clock):
    return MemoryCache(max_entries=1000, max_bytes=1 << 20, ticks=clock.ticks)


@pytest.fixture
def made(clock, halves):
    keys = Fixed(read_key_set(key_set("k1"), ("ES256",)))
    verify = Verify(keys, access_token_rules(ISS, ["api"]), now=clock.now, ticks=clock.ticks, name="main")
    cached = Cached(
        verify,
        DictCache(clock.ticks),
        each_by_itself,
        secret=b"k",
        context=("main",),
        now=clock.now,
        ticks=clock.ticks,
        issuer="main",
    )
    return Split(cached, halves, Counts())


def push(drive, halves, token, signature="", seconds=3600.0):
    half, _, own = token.rpartition(".")
    drive(halves.put(sha256((signature or own).encode()).digest(), half.encode(), seconds))
    return own


def refused(drive, resolver, value):
    with pytest.raises(Refused) as no:
        drive(resolver.resolve(Credential(value), ROUTE))
    return no.value.reason


def test_a_signature_becomes_the_whole_jwt(drive, made, halves):
    token = signed()
    signature = push(drive, halves, token)

    found = drive(made.resolve(Credential(signature), ROUTE))

    assert (found.jwt, found.claims["sub"], found.issuer, found.expires_at) == (token, "ann", "main", NOW + 3600)
    assert (made.counts.hits, made.counts.misses) == (1, 0)


def test_what_was_never_pushed_is_inactive(drive, made):
    assert refused(drive, made, "a" * 86) is Reason.INACTIVE
    assert made.counts.misses == 1


@pytest.mark.parametrize("value", [signed(), "short", "a" * 2000, "a b" * 30])
def test_a_whole_jwt_or_no_signature_is_inactive(drive, made, halves, value):
    push(drive, halves, signed())

    assert refused(drive, made, value) is Reason.INACTIVE


def test_what_a_stranger_pushed_lets_nobody_in(drive, made, halves):
    """Whoever can push still can't sign: a header and claims of his own, under a signature that he knows."""
    good = signed()
    signature = good.rpartition(".")[2]
    forged = signed(sub="admin", scope="admin")
    push(drive, halves, forged, signature)

    assert refused(drive, made, signature) is Reason.INVALID_TOKEN


def test_what_another_key_signed_lets_nobody_in(drive, made, halves):
    signature = push(drive, halves, signed("k2"))

    assert refused(drive, made, signature) is Reason.INVALID_TOKEN


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW}, Reason.EXPIRED),
        ({"aud": "other"}, Reason.WRONG_AUDIENCE),
        ({"iss": "https://other.example"}, Reason.WRONG_ISSUER),
    ],
)
def test_the_rules_of_the_issuer_hold(drive, made, halves, claims, reason):
    assert refused(drive, made, push(drive, halves, signed(**claims))) is reason


def test_an_id_token_is_none_of_ours(drive, made, halves):
    token = signed(header={"alg": "ES256", "typ": "JWT", "kid": "k1"})

    assert refused(drive, made, push(drive, halves, token)) is Reason.INVALID_TOKEN


def test_a_deletion_counts_at_once_however_much_was_remembered(drive, made, halves):
    signature = push(drive, halves, signed())
    presented = Credential(signature)
    drive(made.resolve(presented, ROUTE))
    drive(halves.forget(sha256(signature.encode()).digest()))

    with pytest.raises(Refused) as no:
        drive(made.resolve(presented, ROUTE))
    assert no.value.reason is Reason.INACTIVE


def test_the_same_credential_is_joined_once_and_anew_when_another_part_is_held(drive, halves):
    class Verified:
        async def resolve(self, credential, route):
            return credential

    made, token = Split(Verified(), halves, Counts()), signed()
    presented = Credential(push(drive, halves, token))
    first, second = (drive(made.resolve(presented, ROUTE)) for _ in range(2))
    push(drive, halves, other := signed(sub="bob"), presented.value)

    assert (token, True) == (first.value, first is second)
    assert f"{other.rpartition('.')[0]}.{presented.value}" == drive(made.resolve(presented, ROUTE)).value


def test_a_part_that_is_over_or_was_pushed_out_is_a_refusal(drive, made, halves, clock):
    signature = push(drive, halves, signed(), seconds=10)
    clock.advance(10)
    assert refused(drive, made, signature) is Reason.INACTIVE

    signature = push(drive, halves, signed())
    for number in range(2000):
        drive(halves.put(number.to_bytes(32, "big"), b"x", 60))
    assert refused(drive, made, signature) is Reason.INACTIVE


def test_a_part_that_is_pushed_late_is_found_at_once(drive, made, halves):
    token = signed()
    signature = token.rpartition(".")[2]
    assert refused(drive, made, signature) is Reason.INACTIVE
    push(drive, halves, token)

    assert drive(made.resolve(Credential(signature), ROUTE)).jwt == token


def test_a_part_that_is_replaced_is_verified_anew(drive, made, halves):
    signature = push(drive, halves, signed())
    presented = Credential(signature)
    drive(made.resolve(presented, ROUTE))
    push(drive, halves, signed(sub="admin"), signature)

    with pytest.raises(Refused) as no:
        drive(made.resolve(presented, ROUTE))
    assert no.value.reason is Reason.INVALID_TOKEN


def test_what_was_joined_is_remembered_within_bounds(drive, made, halves):
    signature = push(drive, halves, signed())
    presented = Credential(signature)
    drive(made.resolve(presented, ROUTE))
    for _ in range(module.REMEMBERED + 1):
        drive(made.resolve(Credential(signature), ROUTE))

    assert len(made._joined) == module.REMEMBERED
