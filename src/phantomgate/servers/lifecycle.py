"""The life of a worker process: it takes a listening socket and a channel from the supervisor,
serves, and ends when told to.

Rule: a worker obeys its channel and nothing else. Signals that reach the whole process group (Ctrl-C, systemd) are the
supervisor's to answer, so none of them may cut a request off here; when the channel ends, so does the worker.

    supervisor -> worker   {"do": "serve", ...}                  once, first: what to serve
                           {"do": "count", "of": N}              how much has been counted?
                           {"do": "purge", "of": N, "marks": [...]}      believe none of these any more
                           {"do": "purged", "of": N, "good": true}       everybody knows what N was about
                           {"do": "prepare", "of": N, "sources": {...}}  get ready for these settings
                           {"do": "swap", "of": N}               go by them from now on
                           {"do": "drop"}                        forget them
                           {"do": "go"}                          serve; for one that was started with "waits"
                           {"do": "drain", "seconds": S}         end; requests in flight have S seconds
    worker -> supervisor   {"is": "built", "print": "..."}       it waits to be told to go
                           {"is": "ready"}                       connections are being accepted
                           {"is": "purge", "of": N, "purges": [...]}     the OAuth agent: these are over
                           {"is": "counted", "of": N, "counts": {...}}
                           {"is": "prepared", "of": N, "counts": {...}, "print": "...", "no": "why it could not, if so"}
                           {"is": "done", "whole": true, "counts": {...}}    the last word
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from phantomgate.config.log import Level, Log, frames, kinds_of
from phantomgate.config.observe import Metrics
from phantomgate.core.errors import SettingsError
from phantomgate.servers.channel import Channel, Message
from phantomgate.servers.complaints import log_what_others_say
from phantomgate.servers.renewing import Renews
from phantomgate.servers.sockets import answer_on, take_no_more

ORPHAN_SECONDS = 5.0
"""How long requests in flight have when the supervisor is gone: there may be a new one that wants our address."""


HANDSHAKE_SECONDS = 0.1
"""How long connections that the kernel is about to make may still take, once we want no more of them."""
LAST_CALL_SECONDS = 1.0
"""How long an idle connection is kept, once we are to end: a request may be on its way, and closing would lose it."""

POLL_SECONDS = 0.02


class Listens(Protocol):
    """What a worker serves: the decision listener or the reverse proxy."""

    @property
    def connections(self) -> Collection[object]:
        """The open connections."""
        ...

    def protocol(self) -> asyncio.BaseProtocol:
        """A protocol for one more connection."""
        ...

    def sweep(self, seconds: float) -> None:
        """*seconds* have passed: close what is idle or too slow."""
        ...

    def last_call(self) -> None:
        """No answer from now on keeps its connection."""
        ...

    def begin_drain(self) -> None:
        """Close the connections that are idle."""
        ...

    async def drained(self, deadline: float) -> bool:
        """Whether every connection ended by itself within *deadline* seconds; those that did not are cut off."""
        ...


def ignore(message: Message) -> None:
    """What a worker does about a purge that remembers no tokens."""


class Serves(Protocol):
    """What there is besides connections: how purges are heard, and how other settings are gone by."""

    @property
    def purge(self) -> Callable[[Message], None]:
        """Believes nothing any more that the marks in a message are about."""
        ...

    @property
    def renews(self) -> Renews | None:
        """Has it go by other settings, if it can."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """A listener, and how to give back what it holds besides its connections."""

    listener: Listens
    close: Callable[[], Awaitable[None]]
    purge: Callable[[Message], None] = ignore
    """Believes nothing any more that the marks in a message are about."""
    renews: Renews | None = None
    """Has it go by other settings, if it can."""


Build: TypeAlias = Callable[[Message, Log, Metrics], Awaitable[Served]]
"""From the supervisor's first message to what is served; raises SettingsError where that can't be."""
Work: TypeAlias = Callable[[socket.socket, socket.socket, Log, Metrics], Coroutine[Any, Any, int]]
"""What a worker does with its listening socket and its end of the channel; gives the exit code."""


def run(descriptors: Sequence[str], build: Build) -> int:
    """Be a worker that serves what *build* makes; *descriptors* as for `do`. The exit code."""
    return do(descriptors, lambda listening, end, log, metrics: work(listening, end, build, log, metrics))


def do(descriptors: Sequence[str], work: Work) -> int:
    """Do *work* on the given file descriptors: the listening socket's and the channel's. The exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listening, channel = (socket.socket(fileno=int(number)) for number in descriptors)
    metrics = Metrics()
    log = Log(2, now=time.time, dropped=metrics.drop_line)
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        log_what_others_say(log, runner.get_loop())
        try:
            return runner.run(work(listening, channel, log, metrics))
        except SettingsError as wrong:
            for problem in wrong.problems:
                log.say(Level.ERROR, "settings", **problem._asdict(), pid=os.getpid())
            return 2
        except Exception as bug:  # noqa: BLE001 - the last place that can say what happened
            log.say(Level.ERROR, "worker_failed", pid=os.getpid(), cause=kinds_of(bug), trace=frames(bug))
            return 1


async def work(listening: socket.socket, end: socket.socket, build: Build, log: Log, metrics: Metrics) -> int:
    """Serve on *listening* until the channel at *end* says drain, or ends. The exit code."""
    channel = await Channel.over(end)
    start = await channel.receive()
    if start is None:
        return 0
    served = await build(start, log, metrics)
    listener = served.listener
    if not await told_to_go(channel, start, metrics, served):
        await served.close()
        await channel.close()
        return 0
    loop = asyncio.get_running_loop()
    own = listening.dup()  # the loop closes the one it gets, before we have taken the last connection from it
    server = await answer_on(listening, listener.protocol)
    sweeping = loop.create_task(_sweep(listener))
    channel.send({"is": "ready"})
    seconds = await obey(channel, metrics, served.purge, served.renews) or 0.0
    try:
        async with answering(channel, metrics, served.purge):
            listener.last_call()
            take_no_more(own)
            await asyncio.sleep(HANDSHAKE_SECONDS)
            server.close()
            while listening.fileno() >= 0:  # noqa: ASYNC110 - uvloop closes it a turn later, and ours must be the last
                await asyncio.sleep(0)
            await take_backlog(own, listener)
            grace = min(LAST_CALL_SECONDS, seconds / 2)
            await _emptied(listener, grace)
            listener.begin_drain()
            whole = await listener.drained(seconds - grace)
        channel.send({"is": "done", "whole": whole, "counts": metrics.snapshot()})
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await served.close()
        await channel.close()
    return 0


async def obey(
    channel: Channel,
    metrics: Metrics,
    purge: Callable[[Message], None] = ignore,
    renews: Renews | None = None,
) -> float | None:
    """Answer the supervisor until it wants an end; how many seconds requests in flight have then. None: told to go.

    Raises RuntimeError when told to go by settings that could not be prepared: whoever takes our place can.
    """
    while (message := await channel.receive()) is not None:
        said: Message = {"is": "counted"}
        match message.get("do"):
            case "purge":
                purge(message)  # and is confirmed by counts that come after it
            case "prepare":
                said = {"is": "prepared", **await _prepared(message, renews)}
            case "swap" if renews is not None:
                renews.swap()
            case "drop" if renews is not None:
                await renews.drop()
                continue
            case "drain":
                return float(message["seconds"])
            case "go":
                return None
            case "count":
                pass
            case _:
                continue
        channel.send({**said, "of": message.get("of"), "counts": metrics.snapshot()})
    return ORPHAN_SECONDS


@asynccontextmanager
async def answering(
    channel: Channel, metrics: Metrics, purge: Callable[[Message], None] = ignore
) -> AsyncIterator[None]:
    """Obeys within the block too, where what has begun comes to its end."""
    obeying = asyncio.create_task(obey(channel, metrics, purge))
    try:
        yield
    finally:
        obeying.cancel()
        await asyncio.gather(obeying, return_exceptions=True)


async def told_to_go(
    channel: Channel,
    start: Message,
    metrics: Metrics,
    served: Serves,
) -> bool:
    """Whether to serve: at once, or, where others are to be relieved, when all who relieve them are ready."""
    if not start.get("waits"):
        return True
    channel.send({"is": "built", "print": "" if served.renews is None else served.renews.print})
    return await obey(channel, metrics, served.purge, served.renews) is None


async def _prepared(message: Message, renews: Renews | None) -> Message:
    """What came of preparing: the print of what was prepared, or why it could not be."""
    if renews is None:
        return {"no": "this worker is about to end, or keeps the settings it has"}
    try:
        return {"print": await renews.prepare(message)}
    except SettingsError as no:
        return {"no": "; ".join(f"{problem.setting} {problem.message}" for problem in no.problems)}
    except Exception as bug:  # noqa: BLE001 - whatever it is, we go on as we are
        return {"no": kinds_of(bug)}


async def take_backlog(listening: socket.socket, listener: Listens) -> None:
    """Take every connection that the kernel has made for us already, then stop listening.

    Whoever is in that queue is connected and may have sent a request; closing on them would lose it.
    """
    loop = asyncio.get_running_loop()
    listening.setblocking(False)
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # no more; or no descriptor for one more
            break
        await loop.connect_accepted_socket(listener.protocol, connection)
    listening.close()


async def _emptied(listener: Listens, seconds: float) -> None:
    """The last connection has ended, or *seconds* have passed."""
    for _ in range(int(seconds / POLL_SECONDS)):
        if not listener.connections:
            return
        await asyncio.sleep(POLL_SECONDS)


async def _sweep(listener: Listens) -> None:
    """Tell *listener* the time, every second."""
    loop = asyncio.get_running_loop()
    last = loop.time()
    while True:
        await asyncio.sleep(1.0)
        now = loop.time()
        listener.sweep(now - last)
        last = now


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
