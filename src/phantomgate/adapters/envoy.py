"""Envoy's ext_authz over gRPC: a CheckRequest as a request, and a decision as a CheckResponse.

Rule: the request judged is the one Envoy has in hand, in its own attributes, never what a header says. Header fields
come as a list with every repetition (`encode_raw_headers`) or as a map in which repetitions are joined by commas; what
is joined is judged as it is, and two credentials so joined are none. Field numbers are those of envoyproxy/envoy,
api/envoy/service/auth/v3/{external_auth,attribute_context}.proto; they never change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from phantomgate.adapters.hops import check_hops
from phantomgate.adapters.protobuf import Malformed, bytes_field, number_field, read_fields, read_one, write_struct
from phantomgate.adapters.refusal import write_refusal
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Answer, HeaderChange, Headers, Refuse, Request, plain_name

SERVICE, METHOD = "envoy.service.auth.v3.Authorization", "Check"

_PERMISSION_DENIED, _UNAUTHENTICATED = 7, 16  # google.rpc.Code
_METHOD, _HEADERS, _PATH, _HOST, _SCHEME, _HEADER_MAP = 2, 3, 4, 5, 6, 13  # AttributeContext.HttpRequest
_OVERWRITE = number_field(3, 2)  # HeaderValueOption.append_action: OVERWRITE_IF_EXISTS_OR_ADD
_KEEP_EMPTY = number_field(4, 1)

_PARTS = ("client-cert", "host", "method", "port", "prefix", "scheme", "server", "ssl", "uri", "user")
_WHENCE = frozenset(f"x-forwarded-{part}" for part in _PARTS) | {
    "forwarded",
    "x-original-host",
    "x-original-proto",
    "x-real-ip",
}
_ENVOYS = frozenset(("x-forwarded-for", "x-forwarded-proto"))
"""Envoy sets these itself; a look-alike is the client's."""


def read_check(data: bytes, peer: str) -> Request:
    """The request in a CheckRequest that *peer* sent. What can't be read comes back with its refusal as `problem`."""
    try:
        return _read_http(read_one(read_one(read_one(data, 1), 4), 2), peer)  # attributes.request.http
    except Malformed as no:
        return Request("", "", Headers(), peer=peer, problem=Refused(Reason.MALFORMED_REQUEST, f"CheckRequest: {no}"))


def _read_http(http: bytes, peer: str) -> Request:
    texts = dict.fromkeys((_METHOD, _PATH, _HOST, _SCHEME), "")
    headers, ways = Headers(), set()
    for number, value in read_fields(http):
        if number in texts:
            if texts[number]:
                raise Malformed(f"field {number} twice")
            texts[number] = value.decode("latin-1")
        elif number == _HEADERS:
            ways.add(number)
            _add(headers, read_one(value, 1), read_one(value, 2))
        elif number == _HEADER_MAP:
            ways.add(number)
            for of_map, field in read_fields(value):
                if of_map == 1:  # whatever else may come to be in a HeaderMap is no field of the request
                    _add(headers, read_one(field, 1), read_one(field, 3) or read_one(field, 2))
    if len(ways) > 1 or not texts[_METHOD] or not texts[_PATH]:
        raise Malformed("two ways of giving headers, or no method or path")
    path, _, query = texts[_PATH].partition("?")
    request = Request(
        texts[_METHOD], path, headers, query, peer, texts[_HOST], texts[_SCHEME], answerable=True
    )  # fmt: skip
    if b"connection" in headers or b"upgrade" in headers:
        check_hops(request)
    return request


def _add(headers: Headers, name: bytes, value: bytes) -> None:
    if not name.startswith(b":"):  # those of HTTP/2 stand in the attributes too
        headers.add(name, value)


def write_upstream(change: HeaderChange) -> bytes:
    """The part of an OkHttpResponse that is the same for every request: each field that goes upstream."""
    return b"".join(_header(2, name, value) for name, value in change.set)


def write_metadata(allow: Allow) -> bytes:
    """The CheckResponse's dynamic metadata: the claims that were judged, for Envoy's other filters and its log, and
    the word by which the shipped configuration knows an answer of ours."""
    token = allow.token
    return bytes_field(4, write_struct({"phantomgate": "allowed", "claims": token.claims, "issuer": token.issuer}))


def write_allow(allow: Allow, headers: Headers, upstream: bytes, metadata: bytes) -> bytes:
    """A CheckResponse that lets the request with *headers* pass; the others are what the functions above gave."""
    change = allow.upstream
    ok = [upstream]
    removed = [name for name in headers.fields if _is_removed(name.decode("latin-1"), change)]
    if change.cookies is not None:
        left = change.cookies(headers)
        if left:
            ok.append(_header(2, "cookie", left.decode("latin-1")))
        else:
            removed.append(b"cookie")
    ok += [bytes_field(5, name) for name in removed]
    ok += [_header(6, name, value) for name, value in allow.client]
    return bytes_field(1, b"") + bytes_field(3, b"".join(ok)) + metadata


def _is_removed(name: str, change: HeaderChange) -> bool:
    """Whether the client's field *name* goes no further. Envoy removes after it sets, so never what we set."""
    plain = plain_name(name)
    if plain in change.owned:
        return all(name != ours.lower() for ours, _ in change.set)
    return plain in _WHENCE or (plain in _ENVOYS and plain != name)


def write_refuse(refuse: Refuse, realm: str, resource_metadata: str = "") -> bytes:
    """A CheckResponse that refuses, with status, fields and body for the client."""
    refusal = write_refusal(refuse, realm, resource_metadata=resource_metadata)
    code = _UNAUTHENTICATED if refusal.status == 401 else _PERMISSION_DENIED
    return _denied(code, refusal.status, refusal.headers, refusal.body)


def write_answer(answer: Answer) -> bytes:
    """A CheckResponse that answers in the API's place; to Envoy that is a refusal too."""
    return _denied(_PERMISSION_DENIED, answer.status, answer.headers, b"")


def _denied(code: int, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    denied: Iterator[bytes] = (_header(2, name, value) for name, value in headers)
    said = bytes_field(1, number_field(1, status)) + b"".join(denied) + (bytes_field(3, body) if body else b"")
    return bytes_field(1, number_field(1, code)) + bytes_field(2, said)


def _header(number: int, name: str, value: str) -> bytes:
    pair = bytes_field(1, name.lower()) + (bytes_field(2, value) if value else b"")  # what is empty isn't sent
    return bytes_field(number, bytes_field(1, pair) + _OVERWRITE + _KEEP_EMPTY)
