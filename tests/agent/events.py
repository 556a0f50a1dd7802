"""Requests to the agent as AWS sends them, and answers as it takes them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from phantomgate.adapters.aws_agent import Form, read_agent_event, write_agent_reply
from phantomgate.agent.agent import Agent
from phantomgate.agent.model import AgentReply, AgentRequest


def event_of(request: AgentRequest, form: Form) -> dict[str, Any]:
    """*request* as a REST API sends it (LISTS), or an HTTP API with payload 2.0 (COOKIES).

    Bodies that are no JSON come in base64: from HTTP APIs always, from REST APIs when they are called binary.
    """
    fields: dict[str, list[str]] = {}
    for name, value in request.headers:
        fields.setdefault(name.decode(), []).append(value.decode())
    base64 = bool(request.body) and request.headers.all(b"content-type") != [b"application/json"]
    text = b64encode(request.body).decode() if base64 else request.body.decode()
    event: dict[str, Any] = {"body": text or None, "isBase64Encoded": base64}
    if form is Form.LISTS:
        context = {"stage": "prod", "identity": {"sourceIp": request.peer}, "resourcePath": "/oauth-agent/{proxy+}"}
        titled = {name.title(): values for name, values in fields.items()}  # as HTTP/1.1 clients write them
        headers = {"headers": {name: values[-1] for name, values in titled.items()}, "multiValueHeaders": titled}
        return {**event, **headers, "httpMethod": request.method, "path": request.path, "requestContext": context}
    cookies = "; ".join(fields.pop("cookie", []))
    http = {"method": request.method, "path": request.path, "sourceIp": request.peer}
    return {
        **event,
        "version": "2.0",
        "routeKey": "ANY /oauth-agent/{proxy+}",
        "rawPath": request.path,
        "headers": {name: ",".join(values) for name, values in fields.items()},
        "requestContext": {"stage": "$default", "http": http},
        **({"cookies": cookies.split("; ")} if cookies else {}),
    }


def reply_of(said: dict[str, Any], form: Form) -> AgentReply:
    """What a browser gets of the answer *said*."""
    if form is Form.COOKIES:
        fields, cookies = list(said["headers"].items()), said.get("cookies", [])
    else:
        lists = dict(said["multiValueHeaders"])
        cookies = lists.pop("Set-Cookie", [])
        fields = [(name, value) for name, values in lists.items() for value in values]
    ours = ("Content-Type", "X-Content-Type-Options")
    fields = [(name, value) for name, value in fields if name not in ours]
    return AgentReply(said["statusCode"], said["body"].encode(), tuple(cookies), tuple(fields))


def through(form: Form, agent: Agent, request: AgentRequest, drive: Callable[..., Any]) -> AgentReply:
    """The agent's reply to *request*, both having gone through Lambda in *form*; what only its log knows is kept."""
    event = json.loads(json.dumps(event_of(request, form)))
    read, answered = read_agent_event(event)
    assert form is answered
    reply: AgentReply = drive(agent.handle(read))
    got = reply_of(json.loads(json.dumps(write_agent_reply(reply, form))), form)
    return replace(got, code=reply.code, detail=reply.detail, note=reply.note, cause=reply.cause)
