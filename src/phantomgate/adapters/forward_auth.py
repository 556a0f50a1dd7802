"""Forward-auth: nginx, Traefik, Caddy, HAProxy, Envoy and whoever else asks "may this request pass?" over HTTP.

Rule: which request is judged comes from one family of fields, set by a peer we trust, or from the path we were asked
on; never from a mixture, and never from what a client could have added to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

from phantomgate.adapters.hops import check_hops
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Headers, Request

Read: TypeAlias = Callable[[bytes, bytes, Headers, bool, str], Request]
"""(method, target below the endpoint, headers, whether the peer is trusted, peer) -> the request to be judged."""

_ORIGINAL = (b"x-original-method", b"x-original-uri", b"x-original-host", b"x-original-proto")
_FORWARDED = (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host", b"x-forwarded-proto")
_NAMING = (*_ORIGINAL[:2], *_FORWARDED[:2])


def read_decide(source: str) -> Read:
    """Reads the judged request of a `/decide` call by *source*: auto, forwarded, original or path.

    What can't be read comes back as a request whose `problem` is its refusal: two families, half a family, a repeated
    field, a `Connection` that names more than fields of one hop, an upgrade to h2c. Fields of an untrusted peer are
    not looked at.
    """
    if source == "path":
        return _read_path
    if source == "original":
        return _family(_ORIGINAL)
    if source == "forwarded":
        return _family(_FORWARDED)
    original, forwarded = _family(_ORIGINAL), _family(_FORWARDED)

    def read(method: bytes, target: bytes, headers: Headers, trusted: bool, peer: str) -> Request:
        fields = headers.fields
        found = []
        if trusted and (b"x-original-uri" in fields or b"x-original-method" in fields):
            found.append(original)
        if trusted and (b"x-forwarded-uri" in fields or b"x-forwarded-method" in fields):
            found.append(forwarded)
        if target.startswith(b"/") or not found:
            found.append(_read_path)
        if len(found) > 1:
            return _unreadable(headers, peer, "more than one of X-Original-*, X-Forwarded-* and a path below /decide")
        return found[0](method, target, headers, trusted, peer)

    return read


def read_exchange(source: str) -> Read:
    """Reads an `/exchange` call: judged by the same fields when they are sent, and by `[policy]` alone when not."""
    decide = read_decide("auto" if source == "path" else source)

    def read(method: bytes, target: bytes, headers: Headers, trusted: bool, peer: str) -> Request:  # noqa: ARG001
        if trusted and any(name in headers.fields for name in _NAMING):
            return decide(method, b"", headers, trusted, peer)
        request = Request(method.decode("latin-1"), "", headers, peer=peer, routed=False)
        return _checked(request, trusted)

    return read


def _read_path(method: bytes, target: bytes, headers: Headers, trusted: bool, peer: str) -> Request:
    path, _, query = target.decode("latin-1").partition("?")
    return _checked(Request(method.decode("latin-1"), path, headers, query, peer), trusted)


def _family(names: tuple[bytes, bytes, bytes, bytes]) -> Read:
    """Reads the four fields of one family, from a peer that is trusted to set them."""
    method_name, uri_name, host_name, scheme_name = names

    def read(method: bytes, target: bytes, headers: Headers, trusted: bool, peer: str) -> Request:  # noqa: ARG001
        fields = headers.fields
        asked = fields.get(method_name)
        uri = fields.get(uri_name)
        if not asked or uri is None or not trusted:
            why = "is missing, empty, or not from a trusted peer"
            return _unreadable(headers, peer, f"{method_name.decode()} or {uri_name.decode()} {why}")
        if headers.repeated:
            for name in names:
                if name in headers.repeated:
                    return _unreadable(headers, peer, f"{name.decode()} came more than once")
        path, _, query = uri.decode("latin-1").partition("?")
        request = Request(asked.decode("latin-1"), path, headers, query, peer)
        if host_name in fields:
            request.host = fields[host_name].decode("latin-1")
        if scheme_name in fields:
            request.scheme = fields[scheme_name].decode("latin-1")
        if b"connection" in fields or b"upgrade" in fields:
            check_hops(request)
        return request

    return read


def _checked(request: Request, trusted: bool) -> Request:
    fields = request.headers.fields
    if b"connection" in fields or b"upgrade" in fields:
        check_hops(request)
    if not trusted and any(name in fields for name in (*_ORIGINAL, *_FORWARDED)):
        request.note = "X-Forwarded-* or X-Original-* of an untrusted peer ignored"
    return request


def _unreadable(headers: Headers, peer: str, why: str) -> Request:
    return Request("", "", headers, peer=peer, problem=Refused(Reason.MALFORMED_REQUEST, why))


def write_allow(allow: Allow, seconds: int, headers: Headers) -> list[tuple[str, str]]:
    """The fields of a 200: what goes upstream, what the client gets, and for how many *seconds* it may be remembered.

    *headers* are those of the request: `Cookie` is what is left of its cookies, for the gateway to set, empty or not.
    """
    left = allow.upstream.cookies
    cookie = [] if left is None else [("Cookie", left(headers).decode("latin-1"))]
    return [*allow.upstream.set, *cookie, *allow.client, *write_memory(seconds, of_table=allow.route.of_table)]


def write_memory(seconds: int, *, of_table: bool) -> list[tuple[str, str]]:
    """How a gateway may remember an answer: for *seconds*, and not by the token alone where the table had a say.

    nginx 1.22 obeys the first of X-Accel-Expires and Cache-Control that it reads, so ours for it comes first. `Vary: *`
    is RFC 9110 §12.5.5.
    """
    fields = [("X-Accel-Expires", str(seconds)), ("Cache-Control", f"private, max-age={seconds}")]
    return [*fields, ("Vary", "*")] if of_table else fields


def write_exchange(allow: Allow, seconds: int) -> tuple[list[tuple[str, str]], bytes]:
    """Fields and body of an `/exchange` answer (the shape of RFC 6749 §5.1)."""
    body = {"token_type": "Bearer", "access_token": allow.upstream.jwt, "expires_in": seconds}
    fields = [("Content-Type", "application/json"), *write_memory(seconds, of_table=False)]
    return fields, json.dumps(body).encode("ascii")
