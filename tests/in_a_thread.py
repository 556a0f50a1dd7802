"""A server of the standard library's, for as long as a block runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer


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
