"""The client's own request, as the reverse proxy reads it to be judged.

Rule: what is forwarded will be what is judged here, byte for byte, so nothing passes that a hop, a cache or a careless
API could read in another way.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from phantomgate.adapters.hops import check_hops, named_by_connection
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, plain_name

# RFC 9112 §3.2.1: origin-form, and of RFC 3986 only what cannot be read in two ways: visible ASCII without a fragment
_TARGET = re.compile(r"/[!\"$-~]*")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")


def read_proxied(
    method: str,
    target: str,
    headers: Headers,
    *,
    peer: str,
    limit: int = 65536,
    most: int = 128,
    owned: Collection[str] = (),
) -> Request:
    """The request that a client sent us to be forwarded, *target* as it stood in the request line.

    What must not be forwarded comes back with its `problem`. *limit* is the most that the fields may take, in bytes,
    and *most* how many there may be, whatever the server was told when the connection began. *owned* are the fields
    besides Authorization that we set.
    """
    path, _, query = target.partition("?")
    request = Request(method, path, headers, query, scheme="http", peer=peer, answerable=True)
    try:
        request.host = _host(headers)
        _check_target(method, target)
        _check_fields(headers, limit, most)
        _check_framing(headers)
        _check_owned(headers, owned)
        if wants_websocket(request):
            _check_handshake(headers)
        check_hops(request, we_drop=True)
    except Refused as no:
        request.problem = no
    return request


def _host(headers: Headers) -> str:
    host = (headers.one(b"host") or b"").decode("latin-1")
    if not re.fullmatch(r"[A-Za-z0-9._:\[\]-]{1,255}", host):  # RFC 9112 §3.2: a request without is answered 400
        raise Refused(Reason.MALFORMED_REQUEST, "no usable Host field")
    return host


def _check_target(method: str, target: str) -> None:
    if method in ("TRACE", "CONNECT"):  # the one repeats our headers to the client, the other is a tunnel
        raise Refused(Reason.NO_ROUTE, f"{method} is never forwarded")
    if not _TARGET.fullmatch(target):
        raise Refused(Reason.MALFORMED_REQUEST, "the target is not a path in visible ASCII without a fragment")


def _check_fields(headers: Headers, limit: int, most: int) -> None:
    size = count = 0
    for name, value in headers:
        count += 1
        size += len(name) + len(value) + 4
        if not _VALUE.fullmatch(value) or not _is_utf8(value):
            raise Refused(Reason.MALFORMED_REQUEST, "a field value with control characters or not in UTF-8")
    if count > most:
        raise Refused(Reason.MALFORMED_REQUEST, f"{count} header fields, want at most {most}")
    if size > limit:
        raise Refused(Reason.MALFORMED_REQUEST, f"{size} bytes of fields, want at most {limit}")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _check_framing(headers: Headers) -> None:
    """Where a body ends must be said once and in one way (RFC 9112 §6.1: else it may be a smuggled request)."""
    length, coding = headers.one(b"content-length"), headers.one(b"transfer-encoding")
    if coding is not None and (length is not None or coding.lower() != b"chunked"):
        raise Refused(Reason.MALFORMED_REQUEST, "Transfer-Encoding beside Content-Length, or not just chunked")
    if length is not None and not re.fullmatch(rb"[0-9]{1,18}", length):
        raise Refused(Reason.MALFORMED_REQUEST, "Content-Length is not a number")


def _check_owned(headers: Headers, owned: Collection[str]) -> None:
    names = {plain_name(name) for name in owned}
    if any(plain_name(name.decode("latin-1")) in names for name in named_by_connection(headers)):
        raise Refused(Reason.MALFORMED_REQUEST, "Connection names a field that we set, to have it dropped further on")


def wants_websocket(request: Request) -> bool:
    """Whether *request* asks to become a WebSocket (RFC 6455 §4.1)."""
    headers = request.headers
    return (
        request.method == "GET"
        and b"upgrade" in named_by_connection(headers)
        and [value.strip(b" \t").lower() for value in headers.all(b"upgrade")] == [b"websocket"]
    )


def _check_handshake(headers: Headers) -> None:
    """The rest of what RFC 6455 §4.2.1 wants, before the API hears of it."""
    key, version = headers.one(b"sec-websocket-key"), headers.one(b"sec-websocket-version")
    if version != b"13" or key is None or not re.fullmatch(rb"[A-Za-z0-9+/]{21}[AQgw]==", key):
        raise Refused(Reason.MALFORMED_REQUEST, "a WebSocket handshake without version 13 or a key of 16 bytes")
