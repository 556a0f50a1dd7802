"""Real Redis servers on ports of their own, that end with the test; and a proxy in front of one that misbehaves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from interop.needs import command, needs
from ports import free_port

BUS = 10_000
"""How far above a server's port a cluster's other servers speak to it."""


def command_line(folder: Path, port: int, *options: str, sentinel: str = "") -> list[str]:
    """What runs a server, or with the lines *sentinel* a sentinel, that keeps its files in *folder*."""
    program = command("redis-server")
    if sentinel:
        (folder / "s.conf").write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{sentinel}\n")
        return [program, str(folder / "s.conf"), "--sentinel"]
    return [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options]


def join(ports: Sequence[int]) -> None:
    """Make a cluster of the servers on *ports*, started with `--cluster-enabled yes`, and wait until it is one."""
    nodes = [redis.Redis(port=port, socket_timeout=30) for port in ports]
    for number, node in enumerate(nodes):
        first, last = 16384 * number // len(nodes), 16384 * (number + 1) // len(nodes)
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
        node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[number], ports[number] + BUS)
    for node in nodes:
        until(lambda node=node: b"cluster_state:ok" in node.execute_command("CLUSTER", "INFO", **RAW))
        until(lambda node=node: len(node.execute_command("CLUSTER", "SLOTS", **RAW)) == len(nodes))
        node.close()


def watching(master: int) -> str:
    """What a sentinel of three is told, to watch the server on the port *master*, by the name "m"."""
    return f"""sentinel monitor m 127.0.0.1 {master} 2
sentinel down-after-milliseconds m 300
sentinel failover-timeout m 2000"""


def until_watched(sentinels: Sequence[int], replica: int) -> None:
    """Wait until the *sentinels* know each other and the *replica*, and it has what its master has; all are ports."""
    for port in sentinels:
        with redis.Redis(port=port, socket_timeout=30) as one:
            until(lambda one=one: len(one.sentinel_sentinels("m")) == 2 and one.sentinel_slaves("m"))
    with redis.Redis(port=replica, socket_timeout=30) as one:
        until(lambda: one.info("replication")["master_link_status"] == "up")


def until(true, seconds: float = 120.0) -> None:
    """Wait until *true()*, whatever the server says before."""
    end = time.monotonic() + seconds
    while True:
        late = time.monotonic() > end
        with suppress(redis.RedisError, OSError):
            if true():
                return
        assert not late, "not in time"
        time.sleep(0.02)


RAW = {"NEVER_DECODE": True}


class Server:
    """One redis-server process."""

    def __init__(self, folder: Path, *options: str, port: int = 0, sentinel: str = "") -> None:
        self.port = port or free_port(BUS)
        folder = folder / str(self.port)
        folder.mkdir()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command_line(folder, self.port, *options, sentinel=sentinel), **quiet)

    def client(self, **options) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=30, **options)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return client.ping()
        except redis.AuthenticationError:
            return True

    until = staticmethod(until)

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.thaw()
        self.process.kill()
        self.process.wait()


@contextmanager
def servers():
    """Makes servers, and ends them: `make(*options)`."""
    needs("Redis")
    made: list[Server] = []
    with tempfile.TemporaryDirectory() as folder:

        def make(*options, **more) -> Server:
            made.append(Server(Path(folder), *options, **more))
            made[-1].until(made[-1].answers)
            return made[-1]

        try:
            yield make
        finally:
            for one in made:
                if one.process.poll() is None:
                    one.kill()


@contextmanager
def faulty(answer):
    """A listener that answers each command with *answer(bytes) -> bytes or None*; None ends the connection rudely."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(0.05)
            while not ended.is_set():
                try:
                    said = connection.recv(65536)
                except TimeoutError:
                    continue
                if not said:
                    return
                reply = answer(said)
                if reply is None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
                    return
                connection.sendall(reply)

    def listen() -> None:
        listener.settimeout(0.05)
        while not ended.is_set():
            with suppress(OSError):
                thread = threading.Thread(target=talk, args=(listener.accept()[0],))
                thread.start()
                threads.append(thread)

    main = threading.Thread(target=listen)
    main.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        for thread in [main, *threads]:
            thread.join()
        listener.close()
