"""The same tokens through joserfc and PyJWT: equal verdicts, or a difference that stands here with its reason.

Every difference is of one kind: we refuse what a peer lets in. The one thing that a peer refuses and we don't would be
a failure of this test.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk as jose_jwk
from joserfc import jws as jose_jws
from joserfc import jwt as jose_jwt
from joserfc.errors import JoseError, SecurityWarning

from phantomgate.core.errors import Refused
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import ABSENT, access_token_rules
from signing import AUDIENCE, ISSUER, key, keys, signature_of, signed, with_signature
from tokens import segment

pyjwt = pytest.importorskip("jwt", reason="PyJWT is not installed")

NOW = int(time.time())  # PyJWT has no other clock; every time below is far enough from it
ALGORITHMS = ("RS256", "PS384", "ES256", "ES512", "EdDSA")
RULES = access_token_rules(ISSUER, [AUDIENCE], types=["at+jwt", "JWT", ABSENT])


def ours(alg: str, jws: str) -> bool:
    try:
        verify(jws, keys(key(alg)), RULES, NOW)
    except Refused:
        return False
    return True


def joserfc(alg: str, jws: str) -> bool:
    key_set = jose_jwk.KeySet.import_key_set({"keys": [key(alg).jwk]})
    registry = jose_jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    claims = jose_jwt.JWTClaimsRegistry(
        now=NOW,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "values": [AUDIENCE]},
        exp={"essential": True},
        sub={"essential": True},
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA, by its older name
            claims.validate(jose_jwt.decode(jws, key_set, registry=registry).claims)
    except (JoseError, ValueError, TypeError, RecursionError):
        return False
    return True


def pyjwt_(alg: str, jws: str) -> bool:
    try:
        kid = pyjwt.get_unverified_header(jws).get("kid", key(alg).jwk["kid"])
        if kid != key(alg).jwk["kid"]:  # as PyJWKClient looks a key up
            return False
        pyjwt.decode(
            jws,
            pyjwt.PyJWK(key(alg).jwk),
            algorithms=[alg],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["iss", "aud", "exp", "sub"]},
        )
    except (pyjwt.PyJWTError, ValueError, TypeError, RecursionError):
        return False
    return True


PEERS: dict[str, Callable[[str, str], bool]] = {"joserfc": joserfc, "PyJWT": pyjwt_}


class Difference(NamedTuple):
    """We refuse, and *peers* let in: what is so, and why we do."""

    peers: tuple[str, ...]
    why: str
    header: Mapping[str, Any] = {}
    claims: Mapping[str, Any] = {}
    payload: bytes = b""


BOTH = ("joserfc", "PyJWT")
DIFFERENCES = {
    "typ": Difference(BOTH, "another type is another kind of token (RFC 9068 section 4)", {"typ": "logout+jwt"}),
    "jwk": Difference(BOTH, "a token doesn't bring its key (RFC 8725 section 3.10)", {"jwk": key("ES256").jwk}),
    "jku": Difference(BOTH, "nor an address of one", {"jku": "https://as.example/jwks.json"}),
    "x5u": Difference(BOTH, "nor an address of one", {"x5u": "https://as.example/jwks.json"}),
    "x5c": Difference(BOTH, "nor a certificate", {"x5c": ["MIIB"]}),
    "zip": Difference(BOTH, "compression is for encrypted tokens (RFC 7516 section 4.1.3)", {"zip": "DEF"}),
    "cty": Difference(BOTH, "a token in a token is no access token", {"cty": "JWT"}),
    "empty crit": Difference(("joserfc",), "crit is never empty (RFC 7515 section 4.1.11)", {"crit": []}),
    "crit of a known name": Difference(("joserfc",), "nor does it list what every reader knows", {"crit": ["alg"]}),
    "b64": Difference(BOTH, "no JWT says how its payload is encoded (RFC 7797 section 7)", {"b64": True}),
    "nonce": Difference(BOTH, "an ID token is no access token (RFC 8725 section 3.12)", {}, {"nonce": "n"}),
    "events": Difference(BOTH, "nor is a logout token", {}, {"events": {}}),
    "token_use": Difference(BOTH, "nor is what its server calls an ID token", {}, {"token_use": "id"}),
    "cnf": Difference(BOTH, "bound to a key, and came as Bearer (RFC 9449 section 7.2)", {}, {"cnf": {"jkt": "x"}}),
    "token_type": Difference(BOTH, "bound to a key, and came as Bearer", {}, {"token_type": "DPoP"}),
    "client_id": Difference(BOTH, "a client_id is text (RFC 8693 section 4.3)", {}, {"client_id": 7}),
    "iss is sub": Difference(BOTH, "a client's assertion (RFC 7523 section 3)", {}, {"sub": ISSUER}),
    "empty sub": Difference(("PyJWT",), "nobody has an empty name", {}, {"sub": ""}),
    "empty jti": Difference(BOTH, "no token has an empty name", {}, {"jti": ""}),
    "far time": Difference(BOTH, "after the year 9999 nobody means a time", {}, {"exp": 10**15}),
    "negative time": Difference(BOTH, "nor before 1970", {}, {"nbf": -1}),
    "time as text": Difference(("PyJWT",), "a time is a number (RFC 7519 section 2)", {}, {"exp": str(NOW + 3600)}),
    "time as truth": Difference(("PyJWT",), "true is no number", {}, {"nbf": True}),
    "a key twice": Difference(BOTH, "one reader takes the first, another the last", payload=b'"sub":"eve",'),
    "not a number": Difference(BOTH, "NaN is not JSON (RFC 8259 section 6)", payload=b'"x":NaN,'),
    "infinity": Difference(BOTH, "1e400 is infinite to most readers", payload=b'"x":1e400,'),
    "surrogate": Difference(BOTH, "half a character breaks whoever writes it down", payload=b'"x":"\\ud800",'),
    "depth": Difference(BOTH, "more than 16 levels", payload=b'"x":' + b"[" * 20 + b"]" * 20 + b","),
    "long integer": Difference(BOTH, "more than 64 digits", payload=b'"x":' + b"9" * 65 + b","),
}  # fmt: skip

GOOD: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 3600, "iat": NOW - 10, "sub": "ann", "jti": "j"}


def made(alg: str, header: Mapping[str, Any], claims: Mapping[str, Any], payload: bytes = b"") -> str:
    """A token with these changes, signed well; None drops a member, *payload* goes in front of the claims."""
    head = {"alg": alg, "kid": key(alg).jwk["kid"], **header}
    facts = json.dumps({name: value for name, value in {**GOOD, **claims}.items() if value is not None}).encode()
    return signed(
        key(alg), {name: value for name, value in head.items() if value is not None}, b"{" + payload + facts[1:]
    )


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_good_token_is_good_to_everybody(alg):
    good = made(alg, {}, {})

    assert ours(alg, good)
    assert all(peer(alg, good) for peer in PEERS.values())


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_one_still(name):
    it = DIFFERENCES[name]
    jws = made("ES256", it.header, it.claims, it.payload)

    assert not ours("ES256", jws), it.why
    assert it.peers == tuple(peer for peer, judge in PEERS.items() if judge("ES256", jws)), it.why


_values = st.sampled_from([0, 1, 7, -1, True, False, "", "x", [], ["x"], [1], {}, {"a": 1}, 1.5])
_times = st.sampled_from([NOW - 4000, NOW + 4000, NOW - 4000.5, NOW + 4000.5]) | _values
_headers = {
    "alg": st.sampled_from(["none", "None", "", "HS256", "HS512", *ALGORITHMS, "RS384", "es256", "Ed25519"]) | _values,
    "kid": st.sampled_from(["other", *(f"{alg}-0" for alg in ALGORITHMS)]) | _values,
    "crit": st.sampled_from([[], ["exp"], ["b64"], ["crit"], ["alg"]]) | _values,
    "unknown": _values,
    "x5t": st.sampled_from(["AQAB"]),
}
_claims = {
    "exp": _times,
    "nbf": _times,
    "iat": _times,
    "iss": st.sampled_from([ISSUER, f"{ISSUER}/", ISSUER[:-1], ISSUER.upper(), [ISSUER], {ISSUER: 1}]) | _values,
    "aud": st.sampled_from([AUDIENCE, [AUDIENCE], ["x", AUDIENCE], f"{AUDIENCE}/", AUDIENCE[:-1], [AUDIENCE, 1]])
    | _values,
    "sub": st.sampled_from(["ann", "ö", "x" * 500, "\x00"]) | _values,
    "jti": st.sampled_from(["a", "b"]) | _values,
    "Sub": _values,
    "scope": _values,
    "unknown": _values,
}


def changes(pool: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Up to two members of *pool* changed or dropped."""
    one = st.sampled_from(sorted(pool)).flatmap(lambda name: st.tuples(st.just(name), pool[name] | st.none()))
    return st.lists(one, max_size=2).map(dict)


def explained(peer: str, header: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Whether one of DIFFERENCES says why we refuse this and *peer* does not."""
    times = [claims[name] for name in ("exp", "nbf", "iat") if claims.get(name) is not None]
    return (
        claims.get("jti") == ""
        or (peer == "PyJWT" and claims.get("sub") == "")
        or (peer == "joserfc" and header.get("crit") in ([], ["alg"], ["crit"]))
        or any(type(time) in (int, float) and not 0 <= time < 10**12 for time in times)
        or (peer == "PyJWT" and any(type(time) in (bool, str) for time in times))
    )


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ALGORITHMS), changes(_headers), changes(_claims))
def test_whatever_a_signed_token_says_the_verdicts_are_equal(alg, header, claims):
    jws = made(alg, header, claims)
    verdict = ours(alg, jws)

    for peer, judge in PEERS.items():
        if judge(alg, jws) != verdict:
            assert not verdict, f"{peer} refuses"
            assert explained(peer, header, claims), f"{peer} lets in"


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ALGORITHMS), st.data())
def test_however_a_token_is_changed_nobody_lets_it_in(alg, data):
    good = made(alg, {}, {})
    at = data.draw(st.integers(0, len(good) - 1))
    piece = data.draw(st.sampled_from([*'ABCabc019-_.=+/ \n{"é', "", good[at] * 2, "%3D"]))
    bad = good[:at] + piece + good[at + 1 :]
    if bad == good:
        return

    assert not ours(alg, bad)
    assert not joserfc(alg, bad)
    # PyJWT takes padding from issuers that add it: another spelling of the same signature, and no other difference
    assert not pyjwt_(alg, bad) or bad.rstrip("=") == good.rstrip("=")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_wrong_signature_is_wrong_to_everybody(alg):
    good = made(alg, {}, {})
    size = len(signature_of(good))
    stranger = key(alg, 1)
    another = segment(stranger.sign(good.rpartition(".")[0].encode()))

    for bad in (
        *(with_signature(good, signature) for signature in (bytes(size), b"\xff" * size, b"\0" * (size - 1) + b"\1")),
        with_signature(good, signature_of(good)[:-1]),
        with_signature(good, signature_of(good) + b"\0"),
        f"{good.rpartition('.')[0]}.{another}",
        f"{good.rpartition('.')[0]}.",
    ):
        assert not ours(alg, bad)
        assert not any(judge(alg, bad) for judge in PEERS.values())
