"""Who is connected to a listener of ours, how long a connection may idle, and how they all come to a good end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Protocol


class Ends(Protocol):
    """A connection, as whoever ends it sees it."""

    def grow_older(self, seconds: float) -> None:
        """*seconds* went by: close if that was too long."""
        ...

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        ...

    def abort(self) -> None:
        """Close at once, without an answer."""
        ...


class Listening:
    """The open connections of one listener. Its state: they, and whether we are draining.

    Call `sweep` every second or so: it closes connections that are idle or too slow.
    """

    def __init__(self) -> None:
        self.connections: set[Ends] = set()
        self.draining = False
        self.empty = asyncio.Event()
        """Set when the last connection ended while draining."""

    def gone(self, connection: Ends) -> None:
        """*connection* has ended."""
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self.empty.set()

    def sweep(self, seconds: float) -> None:
        """*seconds* have passed: close what was idle, or has been sending one request, for too long."""
        for connection in list(self.connections):
            connection.grow_older(seconds)

    def last_call(self) -> None:
        """Every answer from now on ends its connection; one that is idle may still bring a request."""
        self.draining = True

    def begin_drain(self) -> None:
        """Close idle connections; the others end after the answer they are owed."""
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()

    async def drained(self, deadline: float) -> bool:
        """Whether every connection ended within *deadline* seconds; those that did not are cut off."""
        if self.connections:
            self.empty.clear()  # set when an earlier last one ended
            with suppress(TimeoutError):
                await asyncio.wait_for(self.empty.wait(), deadline)
        left = list(self.connections)
        for connection in left:
            connection.abort()
        return not left


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The address of who is connected by *transport*: "unix" on a socket file, empty when nobody can know it.

    Whoever resets a TCP connection before we look has no address any more, and may have sent something first.
    """
    address = transport.get_extra_info("peername")
    if isinstance(address, tuple):
        return str(address[0])
    own = transport.get_extra_info("socket")
    return "unix" if own is not None and own.family == socket.AF_UNIX else ""
