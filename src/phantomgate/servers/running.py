"""The service as one run: workers, management listener, the probe of the authorization server, and a good end.

Rule: readiness is told before anything changes. It is "no" until a worker accepts connections and the authorization
server has been seen, and "no" from the first signal on, while every request in flight is still being answered.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from aiohttp import web

from phantomgate import __version__
from phantomgate.config.log import Level, Log, kinds_of
from phantomgate.config.observe import Snapshot, merge, todo
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import Clock
from phantomgate.core.purge import Mark, Purge
from phantomgate.resolvers.hearing import UNHEARD
from phantomgate.servers.addresses import LISTEN, bind_others
from phantomgate.servers.complaints import log_what_others_say
from phantomgate.servers.management import management
from phantomgate.servers.moving import Moving
from phantomgate.servers.reloading import Read
from phantomgate.servers.side_listener import answer_at, side_runner
from phantomgate.servers.sockets import Bound
from phantomgate.servers.supervisor import Supervisor

FIRST_PROBE, LONGEST_PROBE = 0.5, 15.0
"""Seconds between probes of an authorization server that was not seen yet: doubled each time."""
CUT_SHORT = 1
"""The exit code when a second signal ended what the first one let go on."""

Tell: TypeAlias = Callable[[Sequence[Mark]], Awaitable[bool]]
"""Tells every worker of marks, and says whether all have confirmed."""

Probe: TypeAlias = Callable[[], Awaitable[Refused | None]]
"""Asks the authorization server something harmless; what is wrong, or None."""


class Hearing(Protocol):
    """Hears of purges, and tells the workers and other machines."""

    async def purge(self, purges: Sequence[Purge]) -> bool:
        """Whether everybody knows of what the OAuth agent says is over, or can."""
        ...

    @property
    def unheard(self) -> bool:
        """Whether what was purged before we started isn't known yet."""
        ...

    @property
    def refuses(self) -> bool:
        """Whether nobody is let in until it is."""
        ...

    def told(self) -> list[dict[str, Any]]:
        """The last purges, as `Fleet.told`."""
        ...

    async def stop(self) -> None:
        """Hear no more."""
        ...


Hear: TypeAlias = Callable[[Tell], Awaitable[Hearing]]
"""Begins to hear of purges, and to tell the workers."""


class Changes(Protocol):
    """What changes settings while we run: `Reloading`."""

    @property
    def drain(self) -> float:
        """How long requests in flight have when we end, seconds."""
        ...

    def told(self) -> dict[str, Any]:
        """How it stands."""
        ...

    async def reload(self, why: str) -> bool:
        """Whether the settings as they are now are gone by."""
        ...

    async def watch(self) -> None:
        """Reload when a file has changed, until cancelled."""
        ...


Reloads: TypeAlias = Callable[["Run"], Changes]
"""Makes that, for the workers of a run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run needs. *command* runs a worker in *environ*, *start* is its first message; *drain* in seconds."""

    listen: Bound
    manage: Bound
    workers: int
    drain: float
    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    start: Mapping[str, Any] = field(repr=False)
    probe: Probe
    log: Log
    dropped: Callable[[], int]
    """How many lines of *log* could not be written."""
    ticks: Clock
    jitter: Callable[[], float]
    hear: Hear | None = None
    """Listens for purges, if anybody may tell of them."""
    agent_listen: Bound | None = None
    """Where the OAuth agent listens, if there is one."""
    agent_command: Sequence[str] = ()
    """Runs its one process."""
    command_for: Callable[[Settings], Sequence[str]] | None = None
    """What runs a worker by other settings, where those can change."""
    reloads: Reloads | None = None
    """Changes the settings of these workers, where they can change."""


class Run:
    """One run of *plan*. Its state: whether the authorization server was seen, and what was wrong when it wasn't."""

    _runner: web.AppRunner

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.supervisor = self._supervisor(plan.listen, plan.workers, plan.command)
        self.agent: Supervisor | None = None
        if plan.agent_listen is not None:
            self.agent = self._supervisor(plan.agent_listen, 1, plan.agent_command)
        self.reloading = None if plan.reloads is None else plan.reloads(self)
        self._managed = plan.manage
        self._answering: asyncio.AbstractServer | None = None
        self.seen = False
        self.trouble = "not asked yet"
        self.hearing: Hearing | None = None
        self.code = 0
        self._tasks: set[asyncio.Task[bool]] = set()
        self._watching: asyncio.Task[None] | None = None

    @property
    def ready(self) -> int:
        """As `management.State`."""
        return self.supervisor.ready

    @property
    def restarts(self) -> int:
        """As `management.State`."""
        return sum(one.restarts for one in self._supervisors())

    def crews(self, relieved: bool) -> list[Supervisor]:
        """Who changes settings; when workers are *relieved*, who else does."""
        return self._supervisors()[relieved:]

    def move(self, old: Settings, read: Read) -> Moving | None:
        """Where we must listen besides, by settings that were *read* instead of *old* ones. Raises SettingsError."""
        settings, plan = read.settings, self.plan
        bound = bind_others(settings, {LISTEN: self.supervisor.crew.bound}, old=old)
        if not bound:
            return None
        command = plan.command if plan.command_for is None else plan.command_for(settings)
        workers, drain = settings.serve.workers, old.serve.drain
        return Moving(self.supervisor, bound, workers, command, read.start, drain, self._manage_at)

    @property
    def reloads(self) -> dict[str, Any]:
        """As `management.State`."""
        return {} if self.reloading is None else self.reloading.told()

    async def count(self) -> Snapshot:
        """As `management.State`."""
        counts = await asyncio.gather(*(one.count() for one in self._supervisors()))
        return merge([*counts, {"lines_dropped": self.plan.dropped()}])

    def purges(self) -> list[dict[str, Any]]:
        """As `management.State`."""
        return [] if self.hearing is None else self.hearing.told()

    @property
    def unheard(self) -> bool:
        """As `management.State`."""
        return self.hearing is not None and self.hearing.unheard

    def unready(self) -> dict[str, str]:
        """As `management.State`."""
        if self.supervisor.draining.is_set():
            return {"reason": "draining", "detail": "told to end; requests in flight are still answered"}
        if not self.supervisor.ready:
            return {"reason": "no_worker", "detail": "no worker accepts connections; the log says why"}
        if self.agent is not None and not self.agent.ready:
            return {"reason": "no_worker", "detail": "the OAuth agent accepts no connections; the log says why"}
        if self.hearing is not None and self.hearing.refuses:
            return {"reason": "purges_unheard", "detail": UNHEARD}
        if not self.seen:
            return {"reason": "authorization_server", "detail": self.trouble}
        return {}

    async def until_end(self) -> int:
        """Run until a signal has ended it. The exit code: 0, or `CUT_SHORT`."""
        plan = self.plan
        loop = asyncio.get_running_loop()
        log_what_others_say(plan.log, loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told, number)
        loop.add_signal_handler(signal.SIGHUP, self._told_to_reload)
        self._runner = side_runner(management(self))
        await self._runner.setup()
        await self._manage_at(plan.manage)
        plan.log.say(
            Level.INFO,
            "started",
            version=__version__,
            listen=plan.listen.name,
            manage=plan.manage.name,
            workers=plan.workers,
            pid=os.getpid(),
            **({"agent": plan.agent_listen.name} if plan.agent_listen is not None else {}),
        )
        if plan.hear is not None:
            hearing = self.hearing = await plan.hear(self.supervisor.purge)
            self.supervisor.unheard = lambda: hearing.unheard
            if self.agent is not None:
                self.agent.purged = self.hearing.purge
        beside = [loop.create_task(self._probe_until_seen())]
        if self.reloading is not None:
            self._watching = loop.create_task(self.reloading.watch())
            beside.append(self._watching)
        try:
            await asyncio.gather(*(one.run() for one in self._supervisors()))
        finally:
            for task in (*beside, *self._tasks):
                task.cancel()
            await asyncio.gather(*beside, *self._tasks, return_exceptions=True)
            if self.hearing is not None:
                await self.hearing.stop()
            if self._answering is not None:
                self._answering.close()
            await self._runner.cleanup()
            self._managed.close()
        plan.log.say(Level.INFO, "stopped")
        return self.code

    async def _manage_at(self, bound: Bound) -> None:
        """Have the management listener answer at *bound*, and no longer where it does."""
        before, self._answering = self._answering, await answer_at(self._runner, bound.sockets[0])
        if before is not None:
            before.close()
            self._managed.close()
        self._managed = bound

    def _supervisor(self, listen: Bound, workers: int, command: Sequence[str]) -> Supervisor:
        plan = self.plan
        return Supervisor(
            listen,
            workers,
            command=command,
            environ=plan.environ,
            start=plan.start,
            log=plan.log,
            ticks=plan.ticks,
            jitter=plan.jitter,
        )

    def _supervisors(self) -> list[Supervisor]:
        return [self.supervisor] if self.agent is None else [self.supervisor, self.agent]

    def _told(self, number: signal.Signals) -> None:
        """What a signal does: the first ends us in good order, the next at once."""
        if self.supervisor.draining.is_set():
            self.plan.log.say(Level.WARNING, "cut_short", signal=number.name)
            self.code = CUT_SHORT
            for one in self._supervisors():
                one.kill()
            return
        seconds = self.plan.drain if self.reloading is None else self.reloading.drain
        self.plan.log.say(Level.INFO, "draining", signal=number.name, seconds=seconds)
        if self._watching is not None:
            self._watching.cancel()
        for one in self._supervisors():
            one.drain(seconds)

    def _told_to_reload(self) -> None:
        """What SIGHUP does: it asks for the settings as they are now. One change may wait for another, and reads what
        there is once its turn has come; who asks meanwhile is served by that one."""
        if self.reloading is not None and not self.supervisor.draining.is_set() and len(self._tasks) < 2:
            task = asyncio.get_running_loop().create_task(self.reloading.reload("signal"))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _probe_until_seen(self) -> None:
        """Ask the authorization server until it answers as it should; after that, requests will tell."""
        log, delay, told = self.plan.log, FIRST_PROBE, ""
        while (no := await self._probe()) is not None:
            self.trouble = str(no)
            if self.trouble != told:
                said = {"reason": no.reason.label, "detail": no.detail, "remedy": todo(no.reason, no.detail)}
                log.say(Level.WARNING, "authorization_server_unseen", **said)
                told = self.trouble
            await asyncio.sleep(delay * (0.5 + 0.5 * self.plan.jitter()))
            delay = min(delay * 2, LONGEST_PROBE)
        self.seen = True
        log.say(Level.INFO, "authorization_server_seen")

    async def _probe(self) -> Refused | None:
        try:
            return await self.plan.probe()
        except Exception as bug:  # noqa: BLE001 - a bug in the probe must not look like success, nor end the probing
            return Refused(Reason.SERVER_ERROR, kinds_of(bug))
