"""A connection to the OAuth agent: uvicorn's, which has no time limit for a request that doesn't come.

Rule: who sends nothing, or never the whole of a request, gives the connection back to those who do; there are only so
many. What is being answered has the agent's own deadlines.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """One client. Its state, besides uvicorn's: whether a request has begun to come, and until when it may."""

    whole_seconds = 10.0
    """How long a request may take from its first byte to its last."""
    _begun = False
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """As asyncio calls it."""
        super().connection_made(transport)
        self._wait(self.timeout_keep_alive)

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        if not self._begun:
            self._begun = True
            self._wait(self.whole_seconds)
        super().data_received(data)

    def on_response_complete(self) -> None:
        """As uvicorn calls it; another request may be there already."""
        self._begun = False
        self._wait(self.whole_seconds + self.timeout_keep_alive)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio calls it."""
        if self._due is not None:
            self._due.cancel()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = self.loop.call_later(seconds, self._end)

    def _end(self) -> None:
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            self.transport.abort()
