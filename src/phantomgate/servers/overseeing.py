"""What the supervisor itself does by the settings: it asks whether servers are there, and believes who tells of purges.

Rule: it decides about no request. Its own parts are prepared and swapped as the workers' are, and by the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from phantomgate.agent.ports import no_gateways
from phantomgate.config.agent_wiring import WiredAgent, wire_agent
from phantomgate.config.keeping import Keeping
from phantomgate.config.log import Log
from phantomgate.config.observe import Metrics
from phantomgate.config.probes import Probe
from phantomgate.config.settings import Resilience, Settings, Traces
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Reason, Refused
from phantomgate.servers.channel import Message
from phantomgate.servers.hearing import Ears, begin
from phantomgate.servers.renewing import Renewing
from phantomgate.servers.running import Tell

MOST_RETIRED = 4
ASK_SECONDS = 10.0
"""How long servers may take to answer before settings change: one that takes longer is away, and stops nobody."""
_LATEST = f"{2**53}-0"
_NEWS = (Reason.CLIENT_REFUSED, Reason.BAD_ANSWER)
"""What a server answers to settings that are wrong. That it gives no answer may pass, and says nothing of them."""


class Own(NamedTuple):
    """What is made of one file of settings."""

    settings: Settings
    wired: Wired
    agent: WiredAgent | None

    @property
    def probes(self) -> tuple[Probe, ...]:
        """All that can be asked."""
        return (*self.wired.probes, *((self.agent.probe,) if self.agent else ()))


@dataclass(slots=True)
class Overseeing:
    """Its state: what is made of the settings in force; who hears of purges, once that has begun.

    And what the digests in marks of before were made with, which is *retired* and kept nowhere else.
    """

    renewing: Renewing[Own]
    environ: Mapping[str, str] = field(repr=False)
    log: Log
    own: Own
    ears: Ears | None = None
    retired: tuple[bytes, ...] = field(default=(), repr=False)

    async def prepare(self, message: Message) -> str:
        """The print of the settings in *message*, which can be gone by. Raises SettingsError."""
        print_ = await self.renewing.prepare(message)
        offered = self.renewing.prepared
        if offered is not None and offered.wired.sharing is not None:
            # A store that was never asked takes one question at a time; a purge right behind the swap would wait for us
            await offered.wired.sharing.notes.news(_LATEST)
        return print_

    async def trouble(self, seconds: float = ASK_SECONDS) -> tuple[str, Refused] | None:
        """Which server is asked in another way than before, and refuses that within *seconds*; None when none does."""
        offered = self.renewing.prepared
        known = {id(probe) for probe in self.own.probes}
        probes = [probe for probe in (() if offered is None else offered.probes) if id(probe) not in known]
        asked = [asyncio.ensure_future(probe.ask()) for probe in probes]
        try:
            if asked:
                await asyncio.wait(asked, timeout=seconds)
            for probe, one in zip(probes, asked, strict=True):
                no = one.result() if one.done() else None
                if no is not None and no.reason in _NEWS:
                    return probe.name, no
        finally:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return None

    def also(self) -> Message:
        """What workers that start by the settings that were prepared need besides, to know what was purged before."""
        offered, mine = self.renewing.prepared, self.own.wired.digests
        if offered is None or offered.wired.digests == mine:
            retired = self.retired
        else:
            retired = (*self.retired, mine)[-MOST_RETIRED:]
        return {"digests": [one.hex() for one in retired]} if retired else {}

    def adopt(self, newer: Own) -> None:
        """Go by *newer*."""
        if newer.wired.digests != self.own.wired.digests:
            self.retired = (*self.retired, self.own.wired.digests)[-MOST_RETIRED:]
        self.own = newer
        if self.ears is not None:
            self.ears.adopt(newer.settings, newer.wired)

    async def probe(self) -> Refused | None:
        """Asks every server: what is wrong with the first that isn't as it should be."""
        for probe in self.own.probes:
            no = await probe.ask()
            if no is not None:
                return no
        return None

    async def hear(self, tell: Tell) -> Ears:
        """Begin to hear of purges, and *tell* the workers. Raises SettingsError."""
        self.ears = await begin(self.own.settings, self.own.wired, tell, self.environ, self.log)
        return self.ears


async def overseeing(message: Message, environ: Mapping[str, str], log: Log) -> Overseeing:
    """What the supervisor does by the settings in *message*. Raises SettingsError."""
    metrics = Metrics()  # nobody is decided about; what is counted here, nobody sees

    async def make(settings: Settings, keeping: Keeping) -> Own:
        # A probe is to find out, whatever was found out before, and is no decision
        unguarded = replace(settings, resilience=Resilience(retry=False, breaker=False), traces=Traces())
        wired = wire(unguarded, "nonblocking", environ=environ, write=log, metrics=metrics, told=True, keeping=keeping)
        agent = None
        if settings.has_agent:  # only to be asked whether its server is there
            agent = wire_agent(
                unguarded, environ=environ, write=log, metrics=metrics, gateways=no_gateways, keeping=keeping
            )
        return Own(settings, wired, agent)

    renewing = Renewing(make, log, environ)
    made = Overseeing(renewing, environ, log, await renewing.first(message))
    renewing.adopt = made.adopt
    return made
