"""The in-process cache: two generations of a plain dict, bounded by entries and by bytes.

Why not an ordered LRU: at a million entries its links make one full garbage collection take a quarter of a second. Two
dicts of bytes hold nothing the collector has to walk. When the young generation is full it becomes the old one and
whatever the old one still held is forgotten; what is used is carried over, so the hot survive.
"""

from __future__ import annotations

from struct import Struct

from phantomgate.core.ports import Clock

_UNTIL = Struct("!d")
# What CPython takes for a 32-byte key, a bytes header and its share of the table, measured; see bench/.
_OVERHEAD_BYTES = 240


class MemoryCache:
    """A `Cache` that forgets by itself. *max_entries* and *max_bytes* bound both generations together.

    Its state: the generations and the bytes in them. *ticks* is the monotonic clock; an entry is checked against it
    on every read, so one that is over is never returned however long it stays in memory.
    """

    def __init__(self, *, max_entries: int, max_bytes: int, ticks: Clock) -> None:
        self.ticks = ticks
        self._entries = max(max_entries // 2, 1)
        self._bytes = max(max_bytes // 2, 1)
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._young_bytes = 0

    async def get(self, key: bytes) -> tuple[bytes, float] | None:
        """The record under *key* and the seconds it has left, or None."""
        entry = self._young.get(key)
        if entry is None:
            entry = self._old.pop(key, None)
            if entry is None:
                return None
            self._keep(key, entry)  # used, so it belongs to the young
        left = _UNTIL.unpack_from(entry)[0] - self.ticks()
        if left > 0:
            return entry[8:], left
        dropped = self._young.pop(key, None)
        if dropped is not None:
            self._young_bytes -= len(dropped) + _OVERHEAD_BYTES
        return None

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        """Keep *record* for at most *seconds*; one too large to keep is not kept."""
        if seconds <= 0 or len(record) + _OVERHEAD_BYTES > self._bytes:
            return
        self._old.pop(key, None)
        self._keep(key, _UNTIL.pack(self.ticks() + seconds) + record)

    async def forget(self, key: bytes) -> None:
        """Drop the record under *key*."""
        self._old.pop(key, None)
        dropped = self._young.pop(key, None)
        if dropped is not None:
            self._young_bytes -= len(dropped) + _OVERHEAD_BYTES

    def _keep(self, key: bytes, entry: bytes) -> None:
        size = len(entry) + _OVERHEAD_BYTES
        replaced = self._young.get(key)
        if replaced is not None:
            self._young_bytes -= len(replaced) + _OVERHEAD_BYTES
        elif len(self._young) >= self._entries or self._young_bytes + size > self._bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[key] = entry
        self._young_bytes += size

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
