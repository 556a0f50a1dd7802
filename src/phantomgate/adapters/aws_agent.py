"""The OAuth agent behind API Gateway, a Function URL or a load balancer: their events, and the answers that they take.

Rule: as `agent_asgi`: fields stay apart as they came, and a body is bounded. What AWS puts before `/oauth-agent/` (a
stage, or what a domain maps) is no part of the path. A caller that can't be given several cookies is no caller.
"""

from __future__ import annotations

from binascii import Error, a2b_base64
from collections.abc import Mapping
from enum import Enum
from typing import Any

from phantomgate.adapters.agent_http import MAX_BODY, fields_of, too_long
from phantomgate.adapters.aws_events import BEFORE_THE_PATH, UnknownEvent
from phantomgate.adapters.aws_fields import read_fields
from phantomgate.agent.model import AgentReply, AgentRequest
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers
from phantomgate.session.cookies import AGENT_PATH

LONGEST_FIELDS = 10_240
"""Bytes of all fields that API Gateway passes on, names and line ends with them."""


class Form(Enum):
    """How fields that come several times are written."""

    LISTS = "multiValueHeaders"
    """REST APIs, payload 1.0, and load balancers that are told to."""
    COOKIES = "cookies"
    """Payload 2.0: HTTP APIs and Function URLs."""


def read_agent_event(event: object) -> tuple[AgentRequest, Form]:
    """The request in *event*, and the form of its answer. Raises UnknownEvent."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(context, dict) or "type" in event:
        raise UnknownEvent(_unknown(event))
    http, identity = context.get("http"), context.get("identity")
    if event.get("version") == "2.0" and isinstance(http, dict):
        method, path, peer, form = http.get("method"), event.get("rawPath"), http.get("sourceIp"), Form.COOKIES
    elif isinstance(event.get("httpMethod"), str) and event.get("version", "1.0") == "1.0":
        if "elb" in context and "multiValueHeaders" not in event:
            raise UnknownEvent("a load balancer's, which takes one cookie of several; turn on its multi value headers")
        peer = identity.get("sourceIp") if isinstance(identity, dict) else ""
        method, path, form = event["httpMethod"], event.get("path"), Form.LISTS
    else:
        raise UnknownEvent(_unknown(event))
    return _request(event, str(method), str(path), str(peer or "")), form


def _unknown(event: object) -> str:
    if not isinstance(event, dict):
        return f"the event is a {type(event).__name__}, want an object"
    return f"no request to an agent; its keys are {', '.join(sorted(map(repr, event)))}"


def _request(event: Mapping[str, Any], method: str, path: str, peer: str) -> AgentRequest:
    before, found, below = path.partition(f"{AGENT_PATH}/")
    if found and BEFORE_THE_PATH.fullmatch(before):
        path = found + below
    try:
        return AgentRequest(method, path, read_fields(event), _body(event), peer)
    except Refused as no:
        return AgentRequest(method, path, _fields(event), b"", peer, no)


def _fields(event: Mapping[str, Any]) -> Headers:
    """The fields, for the Origin of the answer; none where they are what can't be read."""
    try:
        return read_fields(event)
    except Refused:
        return Headers()


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Refused(Reason.MALFORMED_REQUEST, f"a body that is a {type(body).__name__}, want text")
    if len(body) > 2 * MAX_BODY:  # in base64, it takes less than that
        raise too_long()
    try:
        data = a2b_base64(body, strict_mode=True) if event.get("isBase64Encoded") is True else body.encode()
    except (Error, UnicodeError):
        raise Refused(Reason.MALFORMED_REQUEST, "a body that is no base64, or no text") from None
    if len(data) > MAX_BODY:
        raise too_long()
    return data


def write_agent_reply(reply: AgentReply, form: Form) -> dict[str, Any]:
    """*reply*, as the one that asked in *form* takes it."""
    said: dict[str, Any] = {"statusCode": reply.status, "body": reply.body.decode("ascii"), "isBase64Encoded": False}
    fields: dict[str, list[str]] = {}
    for name, value in fields_of(reply):
        fields.setdefault(name, []).append(value)
    if form is Form.COOKIES:
        return {**said, "headers": {name: ", ".join(values) for name, values in fields.items()}, **_cookies(reply)}
    return {**said, "multiValueHeaders": {**fields, **({"Set-Cookie": list(reply.cookies)} if reply.cookies else {})}}


def _cookies(reply: AgentReply) -> dict[str, list[str]]:
    return {"cookies": list(reply.cookies)} if reply.cookies else {}


def size_of_fields(reply: AgentReply) -> int:
    """What the fields of *reply* take, by `LONGEST_FIELDS`."""
    fields = [*fields_of(reply), *(("Set-Cookie", cookie) for cookie in reply.cookies)]
    return sum(len(name) + len(value) + 4 for name, value in fields)
