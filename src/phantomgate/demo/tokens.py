"""Signs and verifies the demo's JWTs: the only file here that knows joserfc. Keys are made at start, never stored."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

Algorithm: TypeAlias = Literal["ES256", "RS256"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the one algorithm it is for."""

    algorithm: Algorithm
    key: ECKey | RSAKey = field(repr=False)

    def sign(self, claims: Mapping[str, Any], typ: str = "at+jwt") -> str:
        """*claims* as a signed JWT: an access token (RFC 9068 §2.1) unless *typ* says otherwise."""
        header = {"alg": self.algorithm, "typ": typ, "kid": self.key.kid}
        return jwt.encode(header, dict(claims), self.key, algorithms=[self.algorithm])

    def public(self) -> dict[str, Any]:
        """The JWK set (RFC 7517 §5) that verifies what this key signs; nothing private is in it."""
        return {"keys": [dict(self.key.as_dict(private=False))]}


def make_key(algorithm: Algorithm = "ES256") -> SigningKey:
    """A new key with a random `kid`; RSA has 2048 bits (RFC 7518 §3.3)."""
    parameters: Any = {"use": "sig", "alg": algorithm, "kid": secrets.token_urlsafe(8)}
    if algorithm == "ES256":
        return SigningKey(algorithm, ECKey.generate_key("P-256", parameters))
    return SigningKey(algorithm, RSAKey.generate_key(2048, parameters))


@dataclass(frozen=True, slots=True)
class VerifiedJwt:
    """A JWT whose signature and claims are good."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    scopes: frozenset[str]


def verify(compact: str, jwks: Mapping[str, Any], *, issuer: str, audience: str, now: float) -> VerifiedJwt:
    """The JWT *compact* as RFC 9068 §4 wants it checked. Raises ValueError that says which check failed; *now* is Unix
    time in seconds."""
    try:
        keys = KeySet.import_key_set({"keys": list(jwks["keys"])})
        token = jwt.decode(compact, keys, algorithms=["ES256", "RS256"])
    except (JoseError, ValueError, KeyError, TypeError) as wrong:
        raise ValueError(f"not a JWT signed by the authorization server ({type(wrong).__name__})") from wrong
    for check in (_typ, _iss(issuer), _aud(audience), _exp(now)):
        check(token.header, token.claims)
    scope = token.claims.get("scope", "")
    return VerifiedJwt(token.header, token.claims, frozenset(scope.split() if isinstance(scope, str) else ()))


_Check: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], None]


def _typ(header: Mapping[str, Any], _: Mapping[str, Any]) -> None:
    # RFC 9068 §4: any other type, an ID token above all, is not an access token.
    if str(header.get("typ", "")).lower().removeprefix("application/") != "at+jwt":
        raise ValueError(f"typ is {header.get('typ')!r}, want 'at+jwt'")


def _iss(issuer: str) -> _Check:
    def check(_: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        if claims.get("iss") != issuer:
            raise ValueError(f"iss is {claims.get('iss')!r}, want {issuer!r}")

    return check


def _aud(audience: str) -> _Check:
    def check(_: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        aud = claims.get("aud")
        if audience not in (aud if isinstance(aud, list) else [aud]):
            raise ValueError(f"aud is {aud!r}, want {audience!r}")

    return check


def _exp(now: float) -> _Check:
    def check(_: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        exp = claims.get("exp")
        if isinstance(exp, bool) or not isinstance(exp, (int, float)) or not now < exp:
            raise ValueError(f"exp is {exp!r}, want a number above {int(now)}")

    return check
