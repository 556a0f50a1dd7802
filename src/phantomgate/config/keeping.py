"""What outlives a change of settings: parts of a gateway, each under the digest of all that it was made from.

Rule: a part is used again only where everything that it depends on is the same. So what was learned under other
settings is not looked for and rejected; it is not there. What nobody uses any more is closed once the requests that
began with it must be over.

    begin ── part, part, … ──▶ swap   the parts of this round are those in force; the others are retired
                          └──▶ drop   what was made in this round is closed, and nothing has changed
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from phantomgate.config.family import Closable

T = TypeVar("T")

RETIRED_SECONDS = 180.0
"""How long a request may go on with parts that were replaced: no timeout is beyond a minute, and keys come first."""


class _Part(NamedTuple):
    """One part, and the keys of those that were asked for while it was made: they last as long as it does."""

    made: Any
    needs: tuple[Hashable, ...]


class Keeping:
    """The parts of one process. Its state: those in force, those of the round that has begun, and those retired."""

    def __init__(self, seconds: float = RETIRED_SECONDS) -> None:
        self._seconds = seconds
        self._parts: dict[Hashable, _Part] = {}
        self._round: dict[Hashable, _Part] = {}
        self._making: list[list[Hashable]] = []
        self._retiring: set[asyncio.Task[None]] = set()

    def part(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for *key* before, and else what *make* makes. Only between `begin` and its end."""
        if self._making:
            self._making[-1].append(key)
        if key in self._parts:
            self._carry(key)
        elif key not in self._round:
            self._making.append([])
            try:
                made = make()
            finally:
                needs = self._making.pop()
            self._round[key] = _Part(made, tuple(needs))
        part: T = self._round[key].made
        return part

    def _carry(self, key: Hashable) -> None:
        if key not in self._round:
            self._round[key] = self._parts[key]
            for need in self._parts[key].needs:
                self._carry(need)

    async def begin(self) -> None:
        """Begin a round; one that has not come to an end is dropped."""
        await self.drop()

    def swap(self) -> None:
        """Keep the parts of this round and no others."""
        retired = _closable(self._parts, self._round)
        self._parts, self._round = self._round, {}
        if retired:
            task = asyncio.get_running_loop().create_task(self._retire(retired))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def drop(self) -> None:
        """Forget the round, as if it had not begun."""
        made, self._round = _closable(self._round, self._parts), {}
        for one in made:
            await one.close()

    async def close(self) -> None:
        """Close everything."""
        await self.drop()
        for task in list(self._retiring):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        parts, self._parts = _closable(self._parts, {}), {}
        for one in parts:
            await one.close()

    async def _retire(self, parts: list[Closable]) -> None:
        try:
            await asyncio.sleep(self._seconds)
        finally:
            for one in parts:
                await one.close()


def _closable(parts: dict[Hashable, _Part], but: dict[Hashable, _Part]) -> list[Closable]:
    """In the order in which they were made: what runs for others before the clients that it calls by."""
    gone = [part.made for key, part in parts.items() if but.get(key) is not part]
    return [made for made in gone if hasattr(made, "close")]
