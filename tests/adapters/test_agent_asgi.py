"""The agent as ASGI 3 sees it."""

from __future__ import annotations

import asyncio

import pytest

from phantomgate.adapters.agent_asgi import MAX_BODY, agent_asgi
from phantomgate.agent.model import AgentReply


class Seen:
    def __init__(self, reply=None):
        self.reply = reply or AgentReply(200, b"{}", ("a=1", "b=2"), (("Cache-Control", "no-store"),))
        self.requests = []
        self.sent = []

    async def handle(self, request):
        self.requests.append(request)
        return self.reply

    def ask(self, *messages, **scope):
        waiting = list(messages or [{"type": "http.request", "body": b""}])

        async def receive():
            return waiting.pop(0)

        async def send(message):
            self.sent.append(message)

        full = {"type": "http", "method": "POST", "path": "/oauth-agent/refresh", "headers": [], **scope}
        asyncio.run(agent_asgi(self.handle)(full, receive, send))
        return self

    @property
    def fields(self):
        return self.sent[0]["headers"]


def part(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_parts_is_one_body():
    assert b"abc" == Seen().ask(part(b"a", more=True), part(b"", more=True), part(b"bc")).requests[0].body


def test_a_body_is_read_to_its_bound_and_no_further():
    seen = Seen().ask(part(b"a" * MAX_BODY, more=True), part(b"a", more=True))

    assert (b"", "malformed_request") == (seen.requests[0].body, seen.requests[0].problem.reason.label)


def test_nobody_is_asked_for_a_client_that_has_gone():
    seen = Seen().ask(part(b"a", more=True), {"type": "http.disconnect"})

    assert ([], []) == (seen.requests, seen.sent)


def test_header_fields_stay_apart_and_names_are_lower():
    seen = Seen().ask(headers=[(b"Cookie", b"a=1"), (b"cookie", b"b=2"), (b"origin", b"x")], client=("10.0.0.1", 1))
    request = seen.requests[0]

    assert [b"a=1", b"b=2"] == request.headers.all(b"cookie")
    assert (b"x", "10.0.0.1") == (request.headers.one(b"origin"), request.peer)


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/oauth-agent/refresh", ""),
        ("/oauth-agent/refresh", "/oauth-agent"),  # ASGI, and Starlette since 0.33
        ("/refresh", "/oauth-agent"),  # frameworks of before
    ],
)
def test_the_path_is_that_of_the_whole_url_wherever_it_is_mounted(path, root):
    assert "/oauth-agent/refresh" == Seen().ask(path=path, root_path=root).requests[0].path


def test_each_cookie_is_a_field_of_its_own():
    seen = Seen().ask()

    assert [b"a=1", b"b=2"] == [value for name, value in seen.fields if name == b"set-cookie"]
    assert {(b"content-type", b"application/json"), (b"content-length", b"2"), (b"cache-control", b"no-store")} <= set(
        seen.fields
    )


def test_an_answer_without_a_body_says_nothing_of_one():
    names = {name for name, _ in Seen(AgentReply(204)).ask().fields}

    assert not names & {b"content-length", b"content-type"}


def test_other_scopes_are_not_ours():
    with pytest.raises(ValueError, match="websocket"):
        Seen().ask(type="websocket")
