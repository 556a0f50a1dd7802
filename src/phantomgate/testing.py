"""The fakes we test with, for users and plug-in authors too: fakes, not mocks, so nothing is patched.

Nothing here imports a test framework or a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from phantomgate.core.model import Headers
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import HttpCall, HttpReply

T = TypeVar("T")


@dataclass
class FakeClock:
    """A clock that moves when told to. `now()` and `ticks()` are separate, as on a machine whose clock is set."""

    wall: float = 1_800_000_000.0
    monotonic: float = 1_000.0

    def now(self) -> float:
        """Unix time, seconds."""
        return self.wall

    def ticks(self) -> float:
        """Monotonic seconds."""
        return self.monotonic

    def advance(self, seconds: float) -> None:
        """Time passes, on both clocks."""
        self.wall += seconds
        self.monotonic += seconds


@dataclass
class FakeHttp:
    """Answers calls from a function, a list (in order) or one reply for all; keeps every call it saw."""

    answer: HttpReply | Exception | Sequence[HttpReply | Exception] | Callable[[HttpCall], HttpReply]
    calls: list[HttpCall] = field(default_factory=list)

    async def send(self, call: HttpCall) -> HttpReply:
        """The next answer; an exception in its place is raised."""
        self.calls.append(call)
        answer = self.answer
        if callable(answer):
            return answer(call)
        if isinstance(answer, Sequence):
            answer = answer[min(len(self.calls), len(answer)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class DictCache:
    """A cache without bounds that honours its time on the given monotonic clock."""

    ticks: Callable[[], float]
    records: dict[bytes, tuple[float, bytes]] = field(default_factory=dict)

    async def get(self, key: bytes) -> tuple[bytes, float] | None:
        """The record and the seconds it has left, while it lasts."""
        until, record = self.records.get(key, (0.0, b""))
        left = until - self.ticks()
        return (record, left) if left > 0 else None

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        """Keep it for *seconds*."""
        self.records[key] = (self.ticks() + seconds, record)

    async def forget(self, key: bytes) -> None:
        """Drop it."""
        self.records.pop(key, None)


@dataclass
class FakeStore(DictCache):
    """A store that machines share, with its own clock."""

    claims: dict[bytes, float] = field(default_factory=dict)

    async def claim(self, key: bytes, seconds: float) -> bool:
        """Whether nobody has claimed *key* in the last *seconds*."""
        if self.claims.get(key, 0.0) > self.ticks():
            return False
        self.claims[key] = self.ticks() + seconds
        return True

    async def release(self, key: bytes) -> None:
        """Others may claim *key*."""
        self.claims.pop(key, None)


async def each_by_itself(key: bytes, fill: Callable[[], Awaitable[T]]) -> T:  # noqa: ARG001 - the shape of `Once`
    """A `Once` that shares nothing: enough where there is no concurrency."""
    return await fill()


def reply(status: int, body: bytes | str = b"", **headers: str) -> HttpReply:
    """A reply with *headers* (`content_type="application/jwt"`)."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return HttpReply(status, Headers.of(pairs), body.encode() if isinstance(body, str) else body)


def on_a_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """The second driver: run *coroutine* on an event loop of its own."""
    return asyncio.run(coroutine)
