"""The supervisor with real worker processes that serve next to nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from phantomgate.servers.crew import Crew, worker_command
from phantomgate.servers.sockets import bind_tcp, bind_unix
from phantomgate.servers.supervisor import Supervisor

ECHO = (sys.executable, str(Path(__file__).with_name("echo_worker.py")))


class Told:
    """A log that keeps what it was told."""

    def __init__(self):
        self.events = []

    def say(self, level, event, **fields):
        self.events.append((event, fields))

    def of(self, event):
        return [fields for name, fields in self.events if name == event]


async def until(true, seconds=120):
    """Come back when *true()* is."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what we wait for are processes
            await asyncio.sleep(0.01)


@asynccontextmanager
async def supervised(workers=2, bound=None, start=None, command=ECHO, **options):
    bound = bound or bind_tcp("127.0.0.1", 0, workers)
    supervisor = Supervisor(
        bound,
        workers,
        command=command,
        environ=dict(os.environ),
        start=start or {},
        log=Told(),
        ticks=time.monotonic,
        jitter=lambda: 1.0,
        **options,
    )
    supervisor.log = supervisor._log
    supervisor.where = bound.name
    running = asyncio.create_task(supervisor.run())
    supervisor.running = running
    try:
        yield supervisor
    finally:
        supervisor.drain(0.0)
        supervisor.kill()
        await running


async def connect(supervisor):
    if supervisor.where.startswith("unix:"):
        return await asyncio.open_unix_connection(supervisor.where[5:])
    host, port = supervisor.where.split(":")
    return await asyncio.open_connection(host, int(port))


async def ask(supervisor, line):
    """(pid of the worker, what it said) on a connection of its own."""
    reader, writer = await connect(supervisor)
    try:
        writer.write(line + b"\n")
        async with asyncio.timeout(60):
            pid, _, said = (await reader.readline()).partition(b" ")
        return int(pid or 0), said.rstrip()
    finally:
        writer.transport.abort()


def alive(pid):
    return Path(f"/proc/{pid}").exists()


def test_counts_are_those_of_all_workers_together():
    async def story():
        async with supervised(3) as supervisor:
            await until(lambda: supervisor.ready == 3)
            pids = {(await ask(supervisor, b"hello"))[0] for _ in range(60)}
            assert len(pids) > 1
            assert 60 == (await supervisor.count())["allowed"]

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_worker_that_dies_is_replaced_and_its_counts_stay(kind, tmp_path):
    async def story():
        bound = bind_unix(str(tmp_path / "s")) if kind == "unix" else None
        async with supervised(2, bound) as supervisor:
            await until(lambda: supervisor.ready == 2)
            for _ in range(20):
                await ask(supervisor, b"hello")
            before = await supervisor.count()
            pids = {worker.process.pid for worker in supervisor.workers}
            await ask(supervisor, b"die")
            await until(lambda: supervisor.restarts == 1 and supervisor.ready == 2)
            assert before["allowed"] == (await supervisor.count())["allowed"] == 20
            for _ in range(20):
                assert b"hello" == (await ask(supervisor, b"hello"))[1]
            assert 40 == (await supervisor.count())["allowed"]
            (dead,) = pids - {worker.process.pid for worker in supervisor.workers}
            assert not alive(dead)  # not even as a zombie
            assert ["SIGKILL"] == [died["how"] for died in supervisor.log.of("worker_died")]

    asyncio.run(story())


def test_whoever_connects_while_a_worker_is_being_replaced_is_served():
    async def story():
        async with supervised(1) as supervisor:
            await until(lambda: supervisor.ready == 1)
            await ask(supervisor, b"die")
            assert b"hello" == (await ask(supervisor, b"hello"))[1]

    asyncio.run(story())


def test_a_worker_that_fails_again_and_again_is_started_ever_more_slowly():
    async def story():
        async with supervised(1, start={"fails": True}) as supervisor:
            await until(lambda: len(supervisor.log.of("worker_died")) >= 4)
            died = supervisor.log.of("worker_died")[:4]
            assert [0.0, 0.5, 1.0, 2.0] == [one["restart_in"] for one in died]
            assert {"exit code 1"} == {one["how"] for one in died}
            with pytest.raises(ConnectionRefusedError):  # nobody is to wait in vain
                await connect(supervisor)

    asyncio.run(story())


def test_a_worker_that_no_longer_answers_is_killed_and_replaced():
    async def story():
        async with supervised(1, ask_every=0.1, silent=10) as supervisor:
            await until(lambda: supervisor.ready == 1)
            hung = supervisor.workers[0].process.pid
            _, writer = await connect(supervisor)
            writer.write(b"hang\n")
            await until(lambda: supervisor.restarts and supervisor.ready == 1)
            assert not alive(hung)
            assert supervisor.restarts == len(supervisor.log.of("worker_stuck"))  # on a busy machine more than one is
            writer.close()

    asyncio.run(story())


def test_a_worker_that_does_not_get_ready_is_killed_and_replaced():
    async def story():
        async with supervised(1, ask_every=0.05, start_seconds=0.2, start={"hangs": True}) as supervisor:
            await until(lambda: supervisor.restarts)
            stuck = supervisor.log.of("worker_stuck")
            assert {0} == {one["worker"] for one in stuck}
            assert len(stuck) - supervisor.restarts in (0, 1)  # the next one may be by now

    asyncio.run(story())


def test_a_worker_that_is_killed_is_told_of_once_however_long_its_end_takes():
    async def story():
        # asked in every turn of the loop: several times before the system has told of the end
        async with supervised(1, ask_every=0.0, start_seconds=0.5, start={"hangs": True}) as supervisor:
            await until(lambda: supervisor.restarts == 1)
            assert [0] == [one["worker"] for one in supervisor.log.of("worker_stuck")]

    asyncio.run(story())


def test_a_worker_that_can_not_be_started_is_tried_again():
    async def story():
        async with supervised(1, command=("/no/such/interpreter",)) as supervisor:
            await until(lambda: supervisor.restarts >= 2)
            told = {died["how"] for died in supervisor.log.of("worker_died")}
            assert {"not started: No such file or directory"} == told

    asyncio.run(story())


def test_a_worker_that_is_slow_to_answer_contributes_what_it_told_last():
    async def story():
        async with supervised(1) as supervisor:
            await until(lambda: supervisor.ready == 1)
            await ask(supervisor, b"hello")
            assert 1 == (await supervisor.count())["allowed"]
            pid = supervisor.workers[0].process.pid
            os.kill(pid, signal.SIGSTOP)
            assert 1 == (await supervisor.count(0.05))["allowed"]
            os.kill(pid, signal.SIGCONT)

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_drain_answers_what_is_in_flight_and_what_is_in_the_backlog(kind, tmp_path):
    async def story():
        bound = bind_unix(str(tmp_path / "s")) if kind == "unix" else None
        async with supervised(2, bound) as supervisor:
            await until(lambda: supervisor.ready == 2)
            busy = [await connect(supervisor) for _ in range(4)]
            for _, writer in busy:
                writer.write(b"slow 0.3 in flight\n")
            for worker in supervisor.workers:
                os.kill(worker.process.pid, signal.SIGSTOP)
            waiting = [await connect(supervisor) for _ in range(8)]  # the kernel has taken them, nobody else has
            for _, writer in waiting:
                writer.write(b"in the backlog\n")
            supervisor.drain(10.0)
            with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
                # the workers, stopped, still hold the TCP sockets: only the file is gone for sure
                if kind == "tcp":
                    raise ConnectionRefusedError
                await connect(supervisor)
            for worker in supervisor.workers:
                os.kill(worker.process.pid, signal.SIGCONT)
            async with asyncio.timeout(60):
                for reader, writer in busy:
                    assert (await reader.read()).endswith(b" in flight\n")
                    writer.close()
                for reader, writer in waiting:
                    assert (await reader.read()).endswith(b" in the backlog\n")
                    writer.close()
                await supervisor.running
            assert 12 == (await supervisor.count())["allowed"]
            assert [] == supervisor.log.of("worker_died") + supervisor.log.of("drain_cut_off")
            with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
                await connect(supervisor)

    asyncio.run(story())


def test_a_drain_cuts_off_what_does_not_end():
    async def story():
        async with supervised(1) as supervisor:
            await until(lambda: supervisor.ready == 1)
            _, writer = await connect(supervisor)
            writer.write(b"slow 60 never\n")
            supervisor.drain(0.2)
            async with asyncio.timeout(60):
                await supervisor.running
            # the second on a busy machine
            told = supervisor.log.of("drain_cut_off") + supervisor.log.of("drain_overdue")
            assert 1 == len(told)
            writer.close()

    asyncio.run(story())


def test_a_drain_during_the_start_lets_the_workers_start_and_end():
    async def story():
        async with supervised(2) as supervisor:
            await until(lambda: all(worker.process for worker in supervisor.workers))
            reader, writer = await connect(supervisor)
            writer.write(b"early\n")
            supervisor.drain(10.0)
            assert (await reader.read()).endswith(b" early\n")
            await supervisor.running
            assert [] == supervisor.log.of("worker_died")
            writer.close()

    asyncio.run(story())


@pytest.mark.parametrize("gone", [False, True])
def test_a_drain_while_some_relieve_others_keeps_no_socket_that_nobody_looks_at(gone):
    """Whoever connected there would wait until we end, and be reset."""

    async def story():
        async with supervised(workers=1) as supervisor:
            await until(lambda: supervisor.ready)
            before = supervisor.crew
            crew = Crew(before.bound.beside(1, listens=True), before.command, before.start)
            (newer,) = supervisor.enlist(crew, 1)
            await until(lambda: newer.built is not None)
            if gone:
                supervisor.crew = crew
                newer.go()
                await until(lambda: newer.ready)
            supervisor.drain(1.0)
            assert [-1, -1] == [one.fileno() for one in (*before.bound.sockets, *crew.bound.sockets)]
            async with asyncio.timeout(60):
                await supervisor.running

    asyncio.run(story())


def test_workers_end_when_their_supervisor_is_gone():
    async def story():
        async with supervised(1) as supervisor:
            await until(lambda: supervisor.ready == 1)
            (worker,) = supervisor.workers
            process = worker.process
            await worker.channel.close()
            assert 0 == await asyncio.wait_for(process.wait(), 60)

    asyncio.run(story())


def test_workers_leave_signals_to_their_supervisor():
    async def story():
        async with supervised(1) as supervisor:
            await until(lambda: supervisor.ready == 1)
            for number in (signal.SIGTERM, signal.SIGINT):
                os.kill(supervisor.workers[0].process.pid, number)
            assert b"hello" == (await ask(supervisor, b"hello"))[1]
            assert 0 == supervisor.restarts

    asyncio.run(story())


def test_restarts_leak_no_descriptors():
    async def story():
        async with supervised(2) as supervisor:
            await until(lambda: supervisor.ready == 2)
            await supervisor.count()
            before = len(list(Path("/proc/self/fd").iterdir()))
            os.kill(supervisor.workers[0].process.pid, signal.SIGKILL)
            await until(lambda: supervisor.restarts == 1 and supervisor.ready == 2)
            os.kill(supervisor.workers[1].process.pid, signal.SIGKILL)
            await until(lambda: supervisor.restarts == 2 and supervisor.ready == 2)
            assert before == len(list(Path("/proc/self/fd").iterdir()))

    asyncio.run(story())


def test_a_worker_runs_on_our_interpreter():
    command = worker_command("phantomgate.servers.worker", ["/usr/bin"], "/tmp")

    assert (sys.executable, "-m", "phantomgate.servers.worker") == (command[0], *command[-2:])


@pytest.mark.parametrize(("path", "searched"), [(["/usr/bin", "/lib"], False), (["", "/lib"], True), (["/tmp"], True)])
def test_the_working_directory_is_searched_for_modules_only_where_we_search_it_too(path, searched):
    assert searched == ("-P" not in worker_command("m", path, "/tmp"))


@pytest.mark.parametrize(
    ("start", "wanted", "why"),
    [
        ({"print": "p"}, "p", ""),
        ({"print": "p"}, "q", "worker 0 found other files or secrets than we did: they have just changed"),
        ({"print": "p", "fails": True}, "p", "RuntimeError"),
        ({"print": "p", "hangs": True}, "p", "worker 0 did not get ready within 0.3 s"),
    ],
)
def test_nobody_goes_by_what_one_worker_cannot(start, wanted, why):
    async def story():
        async with supervised(2) as supervisor:
            await until(lambda: supervisor.ready == 2)
            assert why == await supervisor.prepare(start, 0.3 if "hangs" in start else 10.0, wanted)

    asyncio.run(story())


def test_a_worker_that_does_not_swap_is_ended_and_another_starts_with_what_is_in_force():
    async def story():
        async with supervised(2) as supervisor:
            await until(lambda: supervisor.ready == 2)
            assert "" == await supervisor.prepare({"print": "p"}, 10.0, "p")
            stuck = supervisor.workers[0].process
            stuck.send_signal(signal.SIGSTOP)
            await supervisor.swap({"print": "p"}, 0.3)
            await until(lambda: supervisor.restarts == 1 and supervisor.ready == 2)
            assert [0] == [said["worker"] for said in supervisor.log.of("worker_stuck")]
            assert {"print": "p"} == supervisor.crew.start

    asyncio.run(story())


def test_a_worker_that_started_meanwhile_prepares_before_it_swaps_or_starts_again():
    async def story():
        async with supervised(2) as supervisor:
            await until(lambda: supervisor.ready == 2)
            assert "" == await supervisor.prepare({"print": "p"}, 10.0, "p")
            supervisor.workers[1].process.kill()
            await until(lambda: supervisor.restarts == 1 and supervisor.ready == 2)
            await supervisor.swap({"print": "p"}, 10.0)
            assert (1, 2) == (supervisor.restarts, supervisor.ready)

    asyncio.run(story())
