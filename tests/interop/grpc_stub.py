"""What may sit where Envoy expects phantomgate's gRPC: HTTP/2 (RFC 9113) frame by frame, so that it may be wrong in
every way, where a gRPC library would be right.
"""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

from in_a_thread import in_a_thread

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_PREFACE = 24

Says: TypeAlias = Callable[[int], bytes]
"""The number of a request's stream -> what is written back."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (§4.1)."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def fields(stream: int, said: Mapping[str, str], *, end: bool = False) -> bytes:
    """A HEADERS frame; each field is a literal that nobody has to remember (RFC 7541 §6.2.2)."""
    block = b"".join(
        b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()
        for name, value in said.items()
    )
    return frame(HEADERS, _END_HEADERS | (_END_STREAM if end else 0), stream, block)


def message(stream: int, data: bytes, *, end: bool = False) -> bytes:
    """A DATA frame with one gRPC message, uncompressed."""
    return frame(DATA, _END_STREAM if end else 0, stream, b"\0" + len(data).to_bytes(4) + data)


def reply(stream: int, data: bytes, status: str = "0", **more: str) -> bytes:
    """A whole gRPC reply as it should be: one message, and its status after it."""
    head = {":status": "200", "content-type": "application/grpc"} | {
        name.replace("_", "-"): value for name, value in more.items()
    }
    return fields(stream, head) + message(stream, data) + fields(stream, {"grpc-status": status}, end=True)


@dataclass
class GrpcStub:
    """What it says to a request, whether it closes then, and how many it saw."""

    port: int = 0
    says: Says = lambda stream: b""
    closes: bool = False
    seen: int = 0


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection, and none is waited for."""

    daemon_threads = True


@contextmanager
def running() -> Iterator[GrpcStub]:
    """The stub, in a thread, while the block runs."""
    stub = GrpcStub()

    class Connection(socketserver.BaseRequestHandler):
        request: socket.socket

        def handle(self) -> None:
            with suppress(OSError):
                self.request.recv(_PREFACE, socket.MSG_WAITALL)
                self.request.sendall(frame(SETTINGS, 0, 0))
                while self.answered():
                    pass

        def answered(self) -> bool:
            """Whether another frame may follow the next one."""
            head = self.request.recv(9, socket.MSG_WAITALL)
            if len(head) < 9:
                return False
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
            payload = self.request.recv(size, socket.MSG_WAITALL) if (size := int.from_bytes(head[:3])) else b""
            if kind in (SETTINGS, PING) and not flags & _ACK:
                self.request.sendall(frame(kind, _ACK, 0, payload if kind == PING else b""))
            if kind in (HEADERS, DATA) and flags & _END_STREAM:
                stub.seen += 1
                self.request.sendall(stub.says(stream))
                return not stub.closes
            return True

    with in_a_thread(Server(("127.0.0.1", 0), Connection)) as stub.port:
        yield stub
