"""Hop-by-hop tricks (RFC 9110 §7.6.1): a client names a field in `Connection`, and the next hop drops it.

Rule: nobody drops what a request is judged by, or what we say about it, because the client asked for that.
"""

from __future__ import annotations

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
"""RFC 9110 §7.6.1: for the next hop only, besides what `Connection` names."""

_PLAIN = frozenset((None, b"keep-alive", b"close", b"Keep-Alive", b"Close", b""))
_OF_ONE_HOP = frozenset(
    b",close,keep-alive,te,trailer,transfer-encoding,upgrade,http2-settings,proxy-connection".split(b",")
)
_JUDGED_BY = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"host")) | frozenset(
    f"x-{family}-{part}".encode() for family in ("original", "forwarded") for part in ("method", "uri", "host", "proto")
)


def named_by_connection(headers: Headers) -> frozenset[bytes]:
    """The fields that `Connection` says are for this hop only, in lower case."""
    return frozenset(token.strip(b" \t").lower() for value in headers.all(b"connection") for token in value.split(b","))


def check_hops(request: Request, *, we_drop: bool = False) -> None:
    """Give *request* its `problem` when a hop was told to drop what counts, or to become a tunnel.

    A gateway may drop what `Connection` names after it has our answer, the user's name in it too, so for it only
    fields of one hop may stand there. With *we_drop* we are that hop, know what we set, and see to the rest.
    """
    headers = request.headers
    fields = headers.fields
    if fields.get(b"connection") not in _PLAIN or b"connection" in headers.repeated:
        named = named_by_connection(headers)
        if named & _JUDGED_BY if we_drop else not named <= _OF_ONE_HOP:
            request.problem = Refused(Reason.MALFORMED_REQUEST, "Connection names a field that no hop may drop")
    if b"upgrade" in fields and any(b"h2c" in value.lower() for value in headers.all(b"upgrade")):
        # a tunnel of requests that nobody would judge
        request.problem = Refused(Reason.NO_ROUTE, "an upgrade to h2c")
