"""The keys that sessions are sealed with: the newest seals, all of them open.

Rule: a key is 32 random bytes written as 64 hexadecimal characters, and what can't be one is refused at start. What
format v2 seals with is derived from it, so that one key never serves two formats; a key's id is derived too, and says
nothing about it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256

from phantomgate.core.nouns import dataclass, field
from phantomgate.core.pattern import pattern

KEY_ID_BYTES = 4

_HEX = pattern(r"[0-9A-Fa-f]{64}")

# SHA-256 of keys that stand in the documentation and examples of others, which is where keys are copied from
_SAMPLES = frozenset(
    (
        "21d50f1319d2d0c293c04ced3d7dd7f10ab058e81301498c7d876aebef386c88",  # of OAuth agents and proxies
        "3988ea963e98a2042aab9ab56633f0cd95ffe8a000732c10067645411976bb13",  # of the proxies for AWS and Cloudflare
        "3c65ab93e48174439b1b0b79a1194fb4e928c14f93b928f9689d566a06a4ae51",  # of an agent's README
        "d7b4233a8ce0d366d71194b2a76fe8e3054c83d089203f9d89a9f719ce1124cc",  # of the tests of proxies for nginx
        "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd",  # 00 01 02 ... 1f
        "ae216c2ef5247a3782c135efa279a3e4cdc61094270f5d2be58c6204b7a612c9",  # 01 02 03 ... 20
        "69c55c9002eb8c7a4e75d0b49629c4cf83d12cfb56670a8cd6e2db1491a996c4",  # 1f 1e 1d ... 00
    )
)


@dataclass(frozen=True, slots=True)
class SessionKey:
    """One key: its short name, which cookies carry, and what each format seals with."""

    id: bytes
    v1: bytes = field(repr=False)
    v2: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys, newest first: a new one is put in front, and an old one taken away when its last session has ended."""

    keys: tuple[SessionKey, ...]

    @property
    def newest(self) -> SessionKey:
        """The one that seals."""
        return self.keys[0]

    def by_id(self, key_id: bytes) -> SessionKey | None:
        """The key that a cookie names."""
        for key in self.keys:
            if key.id == key_id:
                return key
        return None


def read_session_key(text: str) -> SessionKey:
    """The key that *text* holds. Raises ValueError, which never repeats it, for what is no key or no secret one."""
    if not _HEX.fullmatch(text):
        raise ValueError(f"has {len(text)} characters; want 64 hexadecimal ones (make one: phantomgate keygen)")
    secret = bytes.fromhex(text)
    if secret[:16] == secret[16:]:  # whatever has a shorter period has this one too
        raise ValueError("repeats itself, so somebody could guess it; make one: phantomgate keygen")
    if sha256(secret).hexdigest() in _SAMPLES:
        raise ValueError("is an example that anybody can read in a manual; make one of your own: phantomgate keygen")
    return SessionKey(_derived(secret, b"key id")[:KEY_ID_BYTES], secret, _derived(secret, b"cookie v2"))


def key_ring(keys: Iterable[SessionKey]) -> KeyRing:
    """The ring of *keys*, newest first. Raises ValueError when there is none, or one twice."""
    ring = KeyRing(tuple(keys))
    if not ring.keys:
        raise ValueError("holds no key")
    if len({key.id for key in ring.keys}) < len(ring.keys):
        raise ValueError("holds a key twice; keep it once, newest first")
    return ring


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """RFC 5869 §2.3 with one block: *secret* is uniformly random already, so nothing has to be extracted first."""
    return hmac.digest(secret, b"phantomgate session " + purpose + b"\x01", "sha256")
