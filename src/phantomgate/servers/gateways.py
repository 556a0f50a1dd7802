"""How the process of the OAuth agent has gateways told that tokens are over: by the supervisor, which knows them all.

Rule: what isn't confirmed in time is not known to be done, and said so. Purges cross in the clear, from one process to
another of the same machine and user; what goes further is made of them by the supervisor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from phantomgate.core.purge import Purge, write_purge
from phantomgate.servers.channel import Channel, Message

PATIENCE = 3.0
"""Seconds that the supervisor has: workers have one, and so may the store that machines share."""


class Gateways(Channel):
    """A channel to the supervisor that is `agent.ports.Gateways` besides. State: who waits for a word of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._asked = 0

    async def __call__(self, purges: Sequence[Purge]) -> bool:
        """Whether every gateway has heard of *purges*, or will."""
        self._asked += 1
        number = self._asked
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[number] = told
        self.send({"is": "purge", "of": number, "purges": [write_purge(one) for one in purges]})
        try:
            async with asyncio.timeout(PATIENCE):
                return await told
        except TimeoutError:
            return False
        finally:
            del self._waiting[number]

    async def receive(self) -> Message | None:
        """As `Channel.receive`, for what is not for us."""
        while (message := await super().receive()) is not None and message.get("do") == "purged":
            told = self._waiting.get(message.get("of", 0))
            if told is not None and not told.done():
                told.set_result(message.get("good") is True)
        return message
