"""Kong's plugin development kit for Python: what it says of a request, and what it is told to do with one.

Rule: what Kong says is believed only in the shape that is expected, since its other style of answers is (value, error);
and what is told is told in an order in which a call that fails leaves the request refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from phantomgate.adapters.hops import check_hops
from phantomgate.adapters.refusal import Refusal
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Headers, Request

MOST_HEADERS = 1000
"""How many header fields Kong may be asked for; it leaves the others out, so a request that has as many is refused."""
MARK = "phantomgate"
"""What is set in `kong.ctx.shared` when all else is done; the function in kong.yml refuses without it."""


def read_kong(method: Any, path: Any, query: Any, host: Any, headers: Any, peer: Any) -> Request:
    """The request that the PDK's answers describe. What can't be read comes back with its refusal as `problem`."""
    texts = (method, path, query, host, peer)
    if not isinstance(headers, Mapping) or not all(isinstance(text, str) for text in texts):
        return _unreadable("Kong's answers are no strings; start its plugin server with --no-lua-style")
    read = Headers()
    for name, values in headers.items():
        for value in values if isinstance(values, (list, tuple)) else [values]:
            if not isinstance(name, str) or not isinstance(value, str):
                return _unreadable("a header field that is no string")
            read.add(name.encode("utf-8"), value.encode("utf-8"))
    if sum(1 for _ in read) >= MOST_HEADERS:
        return _unreadable(f"{MOST_HEADERS} header fields or more")
    request = Request(method, path, read, query, peer, host)
    check_hops(request)
    return request


def _unreadable(why: str) -> Request:
    return Request("", "", Headers(), problem=Refused(Reason.MALFORMED_REQUEST, why))


def write_allow(allow: Allow, request: Request) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The calls, in order, that let *request* pass: (name in the PDK, arguments). The last is the mark."""
    change = allow.upstream
    ours = {name.lower() for name, _ in change.set}
    for field in request.headers.fields:
        name = field.decode("utf-8")
        if change.drops(name) and name not in ours:
            yield "service.request.clear_header", (name,)
    for name, value in change.set:
        yield "service.request.set_header", (name, value)
    if change.cookies is not None:
        left = change.cookies(request.headers).decode("latin-1")
        yield ("service.request.set_header", ("Cookie", left)) if left else (
            "service.request.clear_header", ("Cookie",),
        )  # fmt: skip
    for name, value in allow.client:
        yield "response.set_header", (name, value)
    yield "ctx.shared.set", (MARK, "allowed")


def write_refusal(refusal: Refusal) -> tuple[int, str, dict[str, str]]:
    """The arguments of `kong.response.exit`."""
    headers: dict[str, str] = {}
    for name, value in refusal.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return refusal.status, refusal.body.decode("ascii"), headers
