"""One place for a worker process, and the crew that it belongs to: how it is started, how it ends, how that reads.

Rule: here is what there is to know of one process; what is done about it is the supervisor's.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from phantomgate.config.observe import Snapshot
from phantomgate.servers.channel import Channel, Message
from phantomgate.servers.sockets import Bound

GRACE_SECONDS = 3.0
"""What a worker has beyond the drain to end by itself."""


def worker_command(module: str, path: Sequence[str], directory: str) -> tuple[str, ...]:
    """How to run *module* as we are run ourselves: the same interpreter, warnings and rules for imports.

    *path* is our import path, *directory* the working directory.
    """
    flags = [*(["-O"] * sys.flags.optimize), *(f"-W{option}" for option in sys.warnoptions)]
    if sys.flags.isolated:
        flags.append("-I")
    elif path[:1] not in ([""], [directory]):
        flags.append("-P")  # `-m` would look in the working directory first, and we don't
    return (sys.executable, *flags, "-m", module)


@dataclass(slots=True, eq=False)
class Crew:
    """Workers that do the same in the same way. Its state: the settings in *start*, what each is started with.

    *command* is what runs one, with the numbers of two file descriptors behind it.
    """

    bound: Bound
    command: Sequence[str]
    start: Mapping[str, Any] = field(repr=False)


@dataclass(slots=True, eq=False)
class Worker:
    """One place for a worker. Its state: the process that holds it now, and what that told us."""

    number: int
    crew: Crew
    process: asyncio.subprocess.Process | None = None
    channel: Channel | None = None
    born: float = 0.0
    ready: bool = False
    counts: Snapshot = field(default_factory=dict)
    asked: dict[int, asyncio.Future[Message]] = field(default_factory=dict)
    silent: int = 0
    killed: bool = False
    """Whether its process has been told to end now, which takes a moment."""
    failures: int = 0
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is to end and not to be started again."""
    seconds: float = 0.0
    """How long its requests in flight have then."""
    waits: bool = False
    """Whether it is to serve nobody before it is told to go."""
    built: str | None = None
    """The print of what it would go by, once it waits for that."""

    async def start(self, environ: Mapping[str, str]) -> tuple[asyncio.subprocess.Process, Channel]:
        """A new process, in *environ*, that has its socket and the other end of the channel. Raises OSError."""
        listening = self.crew.bound.socket(self.number)
        ours, theirs = socket.socketpair()
        numbers = (listening.fileno(), theirs.fileno())
        try:
            with theirs:  # nothing is awaited before the fork, so nobody closes *listening* meanwhile
                process = await asyncio.create_subprocess_exec(
                    *self.crew.command,
                    *map(str, numbers),
                    pass_fds=numbers,
                    env=environ,
                    stdin=asyncio.subprocess.DEVNULL,
                )
        except BaseException:
            ours.close()
            raise
        self.process, self.channel = process, await Channel.over(ours)
        return self.process, self.channel

    def go(self) -> None:
        """Serve, after having waited."""
        self.waits = False
        if self.channel is not None:
            self.channel.send({"do": "go"})

    def leave(self, seconds: float) -> None:
        """End; requests in flight have *seconds*."""
        if not self.leaving.is_set():
            self.seconds = seconds
            self.leaving.set()
            if self.channel is not None:
                self.channel.send({"do": "drain", "seconds": seconds})

    def kill(self) -> None:
        """End now."""
        if self.process is not None and self.process.returncode is None:
            self.killed = True
            with suppress(ProcessLookupError):
                self.process.kill()


async def ended(process: asyncio.subprocess.Process) -> str:
    """How *process* ended, which has closed its channel and so should be about to."""
    try:
        code = await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        code = await process.wait()
    return _told(code)


def _told(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
