"""Real Redis servers on ports of their own, that end with the test; and a proxy in front of one that misbehaves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from interop.needs import command, needs


def free_port() -> int:
    """One that is free, and so is that of the cluster's bus, which is ten thousand above."""
    while True:
        with socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            with suppress(OSError, OverflowError):
                bus.bind(("127.0.0.1", port + 10_000))
                return port


class Server:
    """One redis-server process."""

    def __init__(self, folder: Path, *options: str, port: int = 0, sentinel: str = "") -> None:
        self.port = port or free_port()
        folder = folder / str(self.port)
        folder.mkdir()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        program = command("redis-server")
        if sentinel:
            (folder / "s.conf").write_text(f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n{sentinel}\n")
            line = [program, str(folder / "s.conf"), "--sentinel"]
        else:
            line = [
                program,
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(folder),
                *options,
            ]
        self.process = subprocess.Popen(line, **quiet)

    def client(self, **options) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5, **options)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return client.ping()
        except redis.AuthenticationError:
            return True

    @staticmethod
    def until(true, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while True:
            with suppress(redis.RedisError, OSError):
                if true():
                    return
            assert time.monotonic() < end, "not in time"
            time.sleep(0.02)

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
