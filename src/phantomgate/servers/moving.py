"""Other addresses, or other workers, while we run: they are there before those that they relieve go.

Rule: nobody is refused a connection. Whoever comes new serves nobody until all are ready, and whoever goes takes what
was connected already, and ends it in good order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from phantomgate.servers.addresses import LISTEN, MANAGE
from phantomgate.servers.crew import Crew, Worker
from phantomgate.servers.sockets import Bound
from phantomgate.servers.supervisor import Supervisor

READY_SECONDS = 60.0
"""How long new workers may take to get ready."""
POLL_SECONDS = 0.02
GO_SECONDS = 10.0
"""How long they may take to accept connections, once they are told to go, before the others go all the same."""


class Moving:
    """One move to *bound*, the sockets that are new, by their settings. Its state: who was started for it.

    *manage* has the management listener answer on other sockets.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        bound: Mapping[str, Bound],
        workers: int,
        command: Sequence[str],
        start: Mapping[str, Any],
        drain: float,
        manage: Callable[[Bound], Awaitable[None]],
    ) -> None:
        self._supervisor = supervisor
        self._bound = bound
        self._workers = workers
        self._drain = drain
        self._manage = manage
        self._newer: list[Worker] = []
        self._crew = Crew(bound[LISTEN], command, start) if LISTEN in bound else None

    @property
    def relieves(self) -> bool:
        """Whether there will be other workers, so that those there are need not go by other settings."""
        return self._crew is not None

    async def ready(self, wanted: str) -> str:
        """Why it can't be done, or nothing. What new workers would go by must be *wanted*."""
        if self._crew is None:
            return ""
        self._newer = self._supervisor.enlist(self._crew, self._workers)
        if not await _within(READY_SECONDS, lambda: all(one.built is not None or one.failures for one in self._newer)):
            return f"new workers did not get ready within {READY_SECONDS:g} s"
        if any(one.failures for one in self._newer):
            return "a new worker did not get ready, and its lines in the log say why"
        if any(one.built != wanted for one in self._newer):
            return "new workers found other files or secrets than we did: they have just changed"
        return ""

    async def go(self) -> None:
        """Do it."""
        if self._crew is not None:
            before, self._supervisor.crew = self._supervisor.crew, self._crew
            for one in self._newer:
                one.go()
            await _within(GO_SECONDS, lambda: all(one.ready for one in self._newer))
            before.bound.leave_to(self._crew.bound)
            for one in list(self._supervisor.workers):
                if one.crew is before:
                    one.leave(self._drain)
        if MANAGE in self._bound:
            await self._manage(self._bound[MANAGE])

    def undo(self) -> None:
        """Leave everything where it is."""
        for one in self._newer:
            one.leave(0.0)
            one.kill()
        for bound in self._bound.values():
            bound.close()


async def _within(seconds: float, true: Callable[[], bool]) -> bool:
    """Whether *true()* is, within *seconds*."""
    for _ in range(int(seconds / POLL_SECONDS)):
        if true():
            return True
        await asyncio.sleep(POLL_SECONDS)
    return true()
