"""A Function URL, or a Lambda target of a load balancer: `/decide` and `/exchange` over HTTP, and `/` as the Node
authorizer behind a Function URL answers it.

Rule: forwarded fields are believed only from a caller that AWS IAM has identified. Then `Authorization` is AWS's own
signature, and the token is the form field `token`.
"""

from __future__ import annotations

import hmac
from binascii import Error, a2b_base64
from collections.abc import Iterable, Mapping
from typing import Any

from phantomgate.adapters.aws_fields import of_url, read_fields, read_query
from phantomgate.adapters.forward_auth import read_decide, read_exchange, write_allow, write_exchange
from phantomgate.adapters.refusal import write_refusal
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Headers, Refuse, Request
from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.form import form_pairs

SECRET_FIELD = b"x-phantomgate-secret"
_PHRASES = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not \
Allowed", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}  # fmt: skip
_METHODS = {"exchange": ("GET", "POST"), "root": ("GET", "POST")}
_SEED_ERRORS = {
    Reason.MISSING_CREDENTIAL: "missing_or_malformed_authorization",
    Reason.MALFORMED_REQUEST: "missing_or_malformed_authorization",
}


class HttpAsked(NamedTuple):
    """One HTTP request. `kind` says how to answer: "decide", "exchange", "root", or "" for a path we don't have."""

    kind: str
    method: str
    request: Request
    identified: bool
    """Whether AWS IAM has identified the caller."""
    of_url: bool
    """A Function URL, and not a load balancer."""
    several: bool
    """Whether the load balancer wants every field as a list."""


def read_http(event: object, source: str) -> HttpAsked | None:
    """The request in *event*, judged by *source* as on our own listener; None when it is no such event."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(context, dict) or "type" in event:
        return None
    http, elb = context.get("http"), context.get("elb")
    if isinstance(http, dict) and event.get("version") == "2.0" and of_url(event):
        method, path, peer = str(http.get("method")), event.get("rawPath"), str(http.get("sourceIp") or "")
    elif isinstance(elb, dict) and "targetGroupArn" in elb and "version" not in event:
        method, path, peer = str(event.get("httpMethod")), event.get("path"), ""
    else:
        return None
    authorizer = context.get("authorizer") if isinstance(http, dict) else None
    identified = isinstance(authorizer, dict) and isinstance(authorizer.get("iam"), dict) and bool(authorizer["iam"])
    kind, below = _kind(str(path or "/"))
    request = _request(event, (kind, source), (method, below, peer), identified)
    return HttpAsked(kind, method, request, identified, isinstance(http, dict), "multiValueHeaders" in event)


def _kind(path: str) -> tuple[str, str]:
    if path == "/decide" or path.startswith("/decide/"):
        return "decide", path.removeprefix("/decide")
    return {"/exchange": "exchange", "/": "root"}.get(path, ""), ""


def _request(event: Mapping[str, Any], how: tuple[str, str], what: tuple[str, str, str], identified: bool) -> Request:
    (kind, source), (method, below, peer) = how, what
    try:
        headers, query = read_fields(event), read_query(event)
        if identified:
            _take_token(event, headers)
        read = read_decide(source) if kind == "decide" else read_exchange(source)
        target = f"{below}?{query}" if query else below
        return read(method.encode("utf-8"), target.encode("utf-8", "replace"), headers, identified, peer)
    except Refused as no:
        return Request(method, "", Headers(), peer=peer, problem=no)


def _take_token(event: Mapping[str, Any], headers: Headers) -> None:
    """Put the token of the form in the place of AWS's own credential."""
    headers.fields.pop(b"authorization", None)
    headers.repeated.pop(b"authorization", None)
    body = event.get("body") or ""
    try:
        form = a2b_base64(body, strict_mode=True) if event.get("isBase64Encoded") is True else str(body).encode("ascii")
        tokens = [value for name, value in form_pairs(form.decode("ascii")) if name == "token"]
    except (Error, ValueError, TypeError):
        raise Refused(Reason.MALFORMED_REQUEST, "the body is no form") from None
    for token in tokens:
        headers.add(b"authorization", f"Bearer {token}".encode())


def check_secret(asked: HttpAsked, secret: str) -> None:
    """Gives the request its refusal when a caller that nobody has identified doesn't send *secret*."""
    sent = asked.request.headers.all(SECRET_FIELD)
    known = len(sent) == 1 and hmac.compare_digest(sent[0], secret.encode("utf-8"))
    if not asked.identified and not known:
        asked.request.problem = Refused(Reason.NO_ROUTE, "the caller did not send aws.shared_secret")


def write_http(
    asked: HttpAsked, decision: Allow | Refuse, seconds: int, realm: str, resource_metadata: str = ""
) -> dict[str, Any]:
    """The answer to *asked*; a gateway may remember an allowed one for *seconds*."""
    if isinstance(decision, Allow):
        if asked.kind == "decide":
            return _response(asked, 200, write_allow(decision, seconds, asked.request.headers), b"")
        return _response(asked, 200, *write_exchange(decision, seconds))
    refusal = write_refusal(decision, realm, resource_metadata=resource_metadata)
    if asked.kind == "root" and decision.reason in _SEED_ERRORS:
        body = b'{"error":"%b"}' % _SEED_ERRORS[decision.reason].encode("ascii")
        return _response(asked, 401, refusal.headers, body)
    return _response(asked, refusal.status, refusal.headers, refusal.body)


def write_plain(asked: HttpAsked) -> dict[str, Any] | None:
    """The answer to what is no decision: a path (404) or method (405) that we don't have; else None."""
    methods = _METHODS.get(asked.kind)
    if asked.kind and (methods is None or asked.method in methods):
        return None
    status, error = (405, "method_not_allowed") if asked.kind else (404, "not_found")
    fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    fields += [("Allow", ", ".join(methods))] if methods else []
    return _response(asked, status, fields, b'{"error":"%b"}' % error.encode("ascii"))


def _response(asked: HttpAsked, status: int, fields: Iterable[tuple[str, str]], body: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = {"statusCode": status, "body": body.decode("ascii"), "isBase64Encoded": False}
    if asked.of_url:
        return {**answer, "headers": dict(fields)}
    answer["statusDescription"] = f"{status} {_PHRASES[status]}"
    if asked.several:
        return {**answer, "multiValueHeaders": {name: [value] for name, value in fields}}
    return {**answer, "headers": dict(fields)}
