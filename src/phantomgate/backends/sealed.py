"""What is shared, sealed: a dump of the store tells nothing, and what others write into it is not found.

    name    the first half of HMAC-SHA-512(secret, question), and
    key     the second: whoever lacks the token that the question holds, or our secret, has neither
    value   01 | IV 12 | AES-256-GCM(key, written at | seconds | record) | tag 16      version and name authenticated

Rule: a value opens under its own name, as it was sealed, or it isn't there. It is good for what is left of its seconds
by the shortest of three accounts: the clock of the wall, as whoever wrote it and we read it; the store's own
count-down; and the seconds themselves. So a clock that is wrong, theirs or ours, makes that shorter and never longer.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import TYPE_CHECKING

from phantomgate.core.ports import Clock, SharedStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AHEAD = 5.0
"""Seconds by which a machine's clock may be ahead of ours. What was written later than that is not believed."""
_VERSION = b"\x01"
_IV, _TAG = 12, 16  # NIST SP 800-38D §8.2.2: 96 random bits; one key seals one token's facts, a few times
_TIMES = Struct("!dd")
_LEAST = len(_VERSION) + _IV + _TIMES.size + _TAG


class Sealed:
    """`SharedFacts` in *store*, under *secret*, which every machine has. It has no state.

    *now* is Unix time, *random* gives that many unpredictable bytes, *forged* hears of a value that
    none of us sealed.
    """

    def __init__(
        self,
        store: SharedStore,
        secret: bytes,
        *,
        now: Clock,
        random: Callable[[int], bytes],
        forged: Callable[[], None],
    ) -> None:
        self.store = store
        self._secret = secret
        self._now = now
        self._random = random
        self._forged = forged

    async def find(self, question: bytes) -> tuple[bytes, float] | None:
        """As `SharedFacts.find`."""
        name, key = self._halves(question)
        found = await self.store.get(name)
        if found is None:
            return None
        value, left = found
        if value[:1] != _VERSION:
            return None  # of a release that writes otherwise, or of a stranger: we can't know
        opened = _opened(key, name, value)
        if opened is None:
            self._forged()
            return None
        written, seconds = _TIMES.unpack_from(opened)
        age = self._now() - written
        left = min(left, seconds, seconds - age)
        return (opened[_TIMES.size :], left) if left > 0 and age >= -AHEAD else None

    async def keep(self, question: bytes, record: bytes, seconds: float) -> None:
        """As `SharedFacts.keep`."""
        name, key = self._halves(question)
        iv = self._random(_IV)
        sealed = _library()[0](key).encrypt(iv, _TIMES.pack(self._now(), seconds) + record, _VERSION + name)
        await self.store.put(name, _VERSION + iv + sealed, seconds)

    async def claim(self, question: bytes, seconds: float) -> bool:
        """As `SharedFacts.claim`."""
        return await self.store.claim(self._halves(question)[0], seconds)

    async def release(self, question: bytes) -> None:
        """As `SharedFacts.release`."""
        await self.store.release(self._halves(question)[0])

    def _halves(self, question: bytes) -> tuple[bytes, bytes]:
        digest = hmac.digest(self._secret, question, "sha512")
        return digest[:32], digest[32:]


def _opened(key: bytes, name: bytes, value: bytes) -> bytes | None:
    if len(value) < _LEAST:
        return None
    cipher, wrong = _library()
    try:
        return cipher(key).decrypt(value[1 : 1 + _IV], value[1 + _IV :], _VERSION + name)
    except wrong:
        return None


@cache
def _library() -> tuple[type[AESGCM], type[Exception]]:
    """The cipher, and what it raises for what it didn't seal; imported when the first value is opened or sealed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM, InvalidTag
