"""RFC 7519 §7.2: verify a JWT: the signature by one of the issuer's keys, then what it says by the issuer's rules.

Rule: pure. Keys, rules and time are given; who fetches keys, and fetches them again, is a resolver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.typed import NamedTuple, hiding
from phantomgate.oauth.jwks import KeySet
from phantomgate.oauth.jws import MAX_BYTES, verify_jws
from phantomgate.oauth.jwt_rules import Rules
from phantomgate.oauth.quoting import why
from phantomgate.oauth.strict_json import read_object


@hiding("header", "claims")
class Verified(NamedTuple):
    """What the issuer says, and nobody else could have."""

    header: Mapping[str, Any]
    claims: dict[str, Any]


def verify(jwt: str, keys: KeySet, rules: Rules, now: float, *, max_bytes: int = MAX_BYTES) -> Verified:
    """What *jwt* says, if a key of *keys* has signed it and it keeps *rules* at the Unix time *now*.

    Raises Refused with the reason of the first check that fails, and its subtype `jws.UnknownKey` when only a newer
    key set could tell. The text never quotes the token.
    """
    header, payload = verify_jws(jwt, keys, max_bytes=max_bytes)
    try:
        claims = read_object(payload)
    except ValueError as error:
        raise Refused(Reason.INVALID_TOKEN, f"the claims can't be read: {why(error)}") from None
    for check in rules.checks:
        check(header, claims, rules, now)
    return Verified(header.values, claims)
