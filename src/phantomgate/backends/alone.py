"""One process on this machine: whoever is first holds a name that the kernel gives back when it ends, however it ends.

Rule: the name is a socket in Linux's abstract namespace, so nothing is left in a file system. Other systems have none,
and other machines and containers have namespaces of their own: there, nobody is stopped.
"""

from __future__ import annotations

import errno
import socket
import sys


def hold(name: str) -> socket.socket | None:
    """Holds *name* until what is returned is closed; None when another process holds it. Raises OSError."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if not sys.platform.startswith("linux"):
        return one
    try:
        one.bind(f"\0{name}")
    except OSError as taken:
        one.close()
        if taken.errno != errno.EADDRINUSE:
            raise
        return None
    return one
