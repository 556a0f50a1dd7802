"""What is encrypted to us is opened by one algorithm a key, whole and unchanged, or not at all."""

import base64
import json

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from attacks.cases import attack
from phantomgate.backends.jose import decrypter

EC, RSA = ECKey.generate_key("P-256"), RSAKey.generate_key(2048)
OPENS = {key.key_type: decrypter(key.as_pem(private=True).decode()) for key in (EC, RSA)}
SECRET = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"
WAYS = [
    pytest.param(key, alg, enc, id=f"{alg}-{enc}")
    for key, alg in ((EC, "ECDH-ES"), (RSA, "RSA-OAEP-256"))
    for enc in ("A256GCM", "A128CBC-HS256")
]


def segment(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def data(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encrypted(key, alg, enc, **more):
    registry = jwe.JWERegistry(algorithms=[alg, enc, "DEF"], strict_check_header=False)
    return jwe.encrypt_compact({"alg": alg, "enc": enc} | more, SECRET, key, registry=registry)


def opens(key):
    return OPENS[key.key_type]


def refused(key, token):
    with pytest.raises(ValueError) as no:
        opens(key)(token)
    assert SECRET not in str(no.value)
    return str(no.value)


@pytest.mark.parametrize(("key", "alg", "enc"), WAYS)
def test_what_is_encrypted_to_us_is_opened(key, alg, enc):
    assert SECRET == opens(key)(encrypted(key, alg, enc))


@pytest.mark.parametrize(("key", "alg", "enc"), WAYS)
def test_whatever_is_changed_it_is_not_opened_and_says_no_more(key, alg, enc):
    """One text for every failure after the header: which step failed is nobody's business (RFC 7516 section 11.5)."""
    token = encrypted(key, alg, enc)
    parts = token.split(".")
    said = set()
    for at, part in enumerate(parts):
        changes = ["", part + "AAAA", part[:-4], part + "=", part + "\n", f"{part[:4]} {part[4:]}", f"{part}!!!!"]
        if part:
            flipped = bytearray(data(part))
            flipped[len(flipped) // 2] ^= 1
            changes.append(segment(bytes(flipped)))
        for changed in changes:
            if changed != part and at > 0:
                said.add(refused(key, ".".join([*parts[:at], changed, *parts[at + 1 :]])))
            elif changed != part:
                refused(key, ".".join([changed, *parts[1:]]))
    assert {f"not decrypted by {alg}"} == said


@pytest.mark.parametrize("length", range(16))
@pytest.mark.parametrize(("key", "alg", "enc"), WAYS)
def test_a_tag_that_is_cut_is_no_tag(key, alg, enc, length):
    *parts, tag = encrypted(key, alg, enc).split(".")
    refused(key, ".".join([*parts, segment(data(tag)[:length])]))


@pytest.mark.parametrize("more", [{"zip": "DEF"}, {"crit": []}])
def test_compression_and_extensions_are_not_taken(more):
    refused(EC, encrypted(EC, "ECDH-ES", "A256GCM", **more))


def with_header(text):
    return ".".join([segment(text.encode()), *encrypted(EC, "ECDH-ES", "A256GCM").split(".")[1:]])


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{",
        "[]",
        '"ECDH-ES"',
        '{"alg": NaN}',
        '{"enc": "A256GCM"}',
        '{"alg": "ECDH-ES"}',
        '{"alg": {}, "enc": []}',
        '{"alg": "dir", "enc": "A256GCM"}',
        '{"alg": "none", "enc": "A256GCM"}',
        '{"alg": "ECDH-ES", "enc": "A256GCM", "crit": ["exp"], "exp": 1}',
        '{"alg": "ECDH-ES", "enc": "A256GCM", "enc": "A256GCM"}',
        "[" * 40_000,
    ],
    ids=range(13),
)
def test_a_header_that_is_none_of_ours_opens_nothing(header):
    refused(EC, with_header(header))


def public(key):
    return key.as_dict(private=False)


@attack("JWT-066")
@pytest.mark.parametrize(
    "epk",
    [
        None,
        "x",
        [],
        {},
        public(EC) | {"y": segment(bytes(31) + b"\1")},
        public(EC) | {"x": segment(bytes(32)), "y": segment(bytes(32))},
        public(EC) | {"x": segment(bytes(1000))},
        public(ECKey.generate_key("P-384")),
        public(RSA),
        {"kty": "OKP", "crv": "X25519", "x": segment(bytes(32))},
    ],
    ids=["null", "text", "list", "empty", "off the curve", "zero", "long", "P-384", "RSA", "X25519"],
)
def test_a_key_that_is_no_point_of_our_curve_opens_nothing(case, epk):
    refused(EC, with_header(json.dumps({"alg": "ECDH-ES", "enc": "A256GCM", "epk": epk})))


@pytest.mark.parametrize(
    ("key", "said", "why"),
    [
        (EC, {"alg": "ECDH-ES+A128KW"}, "another algorithm than ECDH-ES"),
        (EC, {"alg": "ES256"}, "another algorithm than ECDH-ES"),
        (RSA, {"alg": "RSA-OAEP"}, "another algorithm than RSA-OAEP-256"),
        (RSA, {"use": "sig"}, '"use" is not "enc"'),
        (EC, {"key_ops": ["sign"]}, "deriveKey or deriveBits"),
        (RSA, {"key_ops": ["unwrapKey"]}, "don't name decrypt"),
    ],
)
def test_a_key_that_says_it_is_for_something_else_is_refused(key, said, why):
    with pytest.raises(ValueError, match=why):
        decrypter(json.dumps(key.as_dict(private=True) | said))


@pytest.mark.parametrize(
    ("key", "said"),
    [(EC, {"alg": "ECDH-ES", "use": "enc"}), (EC, {"key_ops": ["deriveKey"]}), (RSA, {"key_ops": ["decrypt"]})],
)
def test_a_key_that_says_it_is_for_this_opens(key, said):
    alg = "ECDH-ES" if key is EC else "RSA-OAEP-256"
    assert SECRET == decrypter(json.dumps(key.as_dict(private=True) | said))(encrypted(key, alg, "A256GCM"))
