"""A worker's side of a change of settings: it makes what it will serve by, says whether it could, and swaps when told.

Rule: until it is told to swap, nothing that is served has changed; when it is, everything changes at once, between two
steps of the event loop. A request that has begun ends with the gateway that it began with. What files and secrets held
is read once for all: had any of them changed meanwhile, nothing is offered.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar

from phantomgate.config.keeping import Keeping
from phantomgate.config.loading import Sources, load, process_environ
from phantomgate.config.log import Level, Log
from phantomgate.config.references import Prints
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired
from phantomgate.core.errors import Problem, SettingsError
from phantomgate.core.purge import read_mark
from phantomgate.resolvers.marks import Marks
from phantomgate.servers.channel import Message

W = TypeVar("W")


class Renews(Protocol):
    """What `lifecycle.obey` asks of a worker whose settings may change."""

    print: str
    """What tells the settings that it goes by, and what they refer to, from any other."""

    async def prepare(self, message: Message) -> str:
        """Get ready for the settings in *message*; what tells them and what they refer to. Raises SettingsError."""
        ...

    def swap(self) -> None:
        """Go by what was prepared, from now on. Raises RuntimeError when nothing is."""
        ...

    async def drop(self) -> None:
        """Forget what was prepared."""
        ...


class Renewing(Generic[W]):
    """The settings of a worker, made into what it serves by. Its state: the parts, and what was prepared, if anything.

    *make* makes it of settings; *adopt* has the listener go by it.
    """

    def __init__(
        self,
        make: Callable[[Settings, Keeping], Awaitable[W]],
        log: Log,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.keeping = Keeping()
        self.adopt: Callable[[W], None] = lambda made: None  # noqa: ARG005 - nobody listens yet
        self.print = ""
        self._make = make
        self._log = log
        self._environ = process_environ() if environ is None else environ
        self._prepared: tuple[W, Settings, str] | None = None

    @property
    def prepared(self) -> W | None:
        """What was prepared and not yet swapped or dropped."""
        return None if self._prepared is None else self._prepared[0]

    async def first(self, message: Message) -> W:
        """What is served by from the start. Raises SettingsError.

        It and the modules that it needed stay, and the garbage collector is told so: it would walk through all of them
        over and over, and no request is decided meanwhile (20 ms, twice a second, while tokens are new). What later
        settings replace may then stay, too, but once and not with each reload.
        """
        await self.prepare(message)
        made = self.prepared
        self.swap()
        if made is None:
            raise RuntimeError("prepared, and nothing is there")
        gc.collect()
        gc.freeze()
        return made

    async def prepare(self, message: Message) -> str:
        """As `Renews`."""
        await self.drop()
        await self.keeping.begin()
        try:
            settings = load(Sources(**message["sources"]))
            before = printed(settings, self._environ)
            made = await self._make(settings, self.keeping)
            if printed(settings, self._environ) != before:
                raise SettingsError([Problem("settings", "refer to what has changed while it was read", "files")])
        except BaseException:
            await self.keeping.drop()
            raise
        self._prepared = made, settings, before
        return before

    def swap(self) -> None:
        """As `Renews`."""
        if self._prepared is None:
            raise RuntimeError("told to go by settings that could not be prepared")
        made, settings, self.print = self._prepared
        self._prepared = None
        self.keeping.swap()
        self._log.level = Level[settings.log.level.upper()]
        self.adopt(made)

    async def drop(self) -> None:
        """As `Renews`."""
        self._prepared = None
        await self.keeping.drop()


def adopting(adopt: Callable[[Wired], None]) -> Callable[[Wired], None]:
    """*adopt*, after which purges are known by the digests of the settings that are gone by."""

    def adopted(newer: Wired) -> None:
        for secret in (*newer.other_digests, newer.digests):
            newer.marks.know(secret)
        adopt(newer)

    return adopted


def purging(marks: Marks) -> Callable[[Message], None]:
    """Believes nothing any more that the marks in a message are about, nor in those by the *digests* of before; and
    knows whether there are others of before we started (*unheard*)."""

    def purge(message: Message) -> None:
        marks.unheard = message.get("unheard", marks.unheard)
        for one in message.get("digests", ()):
            marks.know(bytes.fromhex(one))
        for mark in message.get("marks", ()):
            marks.put(read_mark(mark))

    return purge


def printed(settings: Settings, environ: Mapping[str, str]) -> str:
    """What tells *settings*, and all that they refer to now, from any other."""
    return Prints(environ)(settings)
