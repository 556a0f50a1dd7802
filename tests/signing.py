"""An issuer for tests: a key of every kind, and tokens signed exactly as told, sound or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from phantomgate.core.errors import Refused
from phantomgate.oauth.jwks import KeySet, read_key_set
from tokens import NOW, segment

ISSUER = "https://as.example"
AUDIENCE = "https://api.example"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
ALL = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448")


class SigningKey(NamedTuple):
    """A private key, the one algorithm that it signs with, and how the issuer publishes it."""

    private: Any
    alg: str
    jwk: dict[str, Any]

    def sign(self, data: bytes) -> bytes:
        """A good signature of *data*, as RFC 7518 has it."""
        alg, private = self.alg, self.private
        if alg[:2] in ("RS", "PS"):
            digest = digest_of(alg)
            scheme = padding.PKCS1v15() if alg[:2] == "RS" else padding.PSS(padding.MGF1(digest), digest.digest_size)
            return private.sign(data, scheme, digest)
        if alg[:2] == "ES":
            r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest_of(alg))))
            return fixed(alg, r, s)
        return private.sign(data)


def digest_of(alg: str) -> hashes.HashAlgorithm:
    """The hash that *alg* is named after."""
    return getattr(hashes, f"SHA{alg[2:]}")()


def fixed(alg: str, r: int, s: int) -> bytes:
    """r and s as RFC 7518 §3.4 joins them."""
    size = (CURVES[alg].key_size + 7) // 8
    return r.to_bytes(size) + s.to_bytes(size)


@lru_cache
def key(alg: str, number: int = 0, bits: int = 2048) -> SigningKey:
    """The *number*th key for *alg*, made once a run and named `<alg>-<number>`."""
    kid = f"{alg}-{number}"
    if alg[:2] in ("RS", "PS"):
        private = rsa.generate_private_key(65537, bits)
        return SigningKey(private, alg, {"kty": "RSA", "kid": kid, "use": "sig", "alg": alg, **rsa_members(private)})
    if alg[:2] == "ES":
        private = ec.generate_private_key(CURVES[alg])
        return SigningKey(private, alg, {"kty": "EC", "kid": kid, "use": "sig", "alg": alg, **ec_members(private)})
    private = (ed448.Ed448PrivateKey if alg == "Ed448" else ed25519.Ed25519PrivateKey).generate()
    crv = "Ed448" if alg == "Ed448" else "Ed25519"
    members = {"kty": "OKP", "kid": kid, "use": "sig", "alg": alg, "crv": crv}
    return SigningKey(private, alg, {**members, "x": segment(private.public_key().public_bytes_raw())})


def rsa_members(private: rsa.RSAPrivateKey) -> dict[str, str]:
    """`n` and `e` of the public half."""
    numbers = private.public_key().public_numbers()
    return {"n": number(numbers.n), "e": number(numbers.e)}


def ec_members(private: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """`crv`, `x` and `y` of the public half."""
    numbers = private.public_key().public_numbers()
    size = (private.curve.key_size + 7) // 8
    crv = {256: "P-256", 384: "P-384", 521: "P-521"}[private.curve.key_size]
    return {"crv": crv, "x": segment(numbers.x.to_bytes(size)), "y": segment(numbers.y.to_bytes(size))}


def number(value: int) -> str:
    """*value* as RFC 7518 §2 writes integers."""
    return segment(value.to_bytes((value.bit_length() + 7) // 8))


def key_set_body(*jwks: Mapping[str, Any]) -> bytes:
    """What the issuer publishes at its `jwks_uri`."""
    return json.dumps({"keys": jwks}).encode()


def keys(*signing: SigningKey | Mapping[str, Any], algorithms: tuple[str, ...] = ()) -> KeySet:
    """The key set of *signing*; *algorithms* are those of the keys unless given."""
    jwks = [one.jwk if isinstance(one, SigningKey) else one for one in signing]
    return read_key_set(key_set_body(*jwks), algorithms or tuple(dict.fromkeys(jwk["alg"] for jwk in jwks)))


def claims_of(**changes: Any) -> dict[str, Any]:
    """Claims of an access token that is good for an hour from the fake clock's time; None drops one."""
    facts = {
        "iss": ISSUER,
        "sub": "ann",
        "aud": AUDIENCE,
        "client_id": "web",
        "jti": "8c2f7d4e",
        "scope": "read write",
        "exp": NOW + 3600,
        "iat": NOW,
    }
    facts.update(changes)
    return {name: value for name, value in facts.items() if value is not None}


def token(signing: SigningKey, claims: object = None, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """An access token of *signing*; *header* changes members (None drops one), *changes* the claims."""
    head = {"alg": signing.alg, "typ": "at+jwt", "kid": signing.jwk["kid"], **(header or {})}
    return signed(
        signing,
        {name: value for name, value in head.items() if value is not None},
        claims_of(**changes) if claims is None else claims,
    )


def signed(signing: SigningKey, header: object, payload: object) -> str:
    """Exactly *header* and *payload* (bytes are taken as they are), signed well."""
    data = f"{segment(header)}.{segment(payload)}"
    return f"{data}.{segment(signing.sign(data.encode('ascii')))}"


def with_signature(jws: str, signature: bytes) -> str:
    """*jws* with another signature."""
    return f"{jws.rpartition('.')[0]}.{segment(signature)}"


def signature_of(jws: str) -> bytes:
    """The signature's bytes."""
    from phantomgate.core.base64url import base64url

    return base64url(jws.rpartition(".")[2].encode("ascii"))


def refusal(read: Any, *args: Any, **more: Any) -> Refused:
    """The Refused that *read* raises; anything else goes through, and no exception is a failure."""
    try:
        value = read(*args, **more)
    except Refused as no:
        return no
    raise AssertionError(f"not refused: {value}")
