"""How a token is packed for a cache: small, versioned, and nothing that could be mistaken for something else.

A record holds the facts only. No verdict of a policy is ever written, so none can be read back.
"""

from __future__ import annotations

from struct import Struct

from phantomgate.core.model import Source, Token
from phantomgate.oauth.claims import read_scopes
from phantomgate.oauth.unverified import read_claims

# version, exp (Unix seconds); then the JWT. The claims are the JWT's own, so they are not kept twice.
_HEAD = Struct("!Bd")
_VERSION = 1


def pack(token: Token) -> bytes:
    """The record of *token*."""
    return _HEAD.pack(_VERSION, token.expires_at) + token.jwt.encode("ascii")


def unpack(record: bytes, *, fresh_until: float, issuer: str, source: Source) -> Token:
    """The token of *record*. Raises ValueError for anything that `pack` did not write."""
    if len(record) <= _HEAD.size or record[0] != _VERSION:
        raise ValueError("not a record of this version")
    _, expires_at = _HEAD.unpack_from(record)
    jwt = record[_HEAD.size :].decode("ascii")
    claims = read_claims(jwt)
    return Token(jwt, claims, read_scopes(claims), expires_at, fresh_until, issuer, source)
