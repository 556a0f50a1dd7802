"""The contract's cases of HTTP/2, frame by frame: what HTTP/1.1 has no words for, or other ones, reaches no API."""

from __future__ import annotations

import pytest

from interop.http2 import raw_2
from interop.test_contract import arrived, backs, binary, over_http2, started, world

__all__ = ["backs", "binary", "over_http2", "started", "world"]

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_over_http2_trace_and_connect_reach_no_api(world, over_http2, method):
    token = ("authorization", f"Bearer {world.token()}")
    where = [(":scheme", "http"), (":path", "/orders")] if method == "TRACE" else []
    fields = [(":method", method), (":authority", "api.example:80"), *where, token]
    assert raw_2(int(over_http2.rpartition(":")[2]), *fields) not in range(200, 400)
    assert [] == world.api.requests


INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nX-User: admin\r\n\r\n"
PLAIN = {":method": "POST", ":scheme": "http", ":authority": "api.example", ":path": "/orders"}
MISREAD = {
    "a path with a line": {":path": "/orders HTTP/1.1\r\nX-User: admin\r\nX: "},
    "a path with a space": {":path": "/orders /admin"},
    "a path with a fragment": {":path": "/orders#/../admin"},
    "a path that is a URL": {":path": "http://api.example/admin"},
    "a path without a slash": {":path": "admin"},
    "no path": {":path": ""},
    "a method with a line": {":method": "GET /admin HTTP/1.1\r\nX-User: admin\r\n\r\nGET"},
    "a method with a space": {":method": "GET /admin"},
    "an authority with a line": {":authority": "a\r\nX-User: admin"},
    "an authority with a path": {":authority": "a/admin?"},
    "another host": {"host": "b.example"},
    "a scheme with a line": {":scheme": "http://a/admin HTTP/1.1\r\nX-User: admin\r\nX:"},
    "a scheme with a path": {":scheme": "http://a/admin?"},
    "a protocol": {":method": "CONNECT", ":protocol": "websocket"},
    "an unknown pseudo-header": {":x-user": "admin"},
    "a name in capitals": {"X-User": "admin"},
    "a name with a space": {"x-user ": "admin"},
    "a name with a line": {"x-a: b\r\nx-user": "admin"},
    "a value with a line": {"x-a": "b\r\nx-user: admin"},
    "a value with half a line": {"x-a": "b\nx-user: admin"},
    "fields to drop": {"connection": "x-user, authorization"},
    "an upgrade": {"connection": "upgrade", "upgrade": "h2c"},
    "a transfer-encoding": {"transfer-encoding": "chunked"},
    "a length that is too short": {"content-length": "1"},
    "a length of nothing": {"content-length": "0"},
    "a length that is none": {"content-length": "+4"},
}


@pytest.mark.parametrize("case", MISREAD)
def test_over_http2_nothing_is_read_as_another_request(world, over_http2, case):
    """What HTTP/1.1 has no words for, or other ones, must not reach an API that speaks it (RFC 9113 section 10.3)."""
    fields = PLAIN | MISREAD[case] | {"authorization": f"Bearer {world.token()}"}
    raw_2(int(over_http2.rpartition(":")[2]), *fields.items(), data=b"0\r\n\r\n" + INNER)
    assert 1 >= len(world.api.requests)
    for _, path, *_ in world.api.requests:
        assert {"/orders": "ann"} == {path: arrived(world.api)["x-user"]}
        assert not world.api.contains("admin")


def test_over_http2_a_trailer_is_no_credential(world, over_http2):
    port, token = int(over_http2.rpartition(":")[2]), world.token()
    trailers = [("authorization", f"Bearer {token}"), ("x-user", "admin")]
    assert raw_2(port, *PLAIN.items(), data=b"x", trailers=trailers) in (0, 401)  # some take no trailers
    assert [] == world.api.requests
    raw_2(port, *PLAIN.items(), ("authorization", f"Bearer {token}"), data=b"x", trailers=trailers)
    assert not world.api.contains("admin")
