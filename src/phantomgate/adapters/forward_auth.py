"""Forward-auth: nginx, Traefik, Caddy, HAProxy, Envoy and whoever else asks "may this request pass?" over HTTP.

Rule: which request is judged comes from one family of fields, set by a peer we trust, or from the path we were asked
on; never from a mixture, and never from what a client could have added to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Headers, Request

Read: TypeAlias = Callable[[str, str, Headers, bool, str], Request]
"""(method, target below the endpoint, headers, whether the peer is trusted, peer) -> the request to be judged."""

_FAMILIES = {
    "original": (b"x-original-method", b"x-original-uri", b"x-original-host", b"x-original-proto"),
    "forwarded": (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host", b"x-forwarded-proto"),
}
# A hop that drops one of these because `Connection` named it would judge another request than was sent.
_SECURED = frozenset(
    (
        b"authorization",
        b"proxy-authorization",
        b"cookie",
        b"host",
        *(name for names in _FAMILIES.values() for name in names),
    )
)
_PLAIN_CONNECTION = frozenset((None, b"keep-alive", b"close", b"Keep-Alive", b"Close", b""))


def read_decide(source: str) -> Read:
    """Reads the judged request of a `/decide` call by *source*: auto, forwarded, original or path.

    What can't be read comes back as a request whose `problem` is its refusal: two families, half a family, a repeated
    field, a `Connection` that names a credential, an upgrade to h2c. Fields of an untrusted peer are not looked at.
    """

    def read(method: str, target: str, headers: Headers, trusted: bool, peer: str) -> Request:
        fields = headers.fields
        if trusted and source != "path":
            original = source != "forwarded" and (b"x-original-uri" in fields or b"x-original-method" in fields)
            forwarded = source != "original" and (b"x-forwarded-uri" in fields or b"x-forwarded-method" in fields)
        else:
            original = forwarded = False
        if original + forwarded + bool(target.startswith("/") and source == "auto") > 1:
            return _unreadable(method, headers, peer, "more than one of X-Original-*, X-Forwarded-* and a path")
        if original or forwarded:
            request = _from_family("original" if original else "forwarded", headers, peer)
        elif source in ("auto", "path"):
            path, _, query = target.partition("?")
            request = Request(method, path, headers, query, peer=peer)
        else:
            return _unreadable(method, headers, peer, f"no X-{source.title()}-Method and -URI from a trusted peer")
        if request.problem is None:
            _check_hops(request)
        if not trusted and any(name in fields for names in _FAMILIES.values() for name in names):
            request.note = "X-Forwarded-* or X-Original-* of an untrusted peer ignored"
        return request

    return read


def read_exchange(source: str) -> Read:
    """Reads an `/exchange` call: judged by the same fields when they are sent, and by `[policy]` alone when not."""
    decide = read_decide("auto" if source == "path" else source)

    def read(method: str, target: str, headers: Headers, trusted: bool, peer: str) -> Request:  # noqa: ARG001
        fields = headers.fields
        if trusted and any(name in fields for names in _FAMILIES.values() for name in names[:2]):
            return decide(method, "", headers, trusted, peer)
        request = Request(method, "", headers, peer=peer, routed=False)
        _check_hops(request)
        return request

    return read


def _from_family(family: str, headers: Headers, peer: str) -> Request:
    method_name, uri_name, host_name, scheme_name = _FAMILIES[family]
    fields = headers.fields
    if headers.repeated:
        for name in _FAMILIES[family]:
            if name in headers.repeated:
                return _unreadable("", headers, peer, f"{name.decode()} came more than once")
    if method_name not in fields or uri_name not in fields:
        return _unreadable("", headers, peer, f"{method_name.decode()} without {uri_name.decode()} or the reverse")
    path, _, query = fields[uri_name].decode("latin-1").partition("?")
    method = fields[method_name].decode("latin-1")
    if not method:
        return _unreadable("", headers, peer, f"{method_name.decode()} is empty")
    return Request(
        method,
        path,
        headers,
        query,
        fields.get(host_name, b"").decode("latin-1"),
        fields.get(scheme_name, b"").decode("latin-1"),
        peer,
    )


def _check_hops(request: Request) -> None:
    headers = request.headers
    fields = headers.fields
    if fields.get(b"connection") not in _PLAIN_CONNECTION or b"connection" in headers.repeated:
        named = {token.strip(b" \t").lower() for value in headers.all(b"connection") for token in value.split(b",")}
        if named & _SECURED:
            request.problem = Refused(Reason.MALFORMED_REQUEST, "Connection names a field that we judge by")
    if b"upgrade" in fields and any(b"h2c" in value.lower() for value in headers.all(b"upgrade")):
        # a tunnel of requests that nobody would judge
        request.problem = Refused(Reason.NO_ROUTE, "an upgrade to h2c")


def _unreadable(method: str, headers: Headers, peer: str, why: str) -> Request:
    return Request(method, "", headers, peer=peer, problem=Refused(Reason.MALFORMED_REQUEST, why))


def write_allow(allow: Allow, seconds: int) -> list[tuple[str, str]]:
    """The fields of a 200: what goes upstream, and for how many *seconds* a gateway may remember it.

    nginx 1.22 obeys the first of X-Accel-Expires and Cache-Control that it reads, so ours for it comes first.
    """
    return [
        *allow.upstream.set,
        ("X-Accel-Expires", str(seconds)),
        ("Cache-Control", f"private, max-age={seconds}"),
    ]


def write_exchange(allow: Allow, seconds: int) -> tuple[list[tuple[str, str]], bytes]:
    """Fields and body of an `/exchange` answer (the shape of RFC 6749 §5.1)."""
    body = {"token_type": "Bearer", "access_token": allow.token.jwt, "expires_in": seconds}
    fields = [
        ("Content-Type", "application/json"),
        ("X-Accel-Expires", str(seconds)),
        ("Cache-Control", f"private, max-age={seconds}"),
    ]
    return fields, json.dumps(body).encode("ascii")
