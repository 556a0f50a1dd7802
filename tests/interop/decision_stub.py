"""A decision service that is wrong in every way: for what phantomgate never says, but something on its port might."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from in_a_thread import HttpServer, in_a_thread


@dataclass
class DecisionStub:
    """What it answers (status, fields, body), and the requests that it saw: (method, path, fields in order).

    "{number}" in a field's value is how many requests it has seen.
    """

    port: int = 0
    status: int = 200
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    raw: bytes = b""
    """What it writes instead, before it closes; it need be no HTTP."""
    closes: bool = False
    """Close without an answer."""
    seen: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)

    awake: threading.Event = field(default_factory=threading.Event)
    """Unset while it answers nothing."""
    issued: dict[int, float] = field(default_factory=dict)
    """When it answered, by number (monotonic clock)."""

    def says(self, status: int, *fields: tuple[str, str], body: bytes = b"") -> None:
        """From now on, this."""
        self.status, self.fields, self.body, self.raw, self.closes = status, list(fields), body, b"", False
        self.wake()

    def hang(self) -> None:
        """From now on, nothing, until `wake`."""
        self.awake.clear()

    def wake(self) -> None:
        """Answer again, what still waits too."""
        self.awake.set()


class Server(HttpServer):
    """One that waits for no connection in the end."""

    daemon_threads = True


@contextmanager
def running() -> Iterator[DecisionStub]:
    """The stub, in a thread, while the block runs."""
    stub = DecisionStub()
    stub.wake()
    counting = threading.Lock()

    class Decide(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Says nothing."""

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))  # or it would be the next request
            with counting:
                stub.seen.append(
                    (self.command, self.path, [(name.lower(), value) for name, value in self.headers.items()])
                )
                number = str(len(stub.seen))
                stub.issued[len(stub.seen)] = time.monotonic()
            if not stub.awake.is_set():
                stub.awake.wait()
                self.close_connection = True
                return
            if stub.raw:
                self.wfile.write(stub.raw)
            if stub.raw or stub.closes:
                self.close_connection = True
                return
            self.send_response_only(stub.status)
            for name, value in stub.fields:
                self.send_header(name, value.replace("{number}", number))
            self.send_header("Content-Length", str(len(stub.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(stub.body)

        do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = answer  # noqa: N815

    with in_a_thread(Server(("127.0.0.1", 0), Decide)) as stub.port:
        try:
            yield stub
        finally:
            stub.wake()
