"""WSGI: the environ of a request as a request to be judged, and what was decided in WSGI's words (PEP 3333).

Rule: what is judged is SCRIPT_NAME and PATH_INFO, on which applications route; REQUEST_URI, which only some servers set
and anybody may rewrite, is looked at for what decoding hides. Header fields are CGI's here: X-User, X_User and X.User
may all have become one variable, and whichever look alike are ours or nobody's.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

from phantomgate.adapters.caller import Caller
from phantomgate.adapters.hops import check_hops
from phantomgate.adapters.routed import routed_path
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Fields, HeaderChange, Headers, Request, plain_name

Environ: TypeAlias = dict[str, Any]

CALLER = "phantomgate.caller"
"""Where in the environ the caller is."""

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{0,255}").fullmatch
# Apache passes variables of a request on to the one that it makes of it: REDIRECT_HTTP_AUTHORIZATION
_FIELD = re.compile(r"(?:REDIRECT_)*HTTP[_.-](.+)", re.IGNORECASE | re.DOTALL).fullmatch
_ALSO = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}


def read_environ(environ: Environ, *, root_path: str = "") -> Request:
    """The request that *environ* describes; *root_path* is where the application is said to be.

    What can't be read comes back with its `problem`.
    """
    headers = Headers()
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            headers.add(name[5:].replace("_", "-").encode("latin-1", "replace"), _octets(value))
        elif name in _ALSO and value:
            headers.add(_ALSO[name], _octets(value))
    root, info = _octets(environ.get("SCRIPT_NAME", "")).rstrip(b"/"), _octets(environ.get("PATH_INFO", ""))
    path, note = routed_path(_text(root + info) or "/", _raw(environ, root, info), _text(root), root_path.rstrip("/"))
    request = Request(
        environ["REQUEST_METHOD"],
        path,
        headers,
        environ.get("QUERY_STRING", ""),
        environ.get("REMOTE_ADDR") or "",
        note=note,
    )
    host = environ.get("HTTP_HOST", "")
    if not _HOST(host) or b"host" in headers.repeated:
        request.problem = Refused(Reason.MALFORMED_REQUEST, "Host is not one plain name with an optional port")
        return request
    request.host = host
    if b"connection" in headers or b"upgrade" in headers:
        check_hops(request, we_drop=True)
    return request


def write_environ(environ: Environ, request: Request, change: HeaderChange, caller: Caller) -> Environ:
    """The environ for the application: our header fields instead of the client's, no cookie that is not for it, and the
    caller."""
    kept = {name: value for name, value in environ.items() if not _is_ours(name, change)}
    ours = {f"HTTP_{name.upper().replace('-', '_').replace('.', '_')}": value for name, value in change.set}
    if change.cookies is not None:
        kept = {name: value for name, value in kept.items() if not _is_called(name, "cookie")}
        left = change.cookies(request.headers)
        ours |= {"HTTP_COOKIE": left.decode("latin-1")} if left else {}
    return {**kept, **ours, CALLER: caller}


def to_client(fields: list[tuple[str, str]], ours: Fields) -> list[tuple[str, str]]:
    """The fields of the application's answer with *ours*: then CORS is our business alone."""
    return [field for field in fields if not field[0].lower().startswith("access-control-")] + list(ours)


def _is_ours(name: str, change: HeaderChange) -> bool:
    field = _FIELD(name)
    return field is not None and plain_name(field[1]) in change.owned


def _is_called(name: str, plain: str) -> bool:
    field = _FIELD(name)
    return field is not None and plain_name(field[1]) == plain


def _raw(environ: Environ, root: bytes, info: bytes) -> bytes | None:
    """The path as the client sent it, where the server tells; with SCRIPT_NAME, which a proxy may have taken off."""
    told = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if not told:
        return None
    target = _octets(told).partition(b"?")[0]
    if not target.startswith(b"/"):  # RFC 9112 §3.2.2: absolute-form
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return quote_from_bytes(root).encode("ascii") + target if root and unquote_to_bytes(target) == info else target


def _octets(value: str) -> bytes:
    return value.encode("latin-1")  # PEP 3333: bytes in the clothes of text


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
