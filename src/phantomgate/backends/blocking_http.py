"""The blocking HTTP client, on `socket` and `ssl` alone: `http.client` would double a cold start.

Rule: one deadline rules everything from the look-up of the name to the last byte, and is read anew before each wait, so
that no server outlasts it by being slow in small steps. A connection is kept only after a reply that left no doubt.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any, TypeAlias

from phantomgate.backends import http_trouble as trouble
from phantomgate.backends.http_reply import ReplyReader
from phantomgate.backends.http_request import Origin, request_bytes, split_url
from phantomgate.backends.tls import client_context
from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import Clock, HttpCall, HttpReply
from phantomgate.core.typed import NamedTuple

Lookup: TypeAlias = Callable[..., list[tuple[Any, ...]]]
"""As `socket.getaddrinfo`."""

_READ_SIZE = 16 * 1024


class _Deadline:
    """When the exchange with *origin* must be over. State: the end, on the monotonic clock."""

    __slots__ = ("_end", "_origin", "_seconds", "_ticks")

    def __init__(self, origin: Origin, seconds: float, ticks: Clock) -> None:
        self._origin, self._seconds, self._ticks = origin, seconds, ticks
        self._end = ticks() + seconds

    def left(self) -> float:
        """Seconds, always more than 0. Raises Unavailable once there are none."""
        left = self._end - self._ticks()
        if left <= 0:
            raise self.passed()
        return left

    def passed(self) -> Unavailable:
        """What to raise when it has passed."""
        return trouble.too_late(self._origin, self._seconds)


class _Idle(NamedTuple):
    connection: socket.socket
    since: float


class BlockingHttp:
    """An `Http` that blocks its thread and never suspends. State: one idle connection per origin.

    Threads may share it: who finds no idle connection opens one. *idle_seconds* is how long one is kept unused;
    *ca_file* and *certificate* as in `tls.client_context`.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        certificate: tuple[str, str] | None = None,
        idle_seconds: float = 30.0,
        ticks: Clock = time.monotonic,
        lookup: Lookup = socket.getaddrinfo,
    ) -> None:
        self._context = client_context(ca_file, certificate)
        self._idle_seconds = idle_seconds
        self._ticks = ticks
        self._lookup = lookup
        self._lock = Lock()
        self._idle: dict[Origin, _Idle] = {}
        self._closed = False

    async def send(self, call: HttpCall) -> HttpReply:
        """The reply to *call*, as `Http.send`. Raises ValueError when *call* can't be sent as it is."""
        if self._closed:
            raise Unavailable("shutting down")
        origin, target = split_url(call.url)
        request = request_bytes(call, origin, target)
        deadline = _Deadline(origin, call.timeout, self._ticks)
        kept = self._take(origin)
        if kept is not None:
            reply = self._exchange(kept, origin, request, call.max_bytes, deadline)
            if isinstance(reply, HttpReply):
                return reply
            if not call.repeat:
                raise reply
            # The server ended it while it was idle, as it may at any time (RFC 9112 §9.3.1): once more, on a new one.
        reply = self._exchange(self._connect(origin, deadline), origin, request, call.max_bytes, deadline)
        if isinstance(reply, HttpReply):
            return reply
        raise reply

    async def close(self) -> None:
        """Close the idle connections, and those in use when their calls end, and refuse whatever comes later."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        for kept in idle.values():
            kept.connection.close()

    def _exchange(
        self, connection: socket.socket, origin: Origin, request: bytes, max_bytes: int, deadline: _Deadline
    ) -> HttpReply | Unavailable:
        """The reply; or, returned, what to raise when the connection ended before any of it came."""
        reader = ReplyReader(max_bytes)
        keep = False
        try:
            unsent = memoryview(request)
            while unsent:
                connection.settimeout(deadline.left())
                unsent = unsent[connection.send(unsent) :]
            while reader.reply is None:
                connection.settimeout(deadline.left())
                data = connection.recv(_READ_SIZE)
                if not data:
                    raise ConnectionError
                reader.feed(data)
            keep = reader.reusable
        except TimeoutError:
            raise deadline.passed() from None
        except OSError as why:
            ended = trouble.cut_off(origin, reader.begun, why)
            ended.__cause__ = why
            if reader.begun:
                raise ended from why
            return ended
        else:
            return reader.reply
        finally:
            if keep:
                self._keep(origin, connection)
            else:
                connection.close()

    def _take(self, origin: Origin) -> socket.socket | None:
        """The idle connection to *origin*, if it is still good for a call."""
        with self._lock:
            idle = self._idle.pop(origin, None)
        if idle is None:
            return None
        if self._ticks() - idle.since < self._idle_seconds and _is_quiet(idle.connection):
            return idle.connection
        idle.connection.close()
        return None

    def _keep(self, origin: Origin, connection: socket.socket) -> None:
        """Keep *connection* for the next call, instead of the one that another thread may have put there."""
        with self._lock:
            surplus = _Idle(connection, 0.0) if self._closed else self._idle.pop(origin, None)
            if not self._closed:
                self._idle[origin] = _Idle(connection, self._ticks())
        if surplus is not None:
            surplus.connection.close()

    def _connect(self, origin: Origin, deadline: _Deadline) -> socket.socket:
        """A connection on which nothing was sent yet but a TLS handshake, its certificate verified."""
        found = self._addresses(origin, deadline)
        failure: OSError | None = None
        for place, where in enumerate(found):
            try:
                # An address that swallows packets may use up its share of the time, not that of the others.
                connection = _reach(where, deadline.left() / (len(found) - place))
            except OSError as why:
                failure = why
            else:
                return connection if origin.scheme == "http" else self._secure(connection, origin, deadline)
        if isinstance(failure, TimeoutError):
            raise deadline.passed()
        raise trouble.no_connection(origin, failure) from failure

    def _secure(self, connection: socket.socket, origin: Origin, deadline: _Deadline) -> socket.socket:
        with _closed_on_error(connection):
            try:
                # Bytes for the name, because text goes through the IDNA codec, whose import costs 5 ms.
                connection = self._context.wrap_socket(
                    connection, server_hostname=origin.host.encode("ascii"), do_handshake_on_connect=False
                )
                with _closed_on_error(connection):
                    connection.settimeout(deadline.left())
                    connection.do_handshake()
            except TimeoutError:
                raise deadline.passed() from None
            except OSError as why:
                raise trouble.no_tls(origin, why) from why
        return connection

    def _addresses(self, origin: Origin, deadline: _Deadline) -> list[tuple[Any, ...]]:
        """Where *origin* is. The resolver has no timeout of its own, so it runs in a thread that we can leave."""
        answer: list[list[tuple[Any, ...]] | Exception] = []

        def look_up() -> None:
            try:
                answer.append(self._lookup(origin.host.encode("ascii"), origin.port, type=socket.SOCK_STREAM))
            except Exception as why:  # noqa: BLE001 - handed to the thread that waits, and raised there
                answer.append(why)

        thread = Thread(target=look_up, name=f"look up {origin.host}", daemon=True)
        thread.start()
        thread.join(deadline.left())
        if not answer:
            raise deadline.passed()
        found = answer[0]
        if isinstance(found, OSError) or not found:
            raise trouble.no_address(origin, found or "none found")
        if isinstance(found, Exception):
            raise found
        return found


def _reach(where: tuple[Any, ...], seconds: float) -> socket.socket:
    """A TCP connection to *where*, an answer of the resolver. Raises OSError."""
    family, kind, protocol, _, address = where
    connection = socket.socket(family, kind, protocol)
    with _closed_on_error(connection):
        connection.settimeout(seconds)
        connection.connect(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a request is one write, sent at once
    return connection


def _is_quiet(connection: socket.socket) -> bool:
    """Whether nothing came while it was idle: neither its end nor bytes that nobody asked for."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


@contextmanager
def _closed_on_error(connection: socket.socket) -> Iterator[socket.socket]:
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
