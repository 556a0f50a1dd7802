"""RFC 7519: take a JWT apart, strictly. This file reads; it verifies no signature and says so by its names.

Used for the JWT that the authorization server hands us over its own TLS connection as the answer to our question.
"""

from __future__ import annotations

import binascii
import re
from typing import Any, NamedTuple

from phantomgate.oauth.strict_json import read_object

MAX_JWT_BYTES = 65536
# RFC 7515 §3.1, §2: three base64url segments without padding, the signature not empty
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)").fullmatch


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
    found = _COMPACT(jwt)
    if found is None:
        raise ValueError("not a compact JWT of three base64url segments")
    return UnverifiedJwt(read_object(base64url(found[1])), read_object(base64url(found[2])))


def read_claims(jwt: str) -> dict[str, Any]:
    """The claims of a JWT that was read before, from its packed form. Raises ValueError as `read_unverified`."""
    return read_object(base64url(jwt.split(".", 2)[1]))


def base64url(segment: str) -> bytes:
    """The bytes of an unpadded base64url *segment* (RFC 7515 §2).

    Raises ValueError unless the text is the only one for these bytes: Python's decoder would ignore stray characters
    and unused bits, so that one signature had many spellings.
    """
    left = len(segment) % 4
    if left == 1:
        raise ValueError("a base64url segment of impossible length")
    standard = segment.encode("ascii").translate(_TO_STANDARD)  # UnicodeEncodeError is a ValueError
    data = binascii.a2b_base64(standard + b"=" * (-left % 4), strict_mode=True)
    if left and _LAST_BITS[left].find(segment[-1]) < 0:
        raise ValueError("a base64url segment with bits left over")
    return data


def base64url_text(data: bytes) -> str:
    """The one unpadded base64url text of *data* (RFC 7515 §2)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")


_TO_URL = bytes.maketrans(b"+/", b"-_")
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")  # `!` for what is not in our alphabet: refused
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST_BITS = {2: _ALPHABET[::16], 3: _ALPHABET[::4]}
