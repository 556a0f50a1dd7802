"""Sealed cookie values: AES-256-GCM, in two formats.

    v1   01 | IV 12 | ciphertext | tag 16               under the key itself; what other agents write
    v2   02 | key id 4 | IV 12 | ciphertext | tag 16    under a key derived from it; what we write

both as base64url without padding. v2 authenticates its version, the key's id, the cookie's name and the issuer along
with what is inside, so that a value opens in the place that it was made for and nowhere else. v1 authenticates nothing
of the kind: whoever opens it must look at what was in it.

Rule: a value opens exactly as it was sealed, or is `Unreadable`; one value has one spelling, and no other version is
tried than the one it names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from phantomgate.core.base64url import base64url, base64url_text
from phantomgate.core.errors import Unreadable
from phantomgate.core.nouns import dataclass, field
from phantomgate.session.keys import KEY_ID_BYTES, KeyRing, SessionKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Random: TypeAlias = Callable[[int], bytes]
"""That many unpredictable bytes."""

MAX_SEALED = 19_000
"""Characters: what fits into the cookies of one value."""

_IV = 12  # NIST SP 800-38D §8.2.2: 96 random bits; a key may seal 2^32 times
_TAG = 16
_V1, _V2 = b"\x01", b"\x02"
_V2_IV = 1 + KEY_ID_BYTES


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in a sealed value, and how it was sealed: whoever can may seal it anew unless it is `newest`."""

    plaintext: bytes = field(repr=False)
    version: int
    key_id: bytes
    newest: bool
    """Whether it is what `seal` would write now: format v2 under the newest key."""


def seal(ring: KeyRing, name: str, issuer: str, plaintext: bytes, *, random: Random) -> str:
    """*plaintext* sealed by format v2, for the cookie *name* and for *issuer*."""
    key = ring.newest
    head = _V2 + key.id
    iv = random(_IV)
    return base64url_text(head + iv + _cipher(key.v2).encrypt(iv, plaintext, _bound(head, name, issuer)))


def seal_v1(key: SessionKey, plaintext: bytes, *, random: Random) -> str:
    """*plaintext* sealed by format v1, for a proxy that reads no other."""
    iv = random(_IV)
    return base64url_text(_V1 + iv + _cipher(key.v1).encrypt(iv, plaintext, None))


def open_sealed(ring: KeyRing, name: str, issuer: str, text: str, *, legacy: bool) -> Opened:
    """What *text*, the value of the cookie *name*, holds. With *legacy*, format v1 is read too.

    Raises Unreadable. What that costs depends on the size of *text* and, in v1, on the number of keys.
    """
    if len(text) > MAX_SEALED:
        raise Unreadable(f"{len(text)} characters, want at most {MAX_SEALED}")
    try:
        data = base64url(text.encode("ascii"))
    except ValueError:
        raise Unreadable("not base64url") from None
    version = data[:1]
    if version == _V2:
        return _open_v2(ring, name, issuer, data)
    if version == _V1 and legacy:
        return _open_v1(ring, data)
    raise Unreadable(f"version {version[0]}, want 2{' or 1' if legacy else ''}" if version else "empty")


def _open_v2(ring: KeyRing, name: str, issuer: str, data: bytes) -> Opened:
    if len(data) <= _V2_IV + _IV + _TAG:
        raise Unreadable(f"{len(data)} bytes, want more than {_V2_IV + _IV + _TAG}")
    head = data[:_V2_IV]
    # A key that we don't have costs as much as one that we have: the newest is tried and fails, as the id is bound.
    key = ring.by_id(head[1:]) or ring.newest
    plaintext = _decrypted(key.v2, data[_V2_IV:], _bound(head, name, issuer))
    if plaintext is None:
        raise Unreadable("sealed by none of our keys, or for another cookie or issuer")
    return Opened(plaintext, 2, key.id, key is ring.newest)


def _open_v1(ring: KeyRing, data: bytes) -> Opened:
    if len(data) <= 1 + _IV + _TAG:
        raise Unreadable(f"{len(data)} bytes, want more than {1 + _IV + _TAG}")
    for key in ring.keys:  # v1 names no key
        plaintext = _decrypted(key.v1, data[1:], None)
        if plaintext is not None:
            return Opened(plaintext, 1, key.id, newest=False)
    raise Unreadable("sealed by none of our keys")


def _decrypted(secret: bytes, data: bytes, bound: bytes | None) -> bytes | None:
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(secret).decrypt(data[:_IV], data[_IV:], bound)
    except InvalidTag:
        return None


def _bound(head: bytes, name: str, issuer: str) -> bytes:
    """What is authenticated beside the ciphertext. Each part is preceded by its length, so no two places are alike."""
    parts = [head]
    for part in (name.encode(), issuer.encode()):
        parts += [len(part).to_bytes(2, "big"), part]
    return b"".join(parts)


@lru_cache(maxsize=32)
def _cipher(secret: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)
