"""Commands to a Redis cluster on an event loop, by redis-py's client.

Rule: a command has its time and no more, and a client that holds a connection which has ended is not asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import redis

from phantomgate.backends.redis_line import once_read


class Cluster:
    """An `Act` for a cluster, by a client that *make* makes. State: that client, if there is one."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._client: Any = None

    async def act(self, command: Sequence[Any], seconds: float) -> Any:
        """What the cluster answers to *command*. Raises TimeoutError, and what redis-py raises."""
        client = self._client
        if client is None:
            client = self._client = self._make()
        try:
            async with _time(seconds):  # and the connection is closed: a late answer is nobody's
                return await client.execute_command(*command)
        except RuntimeError:  # uvloop's word for a connection that was reset; redis-py would use it again and again
            if self._client is client:
                with suppress(Exception):
                    async with asyncio.timeout(seconds):
                        await self.close()
            raise redis.ConnectionError from None

    async def close(self) -> None:
        """End all connections; whoever acts later makes others."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


@asynccontextmanager
async def _time(seconds: float) -> AsyncIterator[None]:
    """`asyncio.timeout`, but not for an answer that was there in time, while we were busy with something else."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        def is_late() -> None:
            with suppress(RuntimeError):  # it has ended meanwhile
                limit.reschedule(loop.time())

        late = loop.call_later(seconds, once_read, is_late)
        try:
            yield
        finally:
            late.cancel()
