"""The sockets we listen on: bound by the supervisor before anything else, so that what is wrong is said at once.

Rule: an address that somebody else answers on is never taken, and nothing of theirs is removed. TCP workers get a
socket each (SO_REUSEPORT: the kernel spreads connections); a unix socket is one for all.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import socket
import stat
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from phantomgate.core.nouns import dataclass, field

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER, which Python's socket module doesn't name
_DROP_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
"""Classic BPF: load byte 13 of the TCP header, the flags; with SYN (2) set, keep none of the packet, else all of it."""

BACKLOG = 4096
"""Connections that wait while workers start or are busy; the kernel's `net.core.somaxconn` may be less."""

REMEDIES = {
    errno.EADDRINUSE: "another process listens there; stop it or choose another address",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "we may not: ports below 1024 need the capability CAP_NET_BIND_SERVICE, a socket file needs a "
    "directory we may write to",
    errno.ENOENT: "the directory of the socket file doesn't exist",
}


@dataclass(slots=True)
class Bound:
    """Sockets that listen on one address, one for each worker or one for all. Its state: which are open.

    *name* is the address for people, with the port that the system chose.
    """

    name: str
    sockets: list[socket.socket]
    _file: tuple[Path, int, int] | None = field(default=None, repr=False)
    _where: tuple[int, Any] | None = field(default=None, repr=False)
    _listens: bool = True

    def socket(self, worker: int) -> socket.socket:
        """The socket of *worker*; bound anew when it was released. Raises OSError."""
        place = worker % len(self.sockets)
        if self._where is not None and self.sockets[place].fileno() < 0:
            self.sockets[place] = _tcp(*self._where, shared=True)
            if self._listens:
                self.sockets[place].listen(BACKLOG)
        return self.sockets[place]

    def release(self, worker: int) -> None:
        """Nobody will serve *worker*'s socket for a while: whoever waits there is turned away, others go elsewhere."""
        if self._where is not None:
            self.sockets[worker].close()

    def beside(self, count: int, *, listens: bool) -> Bound:
        """The same address for *count* others, who will take our place: nobody comes to them before they listen.

        *listens* as for `bind_tcp`, of those that are bound anew later. Raises OSError.
        """
        if self._where is None:
            return Bound(self.name, [self.sockets[0].dup()])
        others = [_tcp(*self._where, shared=True) for _ in range(count)]
        return Bound(self.name, others, _where=self._where, _listens=listens)

    def leave_to(self, other: Bound) -> None:
        """Stop listening here, where *other* goes on, or elsewhere."""
        if other._where is None and other._file is None:  # on the same file
            other._file, self._file = self._file, None
        self.close()

    def close(self) -> None:
        """Stop listening here: the file goes first, so that nobody finds a socket that is about to end."""
        if self._file is not None:
            path, device, inode = self._file
            self._file = None
            with suppress(OSError):
                found = path.lstat()
                if (found.st_dev, found.st_ino) == (device, inode):  # else it is a successor's
                    path.unlink()
        for one in self.sockets:
            one.close()


def take_no_more(listening: socket.socket) -> None:
    """Let the kernel drop whatever would open another connection to *listening*, and finish those it has begun.

    A connection that comes between the last look into the queue and the close would be reset, and its request lost. A
    dropped SYN is sent again a second later, and finds somebody else or a clear refusal. Where the kernel has no such
    filter (not Linux), that moment stays.
    """
    if listening.family == socket.AF_UNIX or not sys.platform.startswith("linux"):
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN))
    with suppress(OSError):
        listening.setsockopt(
            socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HL", len(_DROP_SYN), ctypes.addressof(program))
        )


def why(error: OSError) -> str:
    """What *error* of a bind means and how to mend it."""
    remedy = REMEDIES.get(error.errno or 0)
    words = error.strerror or str(error)
    return f"{words}: {remedy}" if remedy else words


async def answer_on(
    listening: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], backlog: int = BACKLOG
) -> asyncio.AbstractServer:
    """Have *protocol* answer who connects to *listening*, until what is given back is closed; the file stays."""
    loop = asyncio.get_running_loop()
    how: dict[str, Any] = {"sock": listening, "backlog": backlog}
    if listening.family != socket.AF_UNIX:
        return await loop.create_server(protocol, **how)
    if sys.version_info >= (3, 13):
        how["cleanup_socket"] = False  # it isn't ours alone: others may go on, and `Bound` removes it
    return await loop.create_unix_server(protocol, **how)


def bind_tcp(host: str, port: int, count: int, *, listens: bool = True, waits: bool = False) -> Bound:
    """*count* sockets on *host* and *port* (0: any that is free), listening. Raises OSError.

    Unless they *listen*, they only keep the port, for whoever binds it by itself (with SO_REUSEPORT, as we do). Those
    who wait listen when whoever gets them does.
    """
    found: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, where = min(found, key=lambda entry: entry[0] != socket.AF_INET)  # for a name with both, IPv4
    sockets: list[socket.socket] = []
    try:
        if port:
            # With SO_REUSEPORT a second phantomgate of the same user would quietly get half of our connections.
            with _tcp(family, where, shared=False):
                pass
        for _ in range(count):
            one = _tcp(family, where, shared=True)
            sockets.append(one)
            where = one.getsockname()
        for one in sockets if listens and not waits else ():
            one.listen(BACKLOG)
    except OSError:
        for one in sockets:
            one.close()
        raise
    host = f"[{where[0]}]" if family == socket.AF_INET6 else where[0]
    return Bound(f"{host}:{where[1]}", sockets, _where=(family, where), _listens=listens)


def _tcp(family: int, where: Any, *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(where)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def bind_unix(path: str) -> Bound:
    """A socket on the file *path*, listening, for us and our group. Raises OSError.

    A file that is left over, on which nobody answers, is replaced; anything else there is left alone.
    """
    file = Path(path)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            one.bind(path)
        except OSError as taken:
            if taken.errno != errno.EADDRINUSE or not _is_stale(file):
                raise
            file.unlink()
            one.bind(path)
        file.chmod(0o660)  # before it listens, so nobody gets in earlier
        one.listen(BACKLOG)
        one.setblocking(False)
        found = file.lstat()
    except OSError:
        one.close()
        raise
    return Bound(f"unix:{path}", [one], (file, found.st_dev, found.st_ino))


def _is_stale(file: Path) -> bool:
    """Whether *file* is a socket file on which nobody answers."""
    if not stat.S_ISSOCK(file.lstat().st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        return caller.connect_ex(str(file)) == errno.ECONNREFUSED  # EAGAIN is somebody who is busy
