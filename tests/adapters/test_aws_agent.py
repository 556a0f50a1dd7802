"""The agent's requests as AWS sends them. That the agent is the same through them is shown by its own tests."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import event_of
from lambdas import sample
from phantomgate.adapters.agent_http import MAX_BODY
from phantomgate.adapters.aws_agent import Form, read_agent_event, size_of_fields, write_agent_reply
from phantomgate.adapters.aws_events import UnknownEvent
from phantomgate.agent.model import AgentReply, AgentRequest
from phantomgate.core.model import Headers

FIELDS = [("Origin", "https://app.example"), ("Cookie", "a=1; b=2"), ("Content-Type", "application/json")]
REQUEST = AgentRequest("POST", "/oauth-agent/refresh", Headers.of(FIELDS), b'{"a":1}', "203.0.113.9")
REPLY = AgentReply(200, b"{}", ("a=1; Secure", "b=2, 3; Secure"), (("Vary", "Origin"), ("Cache-Control", "no-store")))


def rest(**changes):
    return {**event_of(REQUEST, Form.LISTS), **changes}


def http(**changes):
    return {**event_of(REQUEST, Form.COOKIES), **changes}


@pytest.mark.parametrize("form", Form)
def test_a_request_is_the_one_that_was_sent(form):
    request, answered = read_agent_event(event_of(REQUEST, form))

    assert (form, "POST", "/oauth-agent/refresh", b'{"a":1}', "203.0.113.9", None) == (
        answered,
        request.method,
        request.path,
        request.body,
        request.peer,
        request.problem,
    )
    for name in (b"origin", b"cookie", b"content-type"):
        assert REQUEST.headers.all(name) == request.headers.all(name)


@pytest.mark.parametrize(
    ("event", "form"),
    [
        (rest(version="1.0"), Form.LISTS),
        (sample("function_url_bearer_none_auth", rawPath="/oauth-agent/refresh"), Form.COOKIES),
        (sample("alb_multivalue", path="/oauth-agent/refresh"), Form.LISTS),
        (http(rawPath="/prod/oauth-agent/refresh"), Form.COOKIES),
        (rest(path="/auth/v1/oauth-agent/refresh"), Form.LISTS),
    ],
    ids=["payload 1.0", "Function URL", "load balancer", "a named stage", "a domain's mapping"],
)
def test_whoever_asks_the_path_is_that_of_the_agent(event, form):
    request, answered = read_agent_event(event)

    assert ("/oauth-agent/refresh", form) == (request.path, answered)


@pytest.mark.parametrize(
    "path", ["/oauth-agent", "/oauth-agentx/refresh", "/../oauth-agent/refresh", "/a%2f/oauth-agent/refresh", "/", ""]
)
def test_no_other_path_becomes_one_of_the_agent(path):
    for event in (rest(path=path), http(rawPath=path)):
        assert path == read_agent_event(event)[0].path


def test_a_request_has_every_field_that_came_and_cookies_are_parted_as_browsers_part_them():
    twice = rest(multiValueHeaders={"Origin": ["https://app.example", "https://evil.example"]})
    assert 2 == len(read_agent_event(twice)[0].headers.all(b"origin"))
    cookies = http(cookies=["a=1", "b=2"])
    assert [b"a=1; b=2"] == read_agent_event(cookies)[0].headers.all(b"cookie")


@pytest.mark.parametrize("field", ["a=1; b=2", "a=1;b=2"])
def test_cookies_that_a_function_url_gives_in_both_places_came_once(field):
    url = {**http()["requestContext"], "domainName": "abc.lambda-url.eu-west-1.on.aws"}
    event = http(headers={"cookie": field}, cookies=["a=1", "b=2"], requestContext=url)

    assert [field.encode()] == read_agent_event(event)[0].headers.all(b"cookie")


@pytest.mark.parametrize(
    "cookies", [["a=1"], ["b=2", "a=1"], ["a=1", "b=2", "b=2"], ["a=1", "b=3"], ["a=1; b=2", "c=3"]]
)
def test_cookies_that_differ_between_both_places_all_came(cookies):
    url = {**http()["requestContext"], "domainName": "abc.lambda-url.eu-west-1.on.aws"}
    event = http(headers={"cookie": "a=1; b=2"}, cookies=cookies, requestContext=url)

    assert [b"a=1; b=2", "; ".join(cookies).encode()] == read_agent_event(event)[0].headers.all(b"cookie")


def test_a_body_in_base64_is_what_it_stands_for():
    for event in (rest(), http()):
        for text, body in (("YT1i", b"a=b"), ("", b"")):
            assert body == read_agent_event({**event, "body": text, "isBase64Encoded": True})[0].body
        assert b"" == read_agent_event({**event, "body": None})[0].body


@pytest.mark.parametrize(
    "changes",
    [
        {"body": "not base64!", "isBase64Encoded": True},
        {"body": "a" * (MAX_BODY + 1)},
        {"body": "a" * (MAX_BODY * 3), "isBase64Encoded": True},
        {"body": b64encode(b"a" * (MAX_BODY + 1)).decode(), "isBase64Encoded": True},
        {"body": {"a": 1}},
        {"body": "\ud800"},
        {"headers": "none"},
        {"headers": {"origin": 1}},
        {"multiValueHeaders": {"origin": "https://app.example"}},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_what_cant_be_read_is_a_request_with_a_problem(changes):
    for event in (rest(**changes), http(**changes)):
        request, _ = read_agent_event(event)
        assert ("malformed_request", b"") == (request.problem.reason.label, request.body)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"requestContext": None},
        {"requestContext": {}},
        {"requestContext": {}, "version": "2.0"},
        {**rest(), "version": "3.0"},
        sample("rest_request"),
        sample("rest_token"),
        sample("http_v2"),
        sample("http_v1"),
        sample("appsync"),
        sample("iot_http"),
        sample("vpc_lattice_v2"),
        sample("lambda_edge_viewer_request"),
        sample("alb"),
    ],
    ids=lambda event: str(event)[:40],
)
def test_what_is_no_request_to_an_agent_is_refused_and_its_values_are_not_told(event):
    with pytest.raises(UnknownEvent) as no:
        read_agent_event(event)
    assert "_0XBPWQQ" not in str(no.value)


def test_a_load_balancer_that_takes_one_cookie_of_several_is_told_how_to_take_them():
    with pytest.raises(UnknownEvent, match="multi value headers"):
        read_agent_event(sample("alb"))


def test_each_cookie_of_an_answer_stays_one():
    lists, cookies = write_agent_reply(REPLY, Form.LISTS), write_agent_reply(REPLY, Form.COOKIES)

    assert list(REPLY.cookies) == lists["multiValueHeaders"]["Set-Cookie"] == cookies["cookies"]
    assert "Set-Cookie" not in cookies["headers"]
    assert (200, "{}", False) == (lists["statusCode"], lists["body"], lists["isBase64Encoded"])
    assert ("Origin", "application/json", "nosniff") == tuple(
        cookies["headers"][name] for name in ("Vary", "Content-Type", "X-Content-Type-Options")
    )


def test_an_answer_without_body_or_cookies_has_no_field_of_them():
    for form in Form:
        said = json.dumps(write_agent_reply(AgentReply(204), form))
        assert "Content-Type" not in said
        assert "ookie" not in said


def test_the_size_of_an_answers_fields_is_what_goes_over_the_wire():
    wire = "Vary: Origin\r\nCache-Control: no-store\r\nContent-Type: application/json\r\n"
    wire += "X-Content-Type-Options: nosniff\r\nSet-Cookie: a=1; Secure\r\nSet-Cookie: b=2, 3; Secure\r\n"

    assert len(wire) == size_of_fields(REPLY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("version", "rawPath", "path", "httpMethod", "headers", "multiValueHeaders", "cookies", "body", "requestContext")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*KEYS, "isBase64Encoded", "type"), JSON)), st.booleans())
def test_whatever_comes_is_a_request_or_unknown(event, whole):
    try:
        request, _ = read_agent_event({**(http() if whole else {}), **event})
    except UnknownEvent:
        return
    assert isinstance(request.path, str)
    assert isinstance(request.body, bytes)
    assert len(request.body) <= MAX_BODY
