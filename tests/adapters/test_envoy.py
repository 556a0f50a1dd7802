"""CheckRequests in, CheckResponses out: byte for byte what Envoy's own messages are, and nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.adapters import envoy
from phantomgate.adapters.protobuf import Malformed, bytes_field, number_field, read_fields, read_one, varint
from phantomgate.core.errors import Reason
from phantomgate.core.model import Allow, Answer, HeaderChange, Headers, Refuse, Route, Token

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "envoy.json").read_text())
"""Messages as protobuf makes them of Envoy's full definitions: tests/vectors/envoy_messages.py."""
TOKEN = Token("a.b.c", {"sub": "ann", "n": 1, "f": 1.5, "ok": True, "z": None, "l": ["x", {"y": "z"}]},
              frozenset(), 2e9, 1e9, "main")  # fmt: skip
OWNED = frozenset(("authorization", "x-user", "x-tenant", "x-http-method-override"))
CHANGE = HeaderChange((("Authorization", "Bearer a.b.c"), ("X-User", "ann"), ("X-Tenant", "")), OWNED)


def http(*parts):
    return bytes_field(1, bytes_field(4, bytes_field(2, b"".join(parts))))


def named(name, value):
    return bytes_field(3, bytes_field(1, name) + bytes_field(2, value))


def raw(*pairs):
    return bytes_field(13, b"".join(bytes_field(1, bytes_field(1, a) + bytes_field(3, b)) for a, b in pairs))


GET = bytes_field(2, "GET") + bytes_field(4, "/a?b=c")


@pytest.mark.parametrize("name", ["map", "raw"])
def test_a_whole_check_request_of_envoy_is_read(name):
    request = envoy.read_check(bytes.fromhex(VECTORS["requests"][name]), "127.0.0.1")
    assert request.problem is None
    assert ("POST", "/orders/17", "page=2", "api.example", "https", "127.0.0.1") == (
        request.method, request.path, request.query, request.host, request.scheme, request.peer,
    )  # fmt: skip
    twice = [b"one", b"two"] if name == "raw" else [b"one,two"]
    expected = {b"authorization": [b"Bearer opaque"], b"x-twice": twice, b"x-mine": [b"kept"]}
    assert expected == {found: request.headers.all(found) for found in request.headers.fields}


def responses():
    headers = Headers.of([("authorization", "Bearer opaque"), ("x_user", "forged"), ("x-http-method-override", "PUT"),
                          ("x-real-ip", "1"), ("x_forwarded_for", "1"), ("x-forwarded-for", "2"),
                          ("x-mine", "kept")])  # fmt: skip
    allow = Allow(TOKEN, Route("all"), CHANGE, (("Vary", "Origin"),))
    made = envoy.write_upstream(CHANGE), envoy.write_metadata(allow)
    return {
        "allow": envoy.write_allow(allow, headers, *made),
        "refuse": envoy.write_refuse(Refuse(Reason.INVALID_TOKEN, "id-1"), "api"),
        "answer": envoy.write_answer(Answer(204, (("Access-Control-Max-Age", "60"),))),
    }


@pytest.mark.parametrize("name", ["allow", "refuse", "answer"])
def test_a_check_response_says_what_envoy_s_own_message_would(name):
    assert VECTORS["responses"][name] == responses()[name].hex()


def test_what_is_left_of_the_cookies_goes_upstream_or_none_at_all():
    for left in (b"theme=dark", b""):
        change = HeaderChange((("Authorization", "Bearer a.b.c"),), OWNED, cookies=lambda headers, left=left: left)
        said = envoy.write_allow(Allow(TOKEN, Route("all"), change), Headers.of([("cookie", "a=b")]), b"", b"")
        fields = list(read_fields(read_one(said, 3)))
        assert ([5] if not left else [2]) == [number for number, _ in fields]
        assert left in fields[0][1]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no method"),
        (http(bytes_field(2, "GET")), "no method or path"),
        (http(bytes_field(4, "/a")), "no method or path"),
        (http(GET, bytes_field(4, "/b")), "twice"),
        (http(GET, named("a", "b"), raw(("c", "d"))), "two ways"),
        (http(GET) + http(GET), "twice"),
        (http(GET)[:-1], "ends within"),
        (b"\xff" * 11, "64 bits"),
        (b"\x0b", "wire type 3"),
        (b"\x02\x00", "number 0"),
        (b"\x09\x00", "ends within a number"),
        (b"\x0a", "ends within a number"),
    ],
)
def test_what_is_no_check_request_is_refused(data, why):
    request = envoy.read_check(data, "127.0.0.1")
    assert Reason.MALFORMED_REQUEST is request.problem.reason
    assert "CheckRequest" in request.problem.detail
    assert why in request.problem.detail or why == "ends within a number"


@pytest.mark.parametrize("part", [raw(("connection", "x-user")), raw(("upgrade", "h2c"))])
def test_tricks_of_one_hop_are_seen(part):
    assert envoy.read_check(http(GET, part), "x").problem is not None


def test_what_a_newer_envoy_puts_into_a_header_map_is_no_field():
    pair = bytes_field(1, "authorization") + bytes_field(3, "Bearer other")
    newer = bytes_field(13, bytes_field(2, pair) + bytes_field(1, bytes_field(1, "x") + bytes_field(3, "1")))
    request = envoy.read_check(http(bytes_field(2, "GET"), bytes_field(4, "/"), newer), "")
    assert ({b"x": b"1"}, None) == (request.headers.fields, request.problem)


def test_a_field_that_comes_twice_is_two_fields():
    request = envoy.read_check(http(GET, raw(("authorization", "a"), ("authorization", "b"))), "x")
    assert [b"a", b"b"] == request.headers.all(b"authorization")


WHENCE = (
    "forwarded", "x-real-ip", "x-original-host", "x-original-proto", "x-forwarded-client-cert", "x-forwarded-host",
    "x-forwarded-method", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-scheme", "x-forwarded-server",
    "x-forwarded-ssl", "x-forwarded-uri", "x-forwarded-user",
)  # fmt: skip


@pytest.mark.parametrize("name", [*WHENCE, "x_forwarded_for", "x_forwarded_proto", "x.forwarded.proto"])
def test_what_a_client_says_of_where_a_request_came_from_goes_no_further(name):
    headers = Headers.of([(name, "1"), ("x-forwarded-for", "2"), ("x-forwarded-proto", "https"), ("accept", "*/*")])
    said = envoy.write_allow(Allow(TOKEN, Route("r"), CHANGE), headers, b"", b"")
    assert [name.encode()] == [value for number, value in read_fields(read_one(said, 3)) if number == 5]


@given(st.binary(max_size=200))
def test_whatever_is_sent_is_a_request_or_its_refusal(data):
    request = envoy.read_check(http(data), "x")
    assert request.problem is not None or (request.method and request.path)


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.binary(max_size=300))), st.integers(0, 2**64 - 1))
def test_fields_are_read_as_they_were_written(fields, number):
    data = b"".join(bytes_field(place, value) + number_field(7, number) for place, value in fields)
    assert fields == list(read_fields(data))
    assert len(varint(number)) <= 10


def test_a_message_that_comes_twice_is_malformed():
    with pytest.raises(Malformed):
        read_one(bytes_field(1, b"a") + bytes_field(1, b"b"), 1)
