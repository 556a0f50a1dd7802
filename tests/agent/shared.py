"""What several processes of an agent remember together, in memory; and how they take turns."""

from __future__ import annotations

from phantomgate.agent.one_process import OneProcess
from phantomgate.agent.refresh import was_lost
from phantomgate.backends.remembered import Remembered
from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import Clock, Once
from phantomgate.testing import FakeClock


class SharedMemory(Remembered):
    """A `SharedStore`. State: who has claimed what until when, and whether it can be asked at all."""

    def __init__(self, ticks: Clock) -> None:
        super().__init__(most=1000, forgets=False, ticks=ticks)
        self.clock = ticks
        self.claims: dict[bytes, tuple[bytes, float]] = {}
        self.down = False

    async def get(self, key: bytes) -> bytes | None:
        self._look()
        return await super().get(key)

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        self._look()
        await super().put(key, record, seconds)

    async def claim(self, key: bytes, mark: bytes, seconds: float) -> bool:
        self._look()
        had, until = self.claims.get(key, (mark, 0.0))
        if had != mark and self.clock() < until:
            return False
        self.claims[key] = (mark, self.clock() + seconds)
        return True

    async def release(self, key: bytes, mark: bytes) -> None:
        self._look()
        if self.claims.get(key, (b"", 0.0))[0] == mark:
            del self.claims[key]

    def _look(self) -> None:
        if self.down:
            raise Unavailable("the shared store is down")


def one_process(once: Once, store: SharedMemory, clock: FakeClock, *, random, paused=None) -> OneProcess:
    """As wired: claims last 35 s, others wait for 10."""

    async def pause(seconds: float) -> None:
        clock.advance(seconds)
        if paused is not None:
            await paused()

    return OneProcess(once, store, pause, clock.ticks, random, 35.0, 10.0, was_lost)
