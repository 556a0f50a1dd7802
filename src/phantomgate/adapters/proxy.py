"""The reverse proxy's words for what was decided: the request for the API, and its answer for the client.

Rule: fields that are ours to set are dropped however they are spelled, and then set; fields of one hop end here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from phantomgate.adapters.hops import HOP_BY_HOP, named_by_connection
from phantomgate.adapters.refusal import Refusal
from phantomgate.core.model import Fields, HeaderChange, Headers, Request, plain_name

_NOT_FORWARDED = HOP_BY_HOP | {b"host", b"expect"}  # the first is the API's own, the second we have answered
_SET_BY_US = frozenset(("forwarded", "x-real-ip", "x-original-host", "x-original-proto"))
_WEBSOCKET = b"sec-websocket-"

TROUBLE = {
    "unreachable": (502, "The API behind this gateway can't be reached"),
    "timeout": (504, "The API behind this gateway did not answer in time"),
    "broken": (502, "The API behind this gateway gave no usable answer"),
}
"""How the API can fail, by the label of the metric: status and text for the client."""


def to_upstream(request: Request, change: HeaderChange) -> list[tuple[str, str]]:
    """The fields for the API: the client's, less what it may not say, and ours."""
    dropped = _NOT_FORWARDED | named_by_connection(request.headers)
    left = b""
    if change.cookies is not None:
        dropped |= {b"cookie"}
        left = change.cookies(request.headers)
    fields = [
        (name.decode("latin-1"), value.decode("utf-8"))
        for name, value in request.headers
        if name not in dropped and not name.startswith(_WEBSOCKET) and not _is_ours(name.decode("latin-1"), change)
    ]
    return [
        *fields,
        *([("Cookie", left.decode("utf-8"))] if left else []),
        *change.set,
        ("X-Forwarded-For", request.peer),
        ("X-Forwarded-Host", request.host),
        ("X-Forwarded-Proto", request.scheme),
        ("Via", "1.1 phantomgate"),  # RFC 9110 §7.6.3
    ]


def _is_ours(name: str, change: HeaderChange) -> bool:
    plain = plain_name(name)
    return plain.startswith(("x-forwarded-", "x-envoy-")) or plain in _SET_BY_US or change.drops(name)


def to_client(fields: Iterable[tuple[bytes, bytes]], ours: Fields = ()) -> list[tuple[str, str]]:
    """The fields of the API's answer that are for the client, and *ours*: then CORS is our business alone."""
    answer = list(fields)
    dropped = HOP_BY_HOP | named_by_connection(Headers.of(answer))
    theirs = [(name.decode("latin-1"), _text(value)) for name, value in answer if name.lower() not in dropped]
    if ours:
        theirs = [(name, value) for name, value in theirs if not name.lower().startswith("access-control-")]
    return [*theirs, *ours]


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def write_trouble(kind: str, id: str, client: Fields = ()) -> Refusal:  # noqa: A002 - as `Refuse` calls it
    """The answer when the API failed, in the words of a refusal; *id* finds the log line, *client* is as in `Allow`."""
    status, description = TROUBLE[kind]
    body = {"error": "bad_gateway", "error_description": description, "decision": id}
    headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), *client)
    return Refusal(status, headers, json.dumps(body).encode("ascii"))
