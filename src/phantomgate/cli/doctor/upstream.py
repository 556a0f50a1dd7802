"""The API that `doctor` puts behind the gateway: it answers 200 to anything, and remembers exactly what arrived.

Rule: it reads as little as it can and repairs nothing, since what another server would make of the bytes is the
question. Connections are for one request each, so what follows a request on its connection was smuggled.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

MAX_BYTES = 1 << 20
_PATIENCE = 5.0  # seconds for a whole request
_AFTER = 0.05  # seconds in which something may follow it
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\nConnection: close\r\n\r\narrived\n"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One request as it came: names and values of its fields in order, as Latin-1, and all that came after its head."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    rest: bytes = field(default=b"", repr=False)

    def all(self, name: str) -> list[str]:
        """Every value of *name*."""
        return [value for one, value in self.fields if one.lower() == name.lower()]

    def holds(self, text: str) -> bool:
        """Whether *text* stands anywhere in the target or the fields."""
        return text in self.target or any(text in name or text in value for name, value in self.fields)


class Upstream:
    """A server that listens. Its state: what arrived, until it is taken."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._arrived: list[Arrived] = []
        self._lock = threading.Lock()
        self._ending = False

    def take(self) -> list[Arrived]:
        """What arrived since the last time."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
        return arrived

    def serve(self) -> None:
        """Until `end`, each connection in a thread of its own."""
        while not self._ending:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def end(self) -> None:
        """Accept no more."""
        self._ending = True
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listening.close()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(_PATIENCE)
            data = b""
            while b"\r\n\r\n" not in data and len(data) < MAX_BYTES:
                more = connection.recv(65536)
                if not more:
                    break
                data += more
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                return
            connection.settimeout(_AFTER)
            with suppress(TimeoutError):
                while len(rest) < MAX_BYTES and (more := connection.recv(65536)):
                    rest += more
            with self._lock:
                self._arrived.append(_read(head, rest))
            connection.sendall(_ANSWER)


def _read(head: bytes, rest: bytes) -> Arrived:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, target = first.partition(" ")
    fields = [line.partition(":") for line in lines]
    return Arrived(
        method, target.rpartition(" ")[0], tuple((name, value.strip(" \t")) for name, _, value in fields), rest
    )


@contextmanager
def upstream(host: str, port: int) -> Iterator[Upstream]:
    """An `Upstream` on *host* and *port*, while the block runs. Raises OSError when something listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=128)
    server = Upstream(listening)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join(_PATIENCE)
