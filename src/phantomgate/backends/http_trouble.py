"""Why no answer came, in the same words from both HTTP back ends, for the person who reads the log at 3 am.

Rule: a text names the origin and what the system said, never anything of the call or of what was received.
"""

from __future__ import annotations

from phantomgate.backends.http_request import Origin
from phantomgate.core.errors import Unavailable


def no_address(origin: Origin, why: object) -> Unavailable:
    """The name could not be resolved."""
    return Unavailable(f"no address for {origin}: {why}", kind="no_address")


def no_connection(origin: Origin, why: object) -> Unavailable:
    """Nobody accepted the connection."""
    return Unavailable(f"no connection to {origin}: {why}", kind="no_connection")


def no_tls(origin: Origin, why: object) -> Unavailable:
    """The TLS handshake failed, so nothing was sent."""
    return Unavailable(f"no TLS connection to {origin}: {why}", kind="no_tls")


def cut_off(origin: Origin, begun: bool, why: object = "") -> Unavailable:
    """The connection ended before the reply did; *begun* says whether any of it had come."""
    said = f"{origin} closed the connection {'in the middle of its answer' if begun else 'without an answer'}"
    return Unavailable(f"{said}: {why}" if str(why) else said, kind="cut_off")


def too_late(origin: Origin, seconds: float) -> Unavailable:
    """The whole exchange took longer than it may."""
    return Unavailable(f"{origin} gave no whole answer within {seconds:g} s", kind="timeout")
