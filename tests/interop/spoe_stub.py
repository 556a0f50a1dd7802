"""An SPOE agent that is wrong in every way: for what phantomgate never says, but something on its port might.

Rule: a health check is answered as it should be, so that HAProxy believes in the agent and asks.
"""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from in_a_thread import in_a_thread
from interop.processes import until
from phantomgate.adapters import spop

Says: TypeAlias = Callable[[int, int], bytes]
"""(stream, frame) of a request -> what is written back."""


def hello(**changed: str | int) -> bytes:
    """An AGENT-HELLO, as phantomgate says it but for what is *changed*."""
    pairs: dict[str, str | int] = {"version": "2.0", "max-frame-size": 16380, "capabilities": "pipelining"}
    return spop.write_frame(spop.AGENT_HELLO, 0, 0, spop.write_pairs(pairs | changed))


def answer(stream: int, frame: int, **variables: str | int) -> bytes:
    """The ACK that sets *variables*."""
    return spop.write_frame(spop.ACK, stream, frame, spop.write_variables(variables.items()))


@dataclass
class SpoeStub:
    """What it says to a HELLO and to a request, whether it closes then, and what it saw: HELLOs, and requests by
    stream and frame.
    """

    port: int = 0
    greets: bytes = b""
    says: Says = lambda stream, frame: b""
    closes: bool = False
    greeted: int = 0
    seen: list[tuple[int, int]] = field(default_factory=list)
    connections: set[socket.socket] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.becomes(answer)

    def becomes(self, says: Says, *, greets: bytes | None = None, closes: bool = False) -> None:
        """From now on, this. HAProxy has to come anew for it."""
        self.greets, self.says, self.closes = hello() if greets is None else greets, says, closes
        self.greeted = 0
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        until(lambda: not self.connections, "HAProxy to hang up")


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection, and none is waited for."""

    daemon_threads = True
    request_queue_size = 64


@contextmanager
def running() -> Iterator[SpoeStub]:
    """The stub, in a thread, while the block runs."""
    stub = SpoeStub()

    class Connection(socketserver.BaseRequestHandler):
        request: socket.socket

        def handle(self) -> None:
            stub.connections.add(self.request)
            with suppress(OSError):
                while (data := self.frame()) and self.answered(data):
                    pass
            stub.connections.discard(self.request)

        def frame(self) -> bytes:
            size = self.request.recv(4, socket.MSG_WAITALL)
            return self.request.recv(int.from_bytes(size), socket.MSG_WAITALL) if len(size) == 4 else b""

        def answered(self, data: bytes) -> bool:
            """Whether another frame may follow."""
            kind, stream, frame, at = spop.read_frame(data)
            if kind == spop.HAPROXY_HELLO:
                stub.greeted += 1
                checked = spop.read_pairs(data, at).get(b"healthcheck") is True
                self.request.sendall(hello() if checked else stub.greets)
                return not checked and (stub.greets == hello() or not stub.closes)
            if kind == spop.NOTIFY:
                stub.seen.append((stream, frame))
                self.request.sendall(stub.says(stream, frame))
                return not stub.closes
            return False

    with in_a_thread(Server(("127.0.0.1", 0), Connection)) as stub.port:
        yield stub
