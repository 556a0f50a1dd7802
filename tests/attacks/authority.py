"""An authorization server that says whatever a test wants it to say, and keeps exactly what it was asked.

A real HTTP server on loopback, since half of the attacks are about what goes over that wire. Without other orders it
knows the tokens it issued and calls every other one inactive, in the dialect it was asked in.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tokens import segment


@dataclass(frozen=True)
class Asked:
    """One question as it came over the wire; `connection` counts the connections, from 1."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def token(self) -> str:
        return parse_qs(self.body.decode("ascii"), strict_parsing=True)["token"][0]


@dataclass(frozen=True)
class Answer:
    """A reply with a Content-Length; *more* are further header fields, *surplus* is what follows the reply."""

    status: int = 200
    body: bytes | str = b""
    content_type: str | None = None
    more: tuple[tuple[str, str], ...] = ()
    surplus: bytes = b""

    def wire(self) -> bytes:
        body = self.body.encode() if isinstance(self.body, str) else self.body
        lines = [f"HTTP/1.1 {self.status} Whatever"]
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        lines += [f"{name}: {value}" for name, value in self.more]
        if self.status != 204:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body + self.surplus


def jwt(claims: object, header: object = None) -> str:
    """A JWT with a signature that nobody checks."""
    return f"{segment({'alg': 'RS256', 'typ': 'at+jwt'} if header is None else header)}.{segment(claims)}.c2lnbmF0dXJl"


def as_jwt(token: str, *more: tuple[str, str]) -> Answer:
    return Answer(200, token, "application/jwt", more)


def as_json(said: object, *more: tuple[str, str]) -> Answer:
    return Answer(200, json.dumps(said), "application/json", more)


NOT_ACTIVE = Answer(204)

Said = Answer | bytes | Iterator[bytes]
Says = Answer | bytes | Callable[[Asked], "Said | None"]
"""What to say: an answer, bytes as they are (one piece or many; the connection then ends), or what a function makes of
the question; None is the usual answer."""


@dataclass
class Authority:
    """The scripted server; `says` replaces what it would say by itself. `url` is its introspection endpoint."""

    tls: ssl.SSLContext | None = None
    says: Says | None = None
    active: dict[str, str] = field(default_factory=dict)
    """The tokens it issued, each with its JWT."""
    more: tuple[tuple[str, str], ...] = ()
    """Header fields on its own answers: Cache-Control, say."""
    asked: list[Asked] = field(default_factory=list)
    bytes_received: int = 0
    bytes_sent: int = 0

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listening.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._count = 0
        self._closing = False
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/introspect" if self.tls else f"http://127.0.0.1:{self.port}/introspect"

    @property
    def bodies(self) -> list[bytes]:
        return [asked.body for asked in self.asked]

    @property
    def tokens(self) -> list[str]:
        return [asked.token for asked in self.asked]

    @property
    def connections(self) -> int:
        return self._count

    def issue(self, token: str, **claims: object) -> str:
        """Make *token* active, as a JWT with *claims*."""
        self.active[token] = jwt(claims)
        return self.active[token]

    def push(self, data: bytes) -> None:
        """Send *data* on every open connection, although nobody asked."""
        with self._lock:
            for connection in self._open:
                connection.sendall(data)

    @property
    def threads(self) -> list[threading.Thread]:
        """Those that serve a connection, or did."""
        return self._threads[1:]

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def close(self) -> None:
        """End every connection and wait for the threads, so that nothing outlives its test."""
        self._closing = True
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with self._lock:
                self._count += 1
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, self._count), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        wire: socket.socket = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                wire = self.tls.wrap_socket(connection, server_side=True)
            with wire.makefile("rb") as lines:
                while (asked := self._read(lines, number)) is not None:
                    with self._lock:
                        self.asked.append(asked)
                    said = self.says(asked) if callable(self.says) else self.says
                    if said is None:
                        said = self._answer(asked)
                    for piece in (said.wire(),) if isinstance(said, Answer) else _pieces(said):
                        wire.sendall(piece)
                        self.bytes_sent += len(piece)
                    if not isinstance(said, Answer):
                        return
        except (OSError, ValueError):
            pass  # the client went away, or its TLS did not like ours
        finally:
            with self._lock:
                self._open.discard(connection)
            wire.close()
            connection.close()

    def _read(self, lines: object, number: int) -> Asked | None:
        first = lines.readline()
        if not first:
            return None
        self.bytes_received += len(first)
        method, target, _ = first.decode("latin-1").split(" ", 2)
        headers: list[tuple[str, str]] = []
        while (line := lines.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        length = sum(int(value) for name, value in headers if name == "content-length")
        return Asked(method, target, headers, lines.read(length), number)

    def _answer(self, asked: Asked) -> Answer:
        known = self.active.get(asked.token)
        wants_json = asked.all("accept") == ["application/json"]
        if known is None:
            return as_json({"active": False}) if wants_json else NOT_ACTIVE
        return (
            as_json({"active": True, "phantom_token": known}, *self.more) if wants_json else as_jwt(known, *self.more)
        )


def _pieces(said: bytes | Iterator[bytes]) -> Iterator[bytes]:
    return iter((said,)) if isinstance(said, bytes) else said
