"""A server that misbehaves, on a raw socket, and the table of what it does and what must come of it.

Each fault answers well in the end where that is possible: a client that lacks the check it is about would get a reply.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Self

from phantomgate.core.errors import Reason
from phantomgate.core.ports import Http, HttpCall, HttpReply
from ports import free_port

DRIP_SECONDS = 0.02
SLOW_SECONDS = 4.0


class Peer:
    """One accepted connection, as a behaviour sees it."""

    def __init__(self, connection: socket.socket, server: FaultyServer):
        self.connection = connection
        self.server = server

    def request(self) -> bytes:
        """The next request, whole; nothing once the client has closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.connection.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            body += self.connection.recv(65536)
        self.server.requests.append(head + b"\r\n\r\n" + body)
        self.server.asked.set()
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def drip(self, data: bytes) -> None:
        """Byte by byte, so that every single wait of the client is short."""
        for at in range(len(data)):
            if self.server.stopping.wait(DRIP_SECONDS):
                return
            self.send(data[at : at + 1])

    def stall(self) -> None:
        """Long enough for any deadline of a test to pass."""
        self.server.stopping.wait(SLOW_SECONDS)

    def sip(self) -> None:
        """Read, but so slowly that a large request never ends."""
        while not self.server.stopping.wait(DRIP_SECONDS) and (data := self.connection.recv(65536)):
            self.server.sipped += len(data)

    def end(self) -> None:
        """Close in order, at once; the client's kernel knows when this returns."""
        self.connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def serve(self, *answers: bytes) -> None:
        """Answer request after request, the last answer for all that follow."""
        for number in range(1 << 30):
            if not self.request():
                return
            self.send(answers[min(number, len(answers) - 1)])


Behaviour = Callable[[Peer], None]


class FaultyServer:
    """Listens on loopback; its n-th connection gets the n-th behaviour, and all later ones the last."""

    def __init__(self, *behaviours: Behaviour, context: ssl.SSLContext | None = None):
        self.behaviours = behaviours
        self.context = context
        self.requests: list[bytes] = []
        self.asked = threading.Event()
        self.sipped = 0
        self.connections = 0
        self.stopping = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open: set[socket.socket] = set()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def origin(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/introspect"

    def __enter__(self) -> Self:
        self.threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # the plain one, also under TLS
        for thread in self.threads:
            thread.join(SLOW_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            behaviour = self.behaviours[min(self.connections, len(self.behaviours) - 1)]
            self.connections += 1
            self.open.add(connection)
            thread = threading.Thread(target=self._behave, args=(connection, behaviour), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _behave(self, connection: socket.socket, behaviour: Behaviour) -> None:
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            behaviour(Peer(connection, self))
        except OSError:
            pass  # the client has had enough of us, as it should
        finally:
            connection.close()
            self.open.discard(connection)


def closed_port() -> int:
    """A port on which nobody listens."""
    return free_port()


# -- what it does ---------------------------------------------------------------------------------------------------

JWT_LIKE = b"aaa.bbb.ccc"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\nContent-Length: 11\r\n\r\n" + JWT_LIKE


def good(peer: Peer) -> None:
    peer.serve(GOOD)


def answers(data: bytes) -> Behaviour:
    """Sends *data* for each request and waits for the next one."""
    return lambda peer: peer.serve(data)


def ends_after(data: bytes) -> Behaviour:
    """Sends *data* for the first request and closes."""

    def behave(peer: Peer) -> None:
        peer.request()
        peer.send(data)

    return behave


def resets_after(data: bytes) -> Behaviour:
    """Sends *data* for the first request and resets the connection."""

    def behave(peer: Peer) -> None:
        peer.request()
        peer.send(data)
        peer.reset()

    return behave


def drips(head: bytes, slowly: bytes) -> Behaviour:
    """Sends *head* at once and *slowly* byte by byte."""

    def behave(peer: Peer) -> None:
        peer.request()
        peer.send(head)
        peer.drip(slowly)

    return behave


def floods(head: bytes, piece: bytes) -> Behaviour:
    """Sends *head* and then *piece* for as long as the client takes it."""

    def behave(peer: Peer) -> None:
        peer.request()
        peer.send(head)
        while not peer.server.stopping.is_set():
            peer.send(piece)

    return behave


def closes_at_once(peer: Peer) -> None:
    """Accepts and closes, without having read anything."""


def answers_late(peer: Peer) -> None:
    """A good answer, after every deadline."""
    peer.request()
    peer.stall()
    peer.send(GOOD)


def with_fields(*fields: bytes, body: bytes = JWT_LIKE) -> bytes:
    """A reply with just these header fields."""
    return b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Type: application/jwt", *fields, b"", body))


def chunked(*pieces: bytes) -> bytes:
    """A chunked reply whose body is *pieces*, framing and all."""
    return with_fields(b"Transfer-Encoding: chunked", body=b"".join(pieces))


PATIENT = 60.0
"""Seconds that a call may take that is to be answered: on a machine that is busy it may be some of them."""


class HurriedOnce:
    """*http*, whose first call has *seconds*, and all others have what a busy machine may need. State: was it made?"""

    def __init__(self, http: Http, seconds: float) -> None:
        self._http, self._seconds = http, seconds

    async def send(self, call: HttpCall) -> HttpReply:
        seconds, self._seconds = self._seconds, PATIENT
        return await self._http.send(replace(call, timeout=seconds))


class Fault(NamedTuple):
    """What a server does, and how the client must put it."""

    behave: Behaviour | None
    """None: there is no server at all."""
    reason: Reason
    says: str
    """A part of the detail."""
    in_time: bool = True
    """Whether it shows before the deadline does."""

    @property
    def seconds(self) -> float:
        """How long the call that meets it may take."""
        return PATIENT if self.in_time else 0.3


_LENGTH = b"Content-Length: 11"
_CUT, _LATE, _BAD = "closed the connection", "no whole answer within", Reason.BAD_ANSWER
_DOWN = Reason.UNAVAILABLE

FAULTS: dict[str, Fault] = {
    "nobody listens": Fault(None, _DOWN, "no connection to"),
    "accepts and closes": Fault(closes_at_once, _DOWN, _CUT),
    "closes after the request": Fault(ends_after(b""), _DOWN, "without an answer"),
    "resets after the request": Fault(resets_after(b""), _DOWN, "without an answer"),
    "closes in the status line": Fault(ends_after(GOOD[:12]), _DOWN, "in the middle of its answer"),
    "closes in the header section": Fault(ends_after(GOOD[:40]), _DOWN, "in the middle of its answer"),
    "resets in the header section": Fault(resets_after(GOOD[:40]), _DOWN, _CUT),
    "closes before the body": Fault(ends_after(GOOD[:-11]), _DOWN, "in the middle of its answer"),
    "closes in the body": Fault(ends_after(GOOD[:-1]), _DOWN, "in the middle of its answer"),
    "resets in the body": Fault(resets_after(GOOD[:-1]), _DOWN, _CUT),
    "closes in a chunk": Fault(ends_after(chunked(b"b\r\naaa.bbb")), _DOWN, "in the middle of its answer"),
    "closes before the last chunk": Fault(ends_after(chunked(b"b\r\naaa.bbb.ccc\r\n")), _DOWN, "in the middle"),
    "closes before the end of trailers": Fault(ends_after(chunked(b"0\r\nA: b\r\n")), _DOWN, "in the middle"),
    "a length beyond what comes": Fault(ends_after(with_fields(b"Content-Length: 12")), _DOWN, "in the middle"),
    "answers late": Fault(answers_late, _DOWN, _LATE, in_time=False),
    "drips the header section": Fault(drips(b"", GOOD), _DOWN, _LATE, in_time=False),
    "drips the body": Fault(
        drips(with_fields(b"Content-Length: 99", body=b""), b"a" * 99), _DOWN, _LATE, in_time=False
    ),
    "drips chunks": Fault(drips(chunked(), b"1\r\na\r\n" * 30 + b"0\r\n\r\n"), _DOWN, _LATE, in_time=False),
    "interim replies without end": Fault(floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), _BAD, "interim"),
    "switches protocols": Fault(answers(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + GOOD), _BAD, "101"),
    "garbage": Fault(answers(bytes(range(256))), _BAD, "not HTTP/1"),
    "a TLS alert": Fault(answers(b"\x15\x03\x01\x00\x02\x02\x16"), _BAD, "not HTTP/1"),
    "HTTP/0.9": Fault(ends_after(b"<html>hello</html>"), _BAD, "not HTTP/1"),
    "HTTP/2": Fault(answers(GOOD.replace(b"HTTP/1.1", b"HTTP/2")), _BAD, "not HTTP/1"),
    "a status of two digits": Fault(answers(GOOD.replace(b"200", b"20")), _BAD, "malformed status line"),
    "a status beyond 599": Fault(answers(GOOD.replace(b"200", b"600")), _BAD, "malformed status line"),
    "a status line with two spaces": Fault(answers(GOOD.replace(b" 200", b"  200")), _BAD, "malformed status line"),
    "a header line without end": Fault(floods(b"HTTP/1.1 200 OK\r\nA: ", b"a" * 4096), _BAD, "more than 32768 bytes"),
    "a header section without end": Fault(floods(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), _BAD, "more than 100"),
    "a header section of 40 KiB": Fault(answers(with_fields(_LENGTH, b"A: " + b"a" * 40960)), _BAD, "32768 bytes"),
    "a header section of 40 KiB in fields": Fault(
        answers(with_fields(_LENGTH, *[b"A: " + b"a" * 1024] * 40)), _BAD, "32768 bytes"
    ),
    "NUL in a header": Fault(answers(with_fields(_LENGTH, b"A: b\0c")), _BAD, "malformed header field"),
    "a bare CR in a header": Fault(answers(with_fields(_LENGTH, b"A: b\rc")), _BAD, "malformed header field"),
    "a bare LF": Fault(answers(GOOD.replace(b"\r\n", b"\n")), _BAD, "bare LF"),
    "one bare LF": Fault(answers(with_fields(_LENGTH, b"A: b\nC: d")), _BAD, "bare LF"),
    "a folded header": Fault(answers(with_fields(_LENGTH, b"A: b", b" c")), _BAD, "malformed header field"),
    "a space before the colon": Fault(answers(with_fields(b"Content-Length : 11")), _BAD, "malformed header field"),
    "a header without a colon": Fault(answers(with_fields(_LENGTH, b"nothing")), _BAD, "malformed header field"),
    "a header without a name": Fault(answers(with_fields(_LENGTH, b": b")), _BAD, "malformed header field"),
    "a negative length": Fault(answers(with_fields(b"Content-Length: -11")), _BAD, "not a number"),
    "a length with a sign": Fault(answers(with_fields(b"Content-Length: +11")), _BAD, "not a number"),
    "a length in hexadecimal": Fault(answers(with_fields(b"Content-Length: 0xb")), _BAD, "not a number"),
    "an empty length": Fault(answers(with_fields(b"Content-Length:")), _BAD, "not a number"),
    "a list of lengths": Fault(answers(with_fields(b"Content-Length: 11, 11")), _BAD, "not a number"),
    "two equal lengths": Fault(answers(with_fields(_LENGTH, _LENGTH)), _BAD, "2 Content-Length fields"),
    "two lengths": Fault(answers(with_fields(_LENGTH, b"Content-Length: 3")), _BAD, "2 Content-Length fields"),
    "no length": Fault(ends_after(with_fields()), _BAD, "neither Content-Length nor chunked"),
    "no length, and says so": Fault(ends_after(with_fields(b"Connection: close")), _BAD, "neither Content-Length"),
    "length and chunked": Fault(
        answers(with_fields(_LENGTH, b"Transfer-Encoding: chunked")), _BAD, "both Transfer-Encoding and"
    ),
    "a transfer coding": Fault(answers(with_fields(b"Transfer-Encoding: gzip, chunked")), _BAD, "not exactly chunked"),
    "chunked twice": Fault(
        answers(with_fields(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")), _BAD, "not exactly chunked"
    ),
    "chunked in HTTP/1.0": Fault(
        answers(chunked(b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")), _BAD, "in an HTTP/1.0 reply"
    ),
    "a chunk size with a prefix": Fault(answers(chunked(b"0xb\r\naaa.bbb.ccc\r\n0\r\n\r\n")), _BAD, "chunk size"),
    "a negative chunk size": Fault(answers(chunked(b"-b\r\naaa.bbb.ccc\r\n0\r\n\r\n")), _BAD, "chunk size"),
    "a chunk size with a space": Fault(answers(chunked(b"b \r\naaa.bbb.ccc\r\n0\r\n\r\n")), _BAD, "chunk size"),
    "a chunk size that overflows": Fault(answers(chunked(b"f" * 16 + b"\r\n")), _BAD, "chunk size"),
    "a chunk longer than its size": Fault(answers(chunked(b"a\r\naaa.bbb.ccc\r\n0\r\n\r\n")), _BAD, "longer than"),
    "a chunk that ends in LF": Fault(answers(chunked(b"b\r\naaa.bbb.ccc\n0\r\n\r\n")), _BAD, "longer than"),
    "a chunk line without end": Fault(floods(chunked(), b"0" * 4096), _BAD, "more than 256 bytes"),
    "trailers without end": Fault(floods(chunked(b"0\r\n"), b"A: b\r\n"), _BAD, "more than 100"),
    "a malformed trailer": Fault(answers(chunked(b"0\r\nA b\r\n\r\n")), _BAD, "malformed header field"),
    "chunks without end": Fault(floods(chunked(), b"1000\r\n" + b"a" * 4096 + b"\r\n"), _BAD, "more than 65536"),
    "a huge chunk": Fault(floods(chunked(b"ffffffff\r\n"), b"a" * 4096), _BAD, "more than 65536"),
    "a huge body": Fault(floods(with_fields(b"Content-Length: 99999999999"), b"a" * 4096), _BAD, "at most 65536"),
    "a gzip body": Fault(answers(with_fields(_LENGTH, b"Content-Encoding: gzip")), _BAD, "is encoded"),
    "an encoding hidden by another": Fault(
        answers(with_fields(_LENGTH, b"Content-Encoding: identity", b"Content-Encoding: br")), _BAD, "is encoded"
    ),
}
