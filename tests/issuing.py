"""An issuer for tests that really signs: ES256 keys made once a run, key sets, metadata."""

from __future__ import annotations

import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from phantomgate.core.ports import HttpReply
from phantomgate.testing import reply
from tokens import NOW, segment

ISS = "https://as.example"


@cache
def key(kid: str) -> ec.EllipticCurvePrivateKey:
    """The private key that tests call *kid*."""
    return ec.generate_private_key(ec.SECP256R1())


def jwk(kid: str) -> dict[str, str]:
    numbers = key(kid).public_key().public_numbers()
    x, y = (segment(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig", "x": x, "y": y}


def key_set(*kids: str) -> bytes:
    return json.dumps({"keys": [jwk(kid) for kid in kids]}).encode()


def key_reply(*kids: str, max_age: int | None = None) -> HttpReply:
    more = {} if max_age is None else {"cache_control": f"max-age={max_age}"}
    return reply(200, key_set(*kids), content_type="application/json", **more)


def signed(kid: str = "k1", header: dict | None = None, **claims: object) -> str:
    """An access token good for an hour, signed by *kid*; None drops a claim."""
    facts = {"iss": ISS, "sub": "ann", "aud": "api", "scope": "read", "iat": NOW, "exp": NOW + 3600, **claims}
    facts = {name: value for name, value in facts.items() if value is not None}
    head = {"alg": "ES256", "typ": "at+jwt", "kid": kid} if header is None else header
    text = f"{segment(head)}.{segment(facts)}"
    r, s = decode_dss_signature(key(kid).sign(text.encode(), ec.ECDSA(SHA256())))
    return f"{text}.{segment(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def metadata(issuer: str = ISS, **more: object) -> HttpReply:
    said = {"issuer": issuer, "jwks_uri": f"{issuer}/keys", "introspection_endpoint": f"{issuer}/introspect", **more}
    said = {name: value for name, value in said.items() if value is not None}
    return reply(200, json.dumps(said), content_type="application/json")
