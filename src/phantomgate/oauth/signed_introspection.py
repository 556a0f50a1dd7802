"""RFC 9701: an introspection answer that the server has signed, for us, just now. Pure: a reply in, facts out.

Rule: the JWT here is a statement about a token and "not intended to be used as an access token" (§5, note): it is read
and dropped, and nothing in this file gives it back. Whatever is wrong with it is the server's fault (502), not the
token's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import HttpReply
from phantomgate.oauth.claims import read_time
from phantomgate.oauth.introspection import SIGNED, check_status, one_line
from phantomgate.oauth.jose_header import Header
from phantomgate.oauth.jwks import KeySet
from phantomgate.oauth.jws import UnknownKey
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import (
    Rules,
    check_audience,
    check_begun,
    check_issuer,
    check_own_keys,
    check_required,
    check_type,
)
from phantomgate.oauth.quoting import shown
from phantomgate.oauth.replies import media_type

TYP = "token-introspection+jwt"
MAX_BYTES = 65536
MAX_AGE = 60.0
"""Seconds: an older statement was not made for our question (RFC 9701 §8.1: replay)."""


def statement_rules(issuer: str, client_id: str, clock_skew: float = 5.0) -> Rules:
    """What a statement of *issuer* for us, its client *client_id*, must be (RFC 9701 §5). *clock_skew* in seconds."""
    return Rules(
        issuer,
        frozenset((client_id,)),
        frozenset((TYP,)),
        ("iss", "aud", "iat", "token_introspection"),
        (check_type, check_own_keys, check_required, check_issuer, check_audience, check_begun, check_fresh),
        clock_skew=clock_skew,
    )


def check_fresh(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:  # noqa: ARG001
    """`iat` is within the last minute; `exp`, which should not be there (RFC 9701 §5), is obeyed."""
    age = now - read_time(claims, "iat")
    if age > MAX_AGE:
        raise Refused(Reason.INVALID_TOKEN, f"iat was {age:.0f} s ago, want at most {MAX_AGE:.0f}")
    if "exp" in claims and not now < read_time(claims, "exp"):
        raise Refused(Reason.EXPIRED, "it has expired")


def read_signed(reply: HttpReply) -> str:
    """The JWT, or JWE around one, in *reply*. Raises Refused and Unavailable as `read_introspection`."""
    check_status(reply, "signed")
    content_type = media_type(reply)
    if content_type != SIGNED.encode("ascii"):  # unsigned JSON is no answer either, not even to say "inactive"
        raise Refused(Reason.BAD_ANSWER, f"Content-Type is {shown(content_type.decode('latin-1'))}, want {SIGNED}")
    return one_line(reply.body)


def read_statement(jwt: str, keys: KeySet, rules: Rules, now: float) -> dict[str, Any]:
    """The members of the introspection answer in *jwt*, at the Unix time *now*.

    Raises UnknownKey when only a newer key set could tell, and Refused(BAD_ANSWER) for everything else.
    """
    try:
        said = verify(jwt, keys, rules, now, max_bytes=MAX_BYTES).claims["token_introspection"]
    except UnknownKey:
        raise
    except Refused as no:
        raise bad_statement(no.detail) from None
    if not isinstance(said, dict):
        raise bad_statement("token_introspection is not an object")
    # RFC 9701 §5: `iss` of the statement is the server's; its facts may leave it out, and can't name another
    return {"iss": rules.issuer, **said}


def bad_statement(detail: str) -> Refused:
    """The refusal of a statement for *detail*."""
    return Refused(Reason.BAD_ANSWER, f"the signed answer can't be used: {detail}")
