"""What the supervisor hears of purges, by its own listener, by the OAuth agent beside it and by other machines.

Rule: whoever tells was believed before; here it is made known to everybody, and kept to be looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from phantomgate.config.log import Level, Log
from phantomgate.config.revoking import by_names, mark_seconds, names_of, revocation_secret
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired
from phantomgate.core.ports import Notes
from phantomgate.core.purge import Purge, mark_of
from phantomgate.servers.fleet import Fleet, ended
from phantomgate.servers.purges import Purges, hearing
from phantomgate.servers.running import Tell


@dataclass(slots=True)
class Ears:
    """A `running.Hearing`. Its state: what it goes by, and who listens to other machines."""

    settings: Settings
    fleet: Fleet
    digests: bytes = field(repr=False)
    purges: Purges
    environ: Mapping[str, str] = field(repr=False)
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

    def adopt(self, settings: Settings, wired: Wired) -> None:
        """Go by *settings*, of which *wired* was made, from now on. Where we listen stays."""
        self.settings, self.digests = settings, wired.digests
        self.fleet.adopt(_notes(wired), wired.digests, mark_seconds(settings), wired.other_digests)
        self.purges.adopt(_purges(settings, wired, self.fleet, self.environ, self.log))

    @property
    def unheard(self) -> bool:
        """As `Hearing.unheard`."""
        return self.fleet.unheard

    @property
    def refuses(self) -> bool:
        """As `Hearing.refuses`."""
        return self.fleet.unheard and self.settings.revocation.unheard == "refuse"

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
    seconds, others = mark_seconds(settings), wired.other_digests
    fleet = Fleet(tell, _notes(wired), wired.digests, seconds, now=time.time, log=log, others=others)
    purges = _purges(settings, wired, fleet, environ, log)
    await fleet.catch_up()
    listening = asyncio.create_task(fleet.listen())
    deaf = await hearing(purges, settings) if settings.revokes else None
    return Ears(settings, fleet, wired.digests, purges, environ, log, listening, deaf)


def _notes(wired: Wired) -> Notes | None:
    return None if wired.sharing is None else wired.sharing.notes


def _purges(settings: Settings, wired: Wired, fleet: Fleet, environ: Mapping[str, str], log: Log) -> Purges:
    secret, _ = revocation_secret(settings, environ)
    seconds, names = mark_seconds(settings), names_of(settings)
    return Purges(secret, wired.digests, seconds, names, wired.revoking, fleet.purge, time.time, log)
