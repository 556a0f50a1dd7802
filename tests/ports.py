"""Ports for servers that can't choose one and tell.

Rule: who is given a port has it for good. It stays bound here, so neither a second call nor another test process can be
given it too; but by SO_REUSEADDR, said after that, a server that says so as well (all do) can bind it and listen. Until
one does, and after it, connections there are refused.
"""

from __future__ import annotations

import random
import socket
from collections import deque
from contextlib import suppress

_KEPT: deque[socket.socket] = deque()
_MOST = 500  # when so many more were given away, whoever asked has long ended


def free_port(*beside: int) -> int:
    """A port of 127.0.0.1 that is nobody else's from now on, and so are those that are *beside* as far above it.

    It is none that the system gives away by itself (on Linux from 32768): those are for who asks for any.
    """
    while True:
        port = random.randrange(10_000, 32_768 - max(beside, default=0))
        with suppress(OSError):
            _keep(port, *(port + far for far in beside))
            return port


def _keep(*ports: int) -> None:
    kept: list[socket.socket] = []
    try:
        for port in ports:
            kept.append(socket.socket())
            kept[-1].bind(("127.0.0.1", port))
            kept[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError:
        for one in kept:
            one.close()
        raise
    _KEPT.extend(kept)
    while len(_KEPT) > _MOST:
        _KEPT.popleft().close()
