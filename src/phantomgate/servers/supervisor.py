"""The supervisor: starts workers, starts them again, knows what they counted, and ends them in good order.

Rule: it holds the listening sockets for as long as anybody is to connect, so a worker's death refuses nobody, and it
never serves a request itself. What a worker has told of its counts outlives it: totals don't go back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from phantomgate.config.log import Level, Log
from phantomgate.config.observe import Snapshot, merge
from phantomgate.config.observe import ended as left_by
from phantomgate.core.ports import Clock
from phantomgate.core.purge import Mark, Purge, read_purge, write_mark
from phantomgate.servers.channel import Channel, Message
from phantomgate.servers.crew import GRACE_SECONDS, Crew, Worker, ended
from phantomgate.servers.sockets import Bound

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds before a worker that fails again and again is started again: doubled each time."""
START_SECONDS = 60.0
"""How long a worker may take until it accepts connections, before it counts as stuck and is killed."""
STEADY_SECONDS = 30.0
"""A worker that lived this long did not fail at start; its successor is started at once."""
ASK_EVERY, SILENT = 2.0, 15
"""How often every worker is asked for its counts, in seconds, and after how many of these rounds without a word from it
a worker counts as stuck and is killed."""
MOST_MARKS = 100_000
"""How many purges a worker that starts anew is told of: the newest."""


class Supervisor:
    """The workers of one service. Its state: who they are, what those before them counted, and whether we are ending.

    *start* is the message every worker is started with; *command* is what runs one, in *environ*, with the numbers of
    two file descriptors behind it; *jitter* gives a number from 0 to 1.
    """

    def __init__(
        self,
        bound: Bound,
        workers: int,
        *,
        command: Sequence[str],
        environ: Mapping[str, str],
        start: Mapping[str, Any],
        log: Log,
        ticks: Clock,
        jitter: Callable[[], float],
        ask_every: float = ASK_EVERY,
        silent: int = SILENT,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.crew = Crew(bound, command, start)
        self.workers = [Worker(number, self.crew) for number in range(workers)]
        self.restarts = 0
        self.draining = asyncio.Event()
        self._environ = environ
        self._keeping = asyncio.TaskGroup()
        self._log = log
        self._ticks = ticks
        self._jitter = jitter
        self._ask_every = ask_every
        self._silent = silent
        self._start_seconds = start_seconds
        self._past = merge([])
        self._questions = 0
        self._purged: list[tuple[float, Mark]] = []
        self._prepared: set[Channel | None] = set()
        self.purged: Callable[[Sequence[Purge]], Awaitable[bool]] | None = None
        """Who is told of what workers say is over, and says whether everybody knows."""
        self.unheard: Callable[[], bool] = lambda: False
        """Whether what was purged before we started isn't known yet; workers are told with every purge."""
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> int:
        """How many workers accept connections, and will go on."""
        return sum(worker.ready and not worker.leaving.is_set() for worker in self.workers)

    async def run(self) -> None:
        """Keep every worker going until the drain has ended."""
        asking = asyncio.create_task(self._ask_regularly())
        try:
            async with self._keeping:
                for worker in self.workers:
                    self._keeping.create_task(self._keep(worker))
        finally:
            asking.cancel()
            self.crew.bound.close()
            self.kill()

    async def count(self, seconds: float = 1.0) -> Snapshot:
        """What all workers, those before them included, have counted; at most *seconds* old where one answers."""
        answers = [asked for worker in self.workers if (asked := self._ask(worker)) is not None]
        if answers:
            await asyncio.wait(answers, timeout=seconds)
        return merge([self._past, *(worker.counts for worker in self.workers)])

    async def prepare(self, start: Mapping[str, Any], seconds: float, wanted: str) -> str:
        """Have every worker get ready for the settings in *start*; why one can't within *seconds*, or nothing.

        What they and all that they refer to are, must be *wanted* everywhere. Nobody goes by them yet.
        """
        asked = {
            worker: self._send(worker, worker.channel, {**start, "do": "prepare"})
            for worker in self.workers
            if worker.channel is not None and not worker.leaving.is_set()
        }
        if asked:
            await asyncio.wait(asked.values(), timeout=seconds)
        for worker, one in asked.items():
            if not one.done():
                return f"worker {worker.number} did not get ready within {seconds:g} s"
            if one.cancelled():
                return f"worker {worker.number} ended meanwhile"
            said = one.result()
            if said.get("no"):
                return str(said["no"])
            if said.get("print") != wanted:
                return f"worker {worker.number} found other files or secrets than we did: they have just changed"
        self._prepared = {worker.channel for worker in asked}
        return ""

    async def swap(self, start: Mapping[str, Any], seconds: float) -> None:
        """Have every worker go by what it has prepared, *start*, and start others with it from now on.

        One that doesn't within *seconds* is ended: nobody may go on as before.
        """
        self.crew.start = start
        asked: dict[Worker, asyncio.Future[Message]] = {}
        for worker in self.workers:
            if worker.channel is not None and not worker.leaving.is_set():
                if worker.channel not in self._prepared:  # it has started meanwhile
                    worker.channel.send({**start, "do": "prepare"})
                asked[worker] = self._send(worker, worker.channel, {"do": "swap"})
        if asked:
            await asyncio.wait(asked.values(), timeout=seconds)
        for worker, one in asked.items():
            if not one.done():
                self._log.say(Level.ERROR, "worker_stuck", worker=worker.number, ready=worker.ready)
                worker.kill()

    def drop(self) -> None:
        """Have every worker forget what it has prepared."""
        for worker in self.workers:
            if worker.channel is not None:
                worker.channel.send({"do": "drop"})

    def enlist(self, crew: Crew, workers: int) -> list[Worker]:
        """Start *workers* of *crew*, who serve nobody before they are told to go."""
        newer = [Worker(number, crew, waits=True) for number in range(workers)]
        self.workers += newer
        for worker in newer:
            self._keeping.create_task(self._keep(worker))
            if self.draining.is_set():
                worker.leave(0.0)
        return newer

    async def purge(self, marks: Sequence[Mark], seconds: float = 1.0) -> bool:
        """Whether within *seconds* every worker has confirmed that it believes nothing that *marks* are about.

        One that dies meanwhile knows nothing, and its successor is told when it starts.
        """
        now = self._ticks()
        told = [one for one in self._purged if now < one[0]] + [(now + mark.seconds, mark) for mark in marks]
        self._purged = told[-MOST_MARKS:]
        message = {"do": "purge", "marks": [write_mark(mark) for mark in marks], "unheard": self.unheard()}
        asked = [self._send(worker, worker.channel, message) for worker in self.workers if worker.channel is not None]
        return not asked or not (await asyncio.wait(asked, timeout=seconds))[1]

    def drain(self, seconds: float) -> None:
        """Stop listening and let the workers end; requests in flight have *seconds*.

        Our copies of the sockets go first: each worker then is the last to hold its own, so that no connection can
        arrive after it has looked for the last time. While some relieve others, those are the sockets of both.
        """
        if self.draining.is_set():
            return
        self.draining.set()
        for crew in {self.crew, *(worker.crew for worker in self.workers)}:
            crew.bound.close()
        for worker in self.workers:
            worker.leave(seconds)

    def kill(self) -> None:
        """End every worker now."""
        for worker in self.workers:
            worker.kill()

    async def _keep(self, worker: Worker) -> None:
        """Start *worker*, and again when it ends, until it is to leave."""
        while not worker.leaving.is_set():
            worker.born = self._ticks()
            try:
                how = await self._live(worker)
            except OSError as no:  # no process, no descriptor, no memory: all of that may pass
                how = f"not started: {no.strerror}"
            if worker.leaving.is_set():
                break
            lived = self._ticks() - worker.born
            self.restarts += 1
            worker.failures = 0 if lived >= STEADY_SECONDS else worker.failures + 1
            delay = self._delay(worker.failures)
            told = {"worker": worker.number, "how": how, "lived": round(lived, 1), "restart_in": round(delay, 1)}
            self._log.say(Level.ERROR, "worker_died", **told)
            if delay:
                worker.crew.bound.release(worker.number)  # nobody is to wait in a queue that nobody may ever look at
                with suppress(TimeoutError):
                    await asyncio.wait_for(worker.leaving.wait(), delay)
        self.workers.remove(worker)

    def _delay(self, failures: int) -> float:
        """Seconds until a worker is started again that failed *failures* times in a row soon after its start."""
        if failures <= 1:
            return 0.0
        longest = min(FIRST_DELAY * 2.0 ** min(failures - 2, 10), LONGEST_DELAY)
        return longest * (0.5 + 0.5 * self._jitter())

    async def _live(self, worker: Worker) -> str:
        """One life of *worker*, from its start to its end; how it ended. Raises OSError when it can't be started."""
        process, channel = await worker.start(self._environ)
        now = self._ticks()
        marks = [write_mark(mark) for until, mark in self._purged if now < until]
        told = {"marks": marks, "unheard": self.unheard(), "waits": worker.waits}
        channel.send({**worker.crew.start, "do": "serve", "worker": worker.number, **told})
        if worker.leaving.is_set():
            channel.send({"do": "drain", "seconds": worker.seconds})
        overtime = asyncio.create_task(self._end_overtime(worker))
        try:
            await self._listen(worker, process, channel)
            return await ended(process)
        finally:
            overtime.cancel()
            worker.kill()
            await channel.close()
            self._past = merge([self._past, left_by(worker.counts)])
            worker.process = worker.channel = None
            worker.ready, worker.counts, worker.silent, worker.killed = False, {}, 0, False
            for open_question in worker.asked.values():
                open_question.cancel()
            worker.asked.clear()

    async def _listen(self, worker: Worker, process: asyncio.subprocess.Process, channel: Channel) -> None:
        """Hear what *worker* has to say, until it says no more."""
        while (message := await channel.receive()) is not None:
            worker.silent = 0
            said = message.get("is")
            if said == "ready":
                worker.ready = True
                self._log.say(Level.INFO, "worker_ready", worker=worker.number, pid=process.pid)
                continue
            if said == "built":
                worker.built = str(message["print"])
                continue
            if said == "purge":
                telling = asyncio.create_task(self._tell(channel, message))
                self._telling.add(telling)
                telling.add_done_callback(self._telling.discard)
                continue
            worker.counts = message["counts"]
            if said == "done":
                worker.ready = False
                if not message["whole"]:
                    self._log.say(Level.WARNING, "drain_cut_off", worker=worker.number, seconds=worker.seconds)
                continue
            answered = worker.asked.pop(message["of"], None)
            if answered is not None and not answered.done():
                answered.set_result(message)

    async def _tell(self, channel: Channel, message: Message) -> None:
        """Tell everybody what *message* says is over, and the worker whether they know."""
        purges = [read_purge(one) for one in message["purges"]]
        good = self.purged is not None and await self.purged(purges)
        channel.send({"do": "purged", "of": message["of"], "good": good})

    async def _end_overtime(self, worker: Worker) -> None:
        """Kill *worker* if it is still there well after the drain should have been over."""
        await worker.leaving.wait()
        await asyncio.sleep(worker.seconds + GRACE_SECONDS)
        self._log.say(Level.WARNING, "drain_overdue", worker=worker.number)
        worker.kill()

    async def _ask_regularly(self) -> None:
        """Keep our copy of every worker's counts fresh, and kill one that has stopped to answer."""
        while True:
            await asyncio.sleep(self._ask_every)
            for worker in list(self.workers):
                if worker.killed:
                    continue
                if self._is_stuck(worker) and not worker.leaving.is_set():
                    age = round(self._ticks() - worker.born, 1)
                    self._log.say(Level.ERROR, "worker_stuck", worker=worker.number, ready=worker.ready, age=age)
                    worker.kill()
                elif self._ask(worker) is not None:
                    worker.silent += 1

    def _is_stuck(self, worker: Worker) -> bool:
        """Whether *worker* has given no sign of life for too long, or never got ready."""
        if worker.ready:
            return worker.silent >= self._silent
        return worker.process is not None and self._ticks() - worker.born >= self._start_seconds

    def _ask(self, worker: Worker) -> asyncio.Future[Message] | None:
        """Ask *worker* for its counts; done when it has answered or ended. None when it can't answer yet."""
        if worker.channel is None or not worker.ready:
            return None
        return self._send(worker, worker.channel, {"do": "count"})

    def _send(self, worker: Worker, channel: Channel, message: Mapping[str, Any]) -> asyncio.Future[Message]:
        """Send *message*; done when *worker* has answered or ended."""
        self._questions += 1
        asked: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        worker.asked[self._questions] = asked
        channel.send({**message, "of": self._questions})
        return asked
