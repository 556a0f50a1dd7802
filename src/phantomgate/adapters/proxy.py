"""The reverse proxy's translation: the client's own request in, the request for the API and its answer out.

Rule: what is forwarded is what was judged, byte for byte, and nothing that a hop, a cache or a careless API could read
in another way gets through. Fields that are ours to set are dropped however they are spelled, and then set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable

from phantomgate.adapters.forward_auth import check_hops
from phantomgate.adapters.refusal import Refusal
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import HeaderChange, Headers, Request, plain_name

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

_NOT_FORWARDED = HOP_BY_HOP | {b"host", b"expect"}  # the first is the API's own, the second we have answered
_SET_BY_US = frozenset(("forwarded", "x-real-ip", "x-original-host", "x-original-proto"))
_WEBSOCKET = b"sec-websocket-"

# RFC 9112 §3.2.1: origin-form, and of RFC 3986 only what cannot be read in two ways: visible ASCII without a fragment
_TARGET = re.compile(r"/[!\"$-~]*")
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")

TROUBLE = {
    "unreachable": (502, "The API behind this gateway can't be reached"),
    "timeout": (504, "The API behind this gateway did not answer in time"),
    "broken": (502, "The API behind this gateway gave no usable answer"),
}
"""How the API can fail, by the label of the metric: status and text for the client."""


def read_proxied(
    method: str, target: str, headers: Headers, *, peer: str, limit: int = 65536, owned: Collection[str] = ()
) -> Request:
    """The request that a client sent us to be forwarded, *target* as it stood in the request line.

    What must not be forwarded comes back with its `problem`. *limit* is the most that the fields may take, in bytes;
    *owned* are the fields besides Authorization that we set.
    """
    path, _, query = target.partition("?")
    request = Request(method, path, headers, query, scheme="http", peer=peer)
    try:
        request.host = _host(headers)
        _check_target(method, target)
        _check_fields(headers, limit)
        _check_framing(headers)
        _check_owned(headers, owned)
        if wants_websocket(request):
            _check_handshake(headers)
        check_hops(request)
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


def _check_fields(headers: Headers, limit: int) -> None:
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
        if not _VALUE.fullmatch(value) or not _is_utf8(value):
            raise Refused(Reason.MALFORMED_REQUEST, "a field value with control characters or not in UTF-8")
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


def named_by_connection(headers: Headers) -> frozenset[bytes]:
    """The fields that `Connection` says are for this hop only, in lower case."""
    return frozenset(token.strip(b" \t").lower() for value in headers.all(b"connection") for token in value.split(b","))


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


def to_upstream(request: Request, change: HeaderChange) -> list[tuple[str, str]]:
    """The fields for the API: the client's, less what it may not say, and ours."""
    dropped = _NOT_FORWARDED | named_by_connection(request.headers)
    fields = [
        (name.decode("latin-1"), value.decode("utf-8"))
        for name, value in request.headers
        if name not in dropped and not name.startswith(_WEBSOCKET) and not _is_ours(name.decode("latin-1"), change)
    ]
    return [
        *fields,
        *change.set,
        ("X-Forwarded-For", request.peer),
        ("X-Forwarded-Host", request.host),
        ("X-Forwarded-Proto", request.scheme),
        ("Via", "1.1 phantomgate"),  # RFC 9110 §7.6.3
    ]


def _is_ours(name: str, change: HeaderChange) -> bool:
    plain = plain_name(name)
    return plain.startswith(("x-forwarded-", "x-envoy-")) or plain in _SET_BY_US or change.drops(name)


def to_client(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """The fields of the API's answer that are for the client."""
    answer = list(fields)
    dropped = HOP_BY_HOP | named_by_connection(Headers.of(answer))
    return [(name.decode("latin-1"), _text(value)) for name, value in answer if name.lower() not in dropped]


def _text(value: bytes) -> str:
    return value.decode("utf-8") if _is_utf8(value) else value.decode("latin-1")


def write_trouble(kind: str, id: str) -> Refusal:  # noqa: A002 - as `Refuse` calls it
    """The answer when the API failed, in the words of a refusal; *id* finds the log line."""
    status, description = TROUBLE[kind]
    body = {"error": "bad_gateway", "error_description": description, "decision": id}
    headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
    return Refusal(status, headers, json.dumps(body).encode("ascii"))
