"""Split tokens: the client holds the signature of a JWT, the gateway the rest. Pure.

    the JWT            header.payload.signature
    the client's       signature
    pushed to us       SHA-256(signature) and header.payload, which nobody can use without the signature

Rule: what was pushed is nobody's word. It is found by the hash of what a client presents, joined with that, and then
verified as any JWT is.
"""

from __future__ import annotations

from binascii import a2b_base64
from hashlib import sha256

from phantomgate.core.errors import Refused
from phantomgate.core.pattern import pattern
from phantomgate.core.typed import NamedTuple, hiding
from phantomgate.oauth.claims import read_time
from phantomgate.oauth.jws import MAX_BYTES
from phantomgate.oauth.unverified import read_unverified

_SIGNATURE = pattern(r"[A-Za-z0-9_-]{43,1024}")  # 32 bytes are the least that any signature has
_HALF = pattern(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HASH = pattern(r"[A-Za-z0-9+/]{43}=?|[A-Za-z0-9_-]{43}=?")


@hiding("key", "half")
class Pushed(NamedTuple):
    """What the authorization server has pushed: under which key, which part of the JWT, and its `exp` (Unix time)."""

    key: bytes
    half: bytes
    expires_at: float


def key_of(signature: str) -> bytes | None:
    """Under which key the rest of the JWT with this *signature* is; None for what can't be a signature."""
    return sha256(signature.encode("ascii")).digest() if _SIGNATURE.fullmatch(signature) else None


def joined(half: bytes, signature: str) -> str:
    """The whole JWT."""
    return f"{half.decode('ascii')}.{signature}"


def read_key(text: str) -> bytes:
    """The SHA-256 in *text*: base64 or base64url, with its padding or without. Raises ValueError."""
    if not _HASH.fullmatch(text):
        raise ValueError("signatureHash is not a SHA-256 in base64")
    standard = text.rstrip("=").replace("-", "+").replace("_", "/") + "="
    return a2b_base64(standard, strict_mode=True)


def read_pushed(signature_hash: str, half: str) -> Pushed:
    """What was pushed, checked for its form only. Raises ValueError, which never quotes it.

    *half* is `header.payload`; its payload must say when it ends.
    """
    key = read_key(signature_hash)
    if len(half) > MAX_BYTES or not _HALF.fullmatch(half):
        raise ValueError("token is not header.payload of a JWT")
    claims = read_unverified(f"{half}.AA").claims
    try:
        return Pushed(key, half.encode("ascii"), read_time({"exp": None, **claims}, "exp"))
    except Refused:
        raise ValueError("token has no exp that is a time") from None
