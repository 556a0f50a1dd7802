"""A server of the standard library's, for as long as a block runs.

Rule: a client that gives up is no error of the server's, and is told nowhere; every other one is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from socketserver import BaseServer


class HttpServer(ThreadingHTTPServer):
    """One that does not turn a crowd away."""

    request_queue_size = 256

    def handle_error(self, request, client_address):
        """Called where the error is caught, in the thread of the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def in_a_thread(server: BaseServer) -> Iterator[int]:
    """*server* serves, in a thread of its own; its port. It is closed in the end, as are its connections if it waits
    for them.
    """
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
