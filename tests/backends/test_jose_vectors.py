"""Wycheproof's JWE vectors, every one, and the example of RFC 7520 that uses what we accept.

By its own verdict is judged what uses the algorithms that we accept; everything else must be refused, valid or not.
"""

import json
from pathlib import Path

import pytest

from phantomgate.backends.jose import decrypter
from phantomgate.core.base64url import base64url
from wycheproof import vectors

NAME = "json_web_encryption_test.json"
ALGORITHMS = {("RSA", "RSA-OAEP-256"), ("EC", "ECDH-ES")}
ENCODINGS = {"A256GCM", "A128CBC-HS256"}
DEVIATIONS = {131: "the text of RFC 7520 has a dash that is not ASCII; what is encrypted for us is a JWT, which is"}
COUNT, JUDGED = 139, 5
EXAMPLES = json.loads((Path(__file__).parent.parent / "vectors" / "jwe" / "rfc7520.json").read_text(encoding="utf-8"))


def ours(group, test):
    """Whether we accept the algorithms of a vector at all: those of the key, and of the token's own header."""
    key = group["private"]
    try:
        header = json.loads(base64url(test["jwe"].split(".")[0].encode()))
    except ValueError:
        return False
    alg, enc = header.get("alg"), header.get("enc")
    return (key["kty"], alg) in ALGORITHMS and enc in ENCODINGS and key.get("alg", alg) == alg


def opened(key, jwe):
    """The plaintext, or None for a refusal."""
    try:
        return decrypter(json.dumps(key))(jwe)
    except ValueError:
        return None


@pytest.mark.parametrize(("group", "test"), vectors(NAME))
def test_a_vector(group, test):
    said = opened(group["private"], test["jwe"])
    if test["result"] == "valid" and ours(group, test) and test["tcId"] not in DEVIATIONS:
        assert bytes.fromhex(test["pt"]).decode() == said
    else:
        assert said is None


def test_every_vector_is_here_and_some_are_judged_by_their_own_verdict():
    found = [param.values for param in vectors(NAME)]
    if found == [(None, None)]:
        pytest.skip(f"no {NAME}")

    assert COUNT == len(found)
    assert JUDGED == sum(ours(group, test) for group, test in found)
    assert set(DEVIATIONS) <= {test["tcId"] for group, test in found if ours(group, test)}


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["source"] for example in EXAMPLES])
def test_an_example_of_the_rfc(example):
    if example["verdict"] == "refused":
        assert opened(example["jwk"], example["jwe"]) is None
        return
    with pytest.raises(UnicodeDecodeError) as decrypted:  # it was opened, and is no JWT
        decrypter(json.dumps(example["jwk"]))(example["jwe"])
    assert example["plaintext"].encode() == decrypted.value.object
