"""RFC 7519: take a JWT apart, strictly. This file reads; it verifies no signature and says so by its names.

Used for the JWT that the authorization server hands us over its own TLS connection as the answer to our question.
Whoever has only the JWT itself wants `oauth.jwt.verify`.
"""

from __future__ import annotations

from typing import Any

from phantomgate.core.base64url import base64url
from phantomgate.core.characters import BASE64URL, only_bytes
from phantomgate.core.typed import NamedTuple, hiding
from phantomgate.oauth.strict_json import read_object

MAX_JWT_BYTES = 65536


@hiding("header", "claims")
class UnverifiedJwt(NamedTuple):
    """What a JWT says of itself. Nobody has checked who says it."""

    header: dict[str, Any]
    claims: dict[str, Any]


def read_unverified(jwt: str) -> UnverifiedJwt:
    """Header and claims of the compact JWS *jwt*; the signature is not looked at.

    Raises ValueError when it has not three base64url segments, when a segment is not canonical, or when header or
    payload is not one strict JSON object. The text never quotes the token.
    """
    if len(jwt) > MAX_JWT_BYTES:
        raise ValueError(f"a JWT of {len(jwt)} bytes, want at most {MAX_JWT_BYTES}")
    segments = _ascii(jwt).split(b".", 3)
    # RFC 7515 §3.1, §2: three base64url segments without padding, the signature not empty
    if len(segments) != 3 or not all(segments) or not only_bytes(b"".join(segments), BASE64URL):
        raise ValueError("not a compact JWT of three base64url segments")
    return UnverifiedJwt(read_object(base64url(segments[0])), read_object(base64url(segments[1])))


def read_claims(jwt: str) -> dict[str, Any]:
    """The claims of a JWT that was read before, from its packed form. Raises ValueError as `read_unverified`."""
    segments = _ascii(jwt).split(b".", 2)
    if len(segments) != 3:
        raise ValueError("not three segments")
    return read_object(base64url(segments[1]))


def _ascii(jwt: str) -> bytes:
    try:
        return jwt.encode("ascii")
    except UnicodeEncodeError:  # which shows all of it
        raise ValueError("a JWT with characters beyond ASCII") from None
