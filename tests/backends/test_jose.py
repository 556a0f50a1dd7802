"""Our keys: each for one algorithm, its private part never seen, its signatures good for other people's verifiers."""

import json

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from phantomgate.backends.jose import hmac_signer, key_set, read_signing_key, signer
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jws import verify_jws

EC = ECKey.generate_key("P-256")
ED = OKPKey.generate_key("Ed25519")
RSA = RSAKey.generate_key(2048)
KINDS = pytest.mark.parametrize(
    ("key", "alg"), [(EC, "ES256"), (ED, "EdDSA"), (RSA, "RS256")], ids=["ES256", "EdDSA", "RS256"]
)


def pem(key, private=True):
    return key.as_pem(private=private).decode()


def jwk(key, private=True, **more):
    return json.dumps(key.as_dict(private=private) | more)


@KINDS
@pytest.mark.parametrize("form", [pem, jwk])
def test_what_it_signs_our_verifier_and_another_accept(drive, key, alg, form):
    mine = read_signing_key(form(key))

    token = drive(signer(mine)("at+jwt", {"sub": "ånn", "exp": 7}))

    header, payload = verify_jws(token, read_key_set(key_set([mine]), [alg]))
    assert header.values == {"alg": alg, "kid": key.thumbprint(), "typ": "at+jwt"}
    assert json.loads(payload) == {"sub": "ånn", "exp": 7}
    if alg != "EdDSA":  # joserfc warns of that name
        assert jws.deserialize_compact(token, key, algorithms=[alg]).payload == payload


@KINDS
def test_no_private_part_is_published_or_printed(key, alg):
    mine = read_signing_key(pem(key))

    shown = key_set([mine]).decode() + repr(mine)

    for name in ("d", "p", "q", "dp", "dq", "qi"):
        assert f'"{name}"' not in shown
        assert not key.as_dict(private=True).get(name) or key.as_dict(private=True)[name] not in shown
    assert KeySet.import_key_set(json.loads(key_set([mine]))).keys[0].thumbprint() == key.thumbprint()


def test_a_kid_of_its_own_is_kept():
    assert read_signing_key(jwk(EC, kid="2026-a")).kid == "2026-a"


def test_a_public_key_publishes_and_never_signs():
    mine = read_signing_key(pem(EC, private=False))

    assert json.loads(key_set([mine]))["keys"][0]["kid"] == EC.thumbprint()
    with pytest.raises(ValueError, match="public key, which can't sign"):
        signer(mine)


def test_a_key_set_with_a_kid_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        key_set([read_signing_key(pem(EC)), read_signing_key(jwk(EC))])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary",
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
        "{}",
        "[]",
        '"canary"',
        '{"kty": "EC"}',
        '{"kty": "oct", "k": "canarycanarycanarycanarycanarycanary"}',
        '{"kty": ["EC"]}',
        "[" * 100_000,
        pem(ECKey.generate_key("P-384")),
        pem(OKPKey.generate_key("X25519")),
        jwk(EC, alg="RS256"),
        jwk(EC, use="enc"),
        jwk(EC, kid=7),
    ],
    ids=range(15),
)
def test_what_is_no_key_of_ours_is_refused_without_being_quoted(text):
    with pytest.raises(ValueError, match=r"^holds ") as no:
        read_signing_key(text)
    assert "canary" not in str(no.value)


def test_a_short_rsa_key_is_refused():
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the point
    text = short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    with pytest.warns(SecurityWarning), pytest.raises(ValueError, match="1024 bits"):
        read_signing_key(text)


def test_an_hmac_needs_a_secret_as_long_as_its_hash(drive):
    secret = "s" * 32
    token = drive(hmac_signer(secret)("JWT", {"a": 1}))

    assert jws.deserialize_compact(token, OctKey.import_key(secret), algorithms=["HS256"]).payload == b'{"a":1}'
    with pytest.raises(ValueError, match="31 bytes"):
        hmac_signer("s" * 31)
