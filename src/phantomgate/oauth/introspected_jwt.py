"""The JWT that an introspection answer hands over, verified: signed by its issuer, and saying what the answer says.

Rule: pure, and optional, for the connection has vouched for the answer already. Where it is wanted, whatever is wrong
is the server's fault (502), not the token's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.claims import read_audiences, read_scopes, read_time
from phantomgate.oauth.jwks import KeySet
from phantomgate.oauth.jws import UnknownKey
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import (
    Rules,
    check_issuer,
    check_kind,
    check_own_keys,
    check_required,
    check_type_of_no_other,
)

MAX_BYTES = 65536


def introspected_rules(issuer: str) -> Rules:
    """What the JWT in an answer of *issuer* must be. Its times and whom it is for are looked at elsewhere, as ever."""
    checks = (check_type_of_no_other, check_own_keys, check_kind, check_required, check_issuer)
    return Rules(issuer, frozenset(), frozenset(), ("iss", "exp"), checks)


def check_introspected(jwt: str, stated: Mapping[str, Any], keys: KeySet, rules: Rules, now: float) -> None:
    """That *jwt* is its issuer's, and agrees with what the answer around it *stated*, at the Unix time *now*.

    Raises UnknownKey when only a newer key set could tell, and Refused(BAD_ANSWER) for everything else.
    """
    try:
        claims = verify(jwt, keys, rules, now, max_bytes=MAX_BYTES).claims
        name = disagreement(stated, claims)
    except UnknownKey:
        raise
    except Refused as no:
        raise bad_jwt(no.detail) from None
    if name:
        raise bad_jwt(f"its {name} is not the one that the answer states beside it")


def bad_jwt(detail: str) -> Refused:
    """The refusal of an answer's JWT for *detail*."""
    return Refused(Reason.BAD_ANSWER, f"the answer's JWT can't be used: {detail}")


def disagreement(stated: Mapping[str, Any], signed: Mapping[str, Any]) -> str:
    """The first claim of which the two say different things, or "". Only one of them saying it is no disagreement.

    Raises Refused when either says it in a form that nobody can read.
    """
    for name, read in _COMPARED:
        if name in stated and name in signed and read(stated, name) != read(signed, name):
            return name
    spoken = [claims for claims in (stated, signed) if "scope" in claims or "scp" in claims]
    return "scope" if len(spoken) > 1 and read_scopes(stated) != read_scopes(signed) else ""


def _as_it_is(claims: Mapping[str, Any], name: str) -> object:
    return claims[name]


def _seconds(claims: Mapping[str, Any], name: str) -> object:
    return int(read_time(claims, name))  # servers that keep fractions leave them out of one form and not of the other


def _audiences(claims: Mapping[str, Any], name: str) -> object:  # noqa: ARG001 - the shape of a reader
    return read_audiences(claims)


_COMPARED: tuple[tuple[str, Callable[[Mapping[str, Any], str], object]], ...] = (
    ("iss", _as_it_is),
    ("sub", _as_it_is),
    ("client_id", _as_it_is),
    ("jti", _as_it_is),
    ("aud", _audiences),
    ("exp", _seconds),
    ("nbf", _seconds),
    ("iat", _seconds),
)
"""Claims that RFC 7662 §2.2 and RFC 7519 §4.1 share."""
