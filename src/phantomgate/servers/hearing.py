"""What the supervisor hears of purges, by its own listener, by the OAuth agent beside it and by other machines.

Rule: whoever tells was believed before; here it is made known to everybody, and kept to be looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phantomgate.config.log import Level, Log
from phantomgate.config.revoking import by_names, mark_seconds, names_of, revocation_secret
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired
from phantomgate.core.purge import Purge, mark_of
from phantomgate.servers.fleet import Fleet, ended
from phantomgate.servers.purges import Purges, hearing
from phantomgate.servers.running import Tell


@dataclass(slots=True)
class Ears:
    """A `running.Hearing`. Its state: who listens to other machines."""

    settings: Settings
    fleet: Fleet
    digests: bytes
    log: Log
    listening: asyncio.Task[None]
    deaf: Callable[[], Awaitable[None]] | None

    async def purge(self, purges: Sequence[Purge]) -> bool:
        """As `Hearing.purge`."""
        seconds = mark_seconds(self.settings)
        marks = [mark_of(one, self.digests, seconds) for one in by_names(self.settings, purges)]
        good = not marks or await self.fleet.purge(marks, "agent")
        kinds = sorted({mark.kind for mark in marks})
        self.log.say(Level.INFO if good else Level.WARNING, "purged", how="agent", kinds=kinds, everywhere=good)
        return good

    def told(self) -> list[dict[str, Any]]:
        """As `Hearing.told`."""
        return self.fleet.told()

    async def stop(self) -> None:
        """As `Hearing.stop`."""
        if self.deaf is not None:
            await self.deaf()
        await ended(self.listening)


async def begin(settings: Settings, wired: Wired, tell: Tell, environ: Mapping[str, str], log: Log) -> Ears:
    """Hears of purges from now on, and has *tell* tell the workers. Raises SettingsError where nothing can listen."""
    digests = wired.marks.secret
    notes = None if wired.sharing is None else wired.sharing.notes
    fleet = Fleet(tell, notes, digests, now=time.time, log=log, others=wired.marks.others)
    await fleet.catch_up()
    listening = asyncio.create_task(fleet.listen())
    deaf = None
    if settings.revokes:
        secret, _ = revocation_secret(settings, environ)
        seconds, names = mark_seconds(settings), names_of(settings)
        deaf = await hearing(
            Purges(secret, digests, seconds, names, wired.revoking, fleet.purge, time.time, log), settings
        )
    return Ears(settings, fleet, digests, log, listening, deaf)
