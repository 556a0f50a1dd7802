"""A key ring, names and random bytes for tests of sessions."""

from __future__ import annotations

from itertools import count

from phantomgate.session.keys import KeyRing, key_ring, read_session_key

KEY = "5f1c9a37e2840bd6613fa9c47be05d2218f7a3c6904e5bd1827364a5f0c9e1b3"
OLD_KEY = "a91e64c7f38250bd19ce7730d5a84f6be2037c915ad8f46e2b1c0937d6e58fa4"
ISSUER = "https://as.example"


def ring(*keys: str) -> KeyRing:
    """The ring of *keys*; KEY alone when there are none."""
    return key_ring([read_session_key(key) for key in keys or (KEY,)])


class Numbered:
    """Bytes that are never the same twice, and the same in every run."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, size: int) -> bytes:
        return next(self._numbers).to_bytes(size, "big")
