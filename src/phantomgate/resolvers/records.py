"""How a token is packed for a cache: small, versioned, and nothing that could be mistaken for something else.

A record holds the facts only. No verdict of a policy is ever written, so none can be read back. A JWT is kept as the
bytes behind its three base64url segments, a quarter less than its text, from which that text is made again: there is
only one, since a segment that is not canonical is kept as it came.
"""

from __future__ import annotations

import json
import struct

from phantomgate.core.base64url import base64url, base64url_text
from phantomgate.core.model import Source, Token
from phantomgate.oauth.claims import read_scopes
from phantomgate.oauth.strict_json import read_object
from phantomgate.oauth.unverified import read_claims

# version, exp (Unix seconds), how many purges were heard of when it was asked for; then the JWT, whose claims are its
# own and not kept twice, or, without one, the claims
_HEAD = struct.Struct("!BdQ")
_TEXT, _SEGMENTS, _CLAIMS = 1, 2, 3
# the lengths of header and payload; the signature is the rest
_LENGTHS = struct.Struct("!HH")


def pack(token: Token) -> bytes:
    """The record of *token*."""
    if not token.jwt:
        facts = json.dumps(dict(token.claims), separators=(",", ":"), allow_nan=False)
        return _HEAD.pack(_CLAIMS, token.expires_at, token.heard) + facts.encode("ascii")
    try:
        header, payload, signature = (base64url(segment) for segment in token.jwt.encode("ascii").split(b"."))
        lengths = _LENGTHS.pack(len(header), len(payload))
    except (ValueError, struct.error):
        return _HEAD.pack(_TEXT, token.expires_at, token.heard) + token.jwt.encode("ascii")
    return b"".join((_HEAD.pack(_SEGMENTS, token.expires_at, token.heard), lengths, header, payload, signature))


def unpack(record: bytes, *, fresh_until: float, issuer: str, source: Source, presented: str = "") -> Token:
    """The token of *record*, as it was *presented*. Raises ValueError for anything that `pack` did not write."""
    if len(record) <= _HEAD.size or record[0] not in (_TEXT, _SEGMENTS, _CLAIMS):
        raise ValueError("not a record of this version")
    version, expires_at, heard = _HEAD.unpack_from(record)
    if version == _SEGMENTS:
        if len(record) <= _HEAD.size + _LENGTHS.size:
            raise ValueError("a record that ends too soon")
        header_length, payload_length = _LENGTHS.unpack_from(record, _HEAD.size)
        start = _HEAD.size + _LENGTHS.size
        middle = start + header_length
        end = middle + payload_length
        payload = record[middle:end]
        claims = read_object(payload)
        jwt = f"{base64url_text(record[start:middle])}.{base64url_text(payload)}.{base64url_text(record[end:])}"
    elif version == _CLAIMS:
        jwt, claims = "", read_object(record[_HEAD.size :])
    else:
        jwt = record[_HEAD.size :].decode("ascii")
        claims = read_claims(jwt)
    if source is not Source.MEMORY:
        heard = 0  # counted by another process, whose count says nothing here
    return Token(jwt, claims, read_scopes(claims), expires_at, fresh_until, issuer, source, presented, heard=heard)
