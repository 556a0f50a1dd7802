"""Wycheproof's JWS and JWK vectors, every one, by its own verdict; where we differ, the reason stands here."""

import hashlib
import hmac
import json

import pytest

from phantomgate.core.base64url import base64url
from phantomgate.core.errors import Refused
from phantomgate.oauth.algorithms import ALGORITHMS
from phantomgate.oauth.jwks import Key, KeySet, read_key_set
from phantomgate.oauth.jws import verify_jws
from wycheproof import vectors

_HMAC = "HMAC: whoever can read a key set could sign with it, so no symmetric key is taken from one"
_TWO_ALGORITHMS = "the key says PS256, the token PS384: a key is for one algorithm (RFC 8725 section 3.1)"
_NO_ALGORITHM = "the key says ES521, which is the name of no algorithm; it is ES512"
DEVIATIONS = {
    "json_web_signature_test.json": {
        **dict.fromkeys((1, 348, 352, 357, 358, 359, 372, 373, 376, 377), _HMAC),
        **dict.fromkeys((346, 350), _TWO_ALGORITHMS),
        **dict.fromkeys((347, 351), _NO_ALGORITHM),
    },
    "json_web_key_test.json": dict.fromkeys((2, 13, 14, 15), _HMAC),
}
COUNTS = {"json_web_signature_test.json": 401, "json_web_key_test.json": 26}
# With a key for the HMAC vectors, which only this test has, they judge how a compact JWS is read
_OUTSIDE = "a question mark is not in the alphabet of base64url (RFC 7515 section 2)"
_SAME = "letter for letter vector 357, which is valid: the padding that it is named after is not in the file"
MAC_DEVIATIONS = {372: _OUTSIDE, 373: _OUTSIDE, 367: _SAME, 370: _SAME}


def of_hmac(group):
    return group.get("private", {}).get("kty") == "oct"


def verdict(jws, key_set):
    try:
        verify_jws(jws if isinstance(jws, str) else json.dumps(jws), key_set)
    except Refused:
        return "invalid"
    return "valid"


def body(group):
    published = group.get("public") or group["private"]
    return json.dumps(published if "keys" in published else {"keys": [published]}).encode()


def judge(name, group, test):
    try:
        key_set = read_key_set(body(group), sorted(ALGORITHMS))
    except ValueError:
        ours = "invalid"
    else:
        ours = verdict(test["jws"], key_set)
    reason = DEVIATIONS[name].get(test["tcId"])
    assert (ours == test["result"]) == (reason is None), reason


@pytest.mark.parametrize(("group", "test"), vectors("json_web_signature_test.json"))
def test_a_signature_vector(group, test):
    judge("json_web_signature_test.json", group, test)


@pytest.mark.parametrize(("group", "test"), vectors("json_web_key_test.json"))
def test_a_key_vector(group, test):
    judge("json_web_key_test.json", group, test)


@pytest.mark.parametrize(("group", "test"), vectors("json_web_signature_test.json", of_hmac))
def test_a_compact_jws_is_read_as_the_vectors_for_hmac_have_it(group, test):
    jwk = group["private"]
    secret = base64url(jwk["k"].encode())

    def check(signature, signed):
        return hmac.compare_digest(signature, hmac.digest(secret, signed, hashlib.sha256))

    ours = verdict(test["jws"], KeySet(["HS256"], [Key(jwk["kid"], "HS256", 32, check)]))

    reason = MAC_DEVIATIONS.get(test["tcId"])
    assert (ours == test["result"]) == (reason is None), reason


@pytest.mark.parametrize("name", COUNTS)
def test_every_vector_is_here(name):
    found = [param.values[1] for param in vectors(name)]
    if found == [None]:
        pytest.skip(f"no {name}")

    assert COUNTS[name] == len(found)
    assert set(DEVIATIONS[name]) <= {test["tcId"] for test in found}


def test_the_vectors_that_contradict_another_really_do():
    found = {
        param.values[1]["tcId"]: param.values[1]["jws"]
        for param in vectors("json_web_signature_test.json")
        if param.values[1]
    }
    if not found:
        pytest.skip("no vectors")

    assert found[357] == found[367] == found[370]
