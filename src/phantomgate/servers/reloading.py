"""A change of settings, secrets and keys while we run: everybody is ready for it, or nobody goes by it.

    read and check ──▶ the supervisor prepares ──▶ ask what is asked anew ──▶ every worker prepares ──▶ all swap
          └────────────────────┴──────────── any no, or too late ────────────────────┴──▶ all drop, and say why

Rule: whatever goes wrong before the swap, everything stays as it is. What is wrong is said once, without a secret, and
can be seen until it is mended. A file that is being written is left to come to rest first.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from phantomgate.config.log import Level, Log, frames, kinds_of
from phantomgate.config.references import files_of
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, Refused, SettingsError
from phantomgate.core.nouns import fields
from phantomgate.core.ports import Clock
from phantomgate.servers.channel import Message
from phantomgate.servers.renewing import Renews

PREPARE_SECONDS = 30.0
"""How long workers may take to get ready for other settings."""
SWAP_SECONDS = 5.0
"""How long one may take to go by them, before it is ended."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the files."""
AGAIN_AFTER = 15.0
"""Seconds until what could not be done is tried again, although no file has changed."""


@dataclass(frozen=True, slots=True)
class Read:
    """Settings, read and checked. *start* is what workers are started with; *named* the file that was looked for."""

    settings: Settings
    start: Message = field(repr=False)
    named: str


class Oversees(Protocol):
    """The supervisor's own parts: `Overseeing`."""

    @property
    def renewing(self) -> Renews:
        """What was prepared, to be gone by or forgotten."""
        ...

    async def prepare(self, message: Message) -> str:
        """The print of the settings in *message*, which can be gone by. Raises SettingsError."""
        ...

    async def trouble(self) -> tuple[str, Refused] | None:
        """Which server refuses how it is asked now, and was not before."""
        ...

    def also(self) -> Message:
        """What workers that start by the settings that were prepared need besides."""
        ...


class Supervises(Protocol):
    """The workers of one service: `Supervisor`."""

    async def prepare(self, start: Mapping[str, Any], seconds: float, wanted: str) -> str:
        """Why some worker can't get ready, or nothing."""
        ...

    async def swap(self, start: Mapping[str, Any], seconds: float) -> None:
        """Have every worker go by what it has prepared."""
        ...

    def drop(self) -> None:
        """Have every worker forget it."""
        ...


class Moves(Protocol):
    """Other addresses or other workers, about to be gone to: `Moving`."""

    @property
    def relieves(self) -> bool:
        """Whether there will be other workers."""
        ...

    async def ready(self, wanted: str) -> str:
        """Why it can't be done, or nothing."""
        ...

    async def go(self) -> None:
        """Do it."""
        ...

    def undo(self) -> None:
        """Leave everything where it is."""
        ...


class NotNow(Exception):
    """The settings may be good, and could not be gone by."""


class Reloading:
    """Changes the settings of *crews* and of the supervisor. State: what is in force, and how the attempts went.

    *read* reads and checks everything anew, and raises SettingsError; *fixed* says what has changed of the settings
    that only a restart can change; *move* binds what has to be listened on besides. *crews* are all who change their
    settings, or, when workers are relieved, all others.
    """

    def __init__(
        self,
        now_in_force: Read,
        read: Callable[[], Read],
        fixed: Callable[[Settings, Settings], list[Problem]],
        own: Oversees,
        crews: Callable[[bool], Sequence[Supervises]],
        move: Callable[[Settings, Read], Moves | None],
        *,
        log: Log,
        now: Clock,
        ticks: Clock,
    ) -> None:
        self.in_force = now_in_force
        self.succeeded = self.failed = 0
        self.good_since = now()
        """When the settings in force were read, Unix time."""
        self.trouble = ""
        """Why the last attempt came to nothing; empty when it succeeded."""
        self._read = read
        self._fixed = fixed
        self._own = own
        self._crews = crews
        self._move = move
        self._log = log
        self._now = now
        self._ticks = ticks
        self._one_at_a_time = asyncio.Lock()
        self._also: set[str] = set()

    @property
    def drain(self) -> float:
        """How long requests in flight have when we end, seconds."""
        return self.in_force.settings.serve.drain

    def told(self) -> dict[str, Any]:
        """How it stands, for /metrics and the page."""
        return {
            "succeeded": self.succeeded,
            "failed": self.failed,
            "good_since": self.good_since,
            "trouble": self.trouble,
        }

    async def reload(self, why: str) -> bool:
        """Whether the settings as they are now are gone by. *why* is "signal" or "change"."""
        async with self._one_at_a_time:
            began = self._ticks()
            try:
                read = await self._swapped()
            except SettingsError as no:
                return self._failed(why, "; ".join(f"{one.setting} {one.message}" for one in no.problems))
            except NotNow as no:
                return self._failed(why, str(no))
            except ModuleNotFoundError as missing:
                return self._failed(why, f"they need {missing.name}, which is not installed")
            except Exception as bug:  # noqa: BLE001 - whatever it is, we go on as we are
                self._log.say(Level.ERROR, "bug", what="reload", cause=kinds_of(bug), trace=frames(bug))
                return self._failed(why, kinds_of(bug))
            changed = _changed(self.in_force.settings, read.settings)
            self.in_force = read
            self.succeeded += 1
            self.good_since, self.trouble, self._also = self._now(), "", set()
            seconds = round(self._ticks() - began, 3)
            self._log.say(Level.INFO, "reloaded", why=why, changed=changed, seconds=seconds)
            return True

    async def watch(self) -> None:
        """Reload when a file that the settings name has changed, where they say so, until cancelled."""
        seen, changed, again = self._look(), False, float("inf")
        while True:
            await asyncio.sleep(LOOK_EVERY)
            looked, before = self._look(), seen
            seen = looked
            if self.in_force.settings.serve.reload != "change":
                changed, again = False, float("inf")
            elif looked != before:
                changed = True  # and may be written still
            elif changed or self._ticks() >= again:
                changed = False
                again = float("inf") if await self.reload("change") else self._ticks() + AGAIN_AFTER
                seen = looked | {name: found for name, found in self._look().items() if name not in looked}

    def _look(self) -> dict[str, object]:
        names = {self.in_force.named, *files_of(self.in_force.settings), *self._also}
        return {name: _state(name) for name in names}

    async def _swapped(self) -> Read:
        """What was read, once everybody goes by it. Raises SettingsError and NotNow, and then nothing has changed."""
        read = self._read()
        self._also = files_of(read.settings)
        problems = self._fixed(self.in_force.settings, read.settings)
        if problems:
            raise SettingsError(problems)
        move = self._move(self.in_force.settings, read)
        crews = self._crews(move is not None and move.relieves)
        try:
            wanted = await self._own.prepare(read.start)
            read.start.update(self._own.also())
            found = await self._own.trouble()
            if found is not None:
                raise NotNow(f"the server of {found[0]} answers to them: {found[1]}")
            asked = [one.prepare(read.start, PREPARE_SECONDS, wanted) for one in crews]
            answers = await asyncio.gather(*asked, *([] if move is None else [move.ready(wanted)]))
            if any(answers):
                raise NotNow("; ".join(sorted({answer for answer in answers if answer})))
        except BaseException:
            for one in crews:
                one.drop()
            if move is not None:
                move.undo()
            await self._own.renewing.drop()
            raise
        await asyncio.gather(*(one.swap(read.start, SWAP_SECONDS) for one in crews))
        if move is not None:
            await move.go()
        self._own.renewing.swap()
        return read

    def _failed(self, why: str, detail: str) -> bool:
        self.failed += 1
        if why == "signal" or detail != self.trouble:
            self._log.say(Level.ERROR, "reload_failed", why=why, detail=detail)
        self.trouble = detail
        return False


def _state(name: str) -> object:
    """What tells that a file was written, or that another is in its place, behind whatever links."""
    try:
        found = os.stat(name)  # noqa: PTH116 - as cheap as can be, every second
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _changed(old: Settings, new: Settings) -> list[str]:
    """The sections in which settings differ; empty when only what they refer to does."""
    return [one.name for one in fields(Settings) if one.compare and getattr(old, one.name) != getattr(new, one.name)]
