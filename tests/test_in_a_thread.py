"""A client that gives up is told nowhere: what a thread prints late would be in another test's output."""

from __future__ import annotations

import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from in_a_thread import HttpServer, in_a_thread

RESET = struct.pack("ii", 1, 0)
"""Of SO_LINGER: the end is a reset, at once."""


class Waiting(HttpServer):
    """Ends when its threads have, so that all has been said."""

    daemon_threads = False


@pytest.mark.parametrize(("method", "told"), [("GET", False), ("PUT", True)])
def test_of_all_that_goes_wrong_only_a_client_that_gave_up_is_not_told(capsys, method, told):
    asked, gave_up = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.set()
            gave_up.wait(30)
            while True:
                self.wfile.write(bytes(65536))

        def do_PUT(self):
            asked.set()
            raise LookupError("a mistake in a test")

        def log_message(self, *ignored):
            """Quiet."""

    with in_a_thread(Waiting(("127.0.0.1", 0), Handler)) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.sendall(f"{method} / HTTP/1.0\r\n\r\n".encode())
            assert asked.wait(30)
        gave_up.set()
    said = capsys.readouterr().err
    assert told == ("a mistake in a test" in said) == bool(said)
