"""HAProxy by SPOE: the arguments of one message as a request, and a decision as variables of the transaction.

Rule: HAProxy sends what the client sent and we judge that; nothing is taken from a field that a client could have
written to speak for HAProxy. What was decided is told by variables under our prefix, and `status` is there whenever
anything is: a configuration that lets nothing pass without `status` 200 is closed when we are silent.

There are two messages. `decide` has every header field. `decide-plain` has of them `Authorization` alone, for a
request that has one at most, and neither `Connection` nor `Upgrade`, which HAProxy makes sure of: nothing else in a
request without a session is looked at, and most requests are such.
"""

from __future__ import annotations

from collections.abc import Mapping

from phantomgate.adapters.hops import check_hops
from phantomgate.adapters.refusal import write_refusal
from phantomgate.adapters.spop import read_fields
from phantomgate.adapters.spop_data import Malformed, Value
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Answer, Fields, HeaderChange, Headers, Refuse, Request

WHOLE, PLAIN = b"decide", b"decide-plain"
"""What the messages are called in HAProxy's configuration."""

_FROM_FIELD = {"www-authenticate": "challenge", "retry-after": "retry_after"}


def read_message(arguments: Mapping[bytes, Value], peer: str) -> Request:
    """The request in the *arguments* of a message that *peer* sent.

    What can't be read comes back as a request whose `problem` is its refusal.
    """
    method, path, query = (arguments.get(name) for name in (b"method", b"path", b"query"))
    packed = arguments.get(b"headers")
    if not (isinstance(method, bytes) and isinstance(path, bytes) and isinstance(packed, bytes)):
        return _unreadable(
            peer, "the message lacks method, path or headers; write them as phantomgate init haproxy does"
        )
    headers = Headers()
    fields = headers.fields
    try:
        for name, value in read_fields(packed):
            if name in fields or not name.islower():
                headers.add(name, value)
            else:
                fields[name] = value
    except Malformed as no:
        return _unreadable(peer, f"headers can't be read: {no}")
    text = query.decode("latin-1") if isinstance(query, bytes) else ""
    request = Request(method.decode("latin-1"), path.decode("latin-1"), headers, text, peer, answerable=True)
    host = fields.get(b"host")
    if host is not None:
        request.host = host.decode("latin-1")
    if b"connection" in fields or b"upgrade" in fields:
        check_hops(request)
    return request


def read_plain(arguments: Mapping[bytes, Value], peer: str) -> Request:
    """As `read_message`, for a request of which only the one `Authorization` matters, if it is there."""
    try:
        method, path, query, authorization = (
            arguments[b"method"], arguments[b"path"], arguments[b"query"], arguments[b"authorization"],
        )  # fmt: skip
    except KeyError:
        method = path = query = authorization = None
    if not (isinstance(method, bytes) and isinstance(path, bytes)):
        return _unreadable(peer, "the message lacks method or path; write it as phantomgate init haproxy does")
    fields = {b"authorization": authorization} if isinstance(authorization, bytes) else {}
    text = query.decode("latin-1") if isinstance(query, bytes) else ""
    return Request(method.decode("latin-1"), path.decode("latin-1"), Headers(fields), text, peer)


def _unreadable(peer: str, why: str) -> Request:
    return Request("", "", Headers(), peer=peer, problem=Refused(Reason.MALFORMED_REQUEST, why))


def variable(name: str) -> str:
    """What the variable for the header field *name* is called: HAProxy takes letters, digits, "_" and "."."""
    return name.lower().replace("-", "_")


def write_upstream(change: HeaderChange) -> list[tuple[str, str | int]]:
    """The variables of an allow that are the same for every request: `status`, and each field that goes upstream."""
    return [("status", 200), *((variable(name), value) for name, value in change.set)]


def write_for_request(allow: Allow, headers: Headers) -> list[tuple[str, str | int]]:
    """The others, where there are sessions: `cookie` is what is left of the cookies in *headers*, and CORS."""
    left = allow.upstream.cookies
    cookie = [] if left is None else [("cookie", left(headers).decode("latin-1"))]
    return [*cookie, *_variables(allow.client)]


def write_answer(answer: Answer) -> list[tuple[str, str | int]]:
    """The variables of an answer that HAProxy gives by itself."""
    return [("status", answer.status), *_variables(answer.headers)]


def write_refuse(refuse: Refuse, realm: str, resource_metadata: str = "") -> list[tuple[str, str | int]]:
    """The variables of a refusal: `status`, `body`, and `challenge` and `retry_after` where there are some."""
    refusal = write_refusal(refuse, realm, resource_metadata=resource_metadata)
    variables: list[tuple[str, str | int]] = [("status", refusal.status), ("body", refusal.body.decode("ascii"))]
    for name, value in refusal.headers:
        if name.lower() in _FROM_FIELD:
            variables.append((_FROM_FIELD[name.lower()], value))
    return [*variables, *_variables(refuse.client)]


def _variables(fields: Fields) -> list[tuple[str, str | int]]:
    return [(variable(name), value) for name, value in fields]
