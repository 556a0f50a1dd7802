"""OpenID Connect Core §3.1.3.7, §12.2: what an ID token must say to be one, for us, and of this login. Pure.

Rule: an ID token is verified by the issuer's keys although TLS has brought it, and its rules are a list of their own:
no access token, logout token or proof passes as one. What belongs to one login (nonce, access token) is checked beside.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from phantomgate.core.base64url import base64url_text
from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.jose_header import Header
from phantomgate.oauth.jwt import Verified
from phantomgate.oauth.jwt_rules import (
    ABSENT,
    Rules,
    check_audience,
    check_begun,
    check_expiry,
    check_issuer,
    check_names,
    check_own_keys,
    check_required,
    check_type,
)
from phantomgate.oauth.quoting import shown

TYPES = frozenset((ABSENT, "jwt", "id_token+jwt"))
MAX_BYTES = 16384
_OTHERS = {
    "events": "a logout token or security event",  # OpenID Connect Back-Channel Logout §2.4
    "token_introspection": "an introspection response",
    "htm": "a DPoP proof",
    "htu": "a DPoP proof",
}
# How servers that give all their tokens one `typ` tell them apart: Keycloak, Cognito, Curity
_KINDS = {"typ": ("id",), "token_use": ("id",), "purpose": ("id", "id_token")}


def id_token_rules(issuer: str, client_id: str, clock_skew: float = 5.0) -> Rules:
    """The rules for ID tokens of *issuer* for us, its client *client_id*; *clock_skew* in seconds."""
    return Rules(
        issuer,
        frozenset((client_id,)),
        TYPES,
        ("iss", "sub", "aud", "exp", "iat"),
        (
            check_type,
            check_own_keys,
            check_id_kind,
            check_required,
            check_names,
            check_issuer,
            check_audience,
            check_authorized_party,
            check_expiry,
            check_begun,
        ),
        clock_skew=clock_skew,
    )


def check_id_kind(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """Nothing says that this is another kind of token (RFC 8725 §3.12)."""
    for name, kind in _OTHERS.items():
        if name in claims:
            raise _refused(f"it has {name}, as {kind} has, and is no ID token")
    for name, words in _KINDS.items():
        value = claims.get(name)
        if name in claims and not (isinstance(value, str) and value.lower() in words):
            raise _refused(f"{name} is {shown(value)}, which is no ID token's")


def check_authorized_party(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`azp` is us if it is there, and it is there when the token is for others too (§3.1.3.7, points 3 to 5)."""
    aud = claims["aud"]
    if isinstance(aud, list) and len(aud) > 1 and "azp" not in claims:
        raise Refused(Reason.WRONG_AUDIENCE, f"aud has {len(aud)} names and there is no azp")
    azp = claims.get("azp")
    if "azp" in claims and not (isinstance(azp, str) and azp in rules.audiences):
        raise Refused(Reason.WRONG_AUDIENCE, f"azp is {shown(azp)}, want our client_id")


def check_login(said: Verified, *, nonce: str, access_token: str) -> None:
    """The token is of the login that *nonce* was made for, and came with *access_token*. Raises Refused."""
    found = said.claims.get("nonce")
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(), nonce.encode()):  # point 11
        raise _refused("nonce is missing or not that of this login")
    check_access_token(said, access_token)


def check_refreshed(said: Verified, before: Mapping[str, Any], access_token: str) -> None:
    """The token is about the same person and login as *before*, the claims of the first one (§12.2)."""
    for name in ("sub", "nonce", "auth_time", "sid"):
        if name in said.claims and name in before and said.claims[name] != before[name]:
            raise _refused(f"{name} is not that of the login")
    check_access_token(said, access_token)


def check_access_token(said: Verified, access_token: str) -> None:
    """`at_hash`, where it is there, is that of *access_token* (§3.1.3.6). Raises Refused."""
    if "at_hash" not in said.claims:
        return
    found = said.claims["at_hash"]
    if not isinstance(found, str) or found != half_hash(access_token, str(said.header.get("alg"))):
        raise _refused("at_hash is not that of the access token it came with")


def half_hash(token: str, alg: str) -> str:
    """The left half of the hash that *alg* uses (§3.1.3.6); EdDSA is SHA-512, or SHAKE256 of 114 bytes with Ed448."""
    data = token.encode("ascii")
    if alg == "Ed448":
        digest = hashlib.shake_256(data).digest(114)
    else:
        bits = alg[-3:] if alg[-3:] in ("256", "384", "512") else "512"
        digest = hashlib.new(f"sha{bits}", data).digest()
    return base64url_text(digest[: len(digest) // 2])


def _refused(detail: str) -> Refused:
    return Refused(Reason.INVALID_TOKEN, detail)
