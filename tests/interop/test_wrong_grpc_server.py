"""Envoy with the files of `init`, and a gRPC server that is wrong: whatever that says or doesn't, nothing gets in."""

from __future__ import annotations

import pytest

from interop import echo_api, grpc_stub
from interop.asking import ask
from interop.gateways import BY_NAME, gateway
from interop.grpc_stub import DATA, GOAWAY, RST_STREAM, fields, frame, message, reply
from interop.stubbed import FAULTY, JWT, settings_file
from phantomgate.adapters import envoy
from phantomgate.core.model import Allow, HeaderChange, Headers, Route, Token

pytestmark = pytest.mark.interop

CHANGE = HeaderChange((("Authorization", JWT), ("X-User", "ann")), frozenset(("authorization", "x-user")))
ALLOWED = Allow(Token("a.b.c", {"sub": "ann"}, frozenset(), 2e9, 1e9, "main"), Route("all"), CHANGE)
MARK = envoy.write_metadata(ALLOWED)
ALLOW = envoy.write_allow(ALLOWED, Headers(), envoy.write_upstream(CHANGE), MARK)
"""What phantomgate would say."""
UNMARKED = envoy.write_allow(ALLOWED, Headers(), envoy.write_upstream(CHANGE), b"")
EMPTY = b"\x0a\x00\x1a\x00"  # status OK, and an OkHttpResponse that changes nothing
HTTP = {":status": "200", "content-type": "text/html"}
GRPC = {":status": "200", "content-type": "application/grpc"}
SAID = {
    **{f"status {code}": (lambda stream, code=code: reply(stream, ALLOW, str(code))) for code in range(1, 17)},
    "no such status": lambda stream: reply(stream, ALLOW, "99"),
    "no number for a status": lambda stream: reply(stream, ALLOW, "OK"),
    "UNIMPLEMENTED, and nothing else": lambda stream: fields(stream, GRPC | {"grpc-status": "12"}, end=True),
    "OK, and nothing else": lambda stream: fields(stream, GRPC | {"grpc-status": "0"}, end=True),
    "an empty message": lambda stream: reply(stream, b""),
    "garbage": lambda stream: reply(stream, b"\xff" * 64),
    "an allow that is cut off": lambda stream: reply(stream, ALLOW[:-5]),
    "an allow of nobody's": lambda stream: reply(stream, EMPTY),
    "an allow without our mark": lambda stream: reply(stream, UNMARKED),
    "an allow without an end": lambda stream: (
        fields(stream, GRPC) + message(stream, ALLOW) + frame(RST_STREAM, 0, stream, (2).to_bytes(4))
    ),
    "an allow without a status": lambda stream: fields(stream, GRPC) + message(stream, ALLOW, end=True),
    "half a message": lambda stream: fields(stream, GRPC) + frame(DATA, 1, stream, b"\0\0\0\x01\0abc"),
    "HTTP": lambda stream: fields(stream, HTTP) + frame(DATA, 1, stream, b"<h1>It works!</h1>"),
    "HTTP, 500": lambda stream: fields(stream, HTTP | {":status": "500"}, end=True),
    "an allow by a 404": lambda stream: reply(stream, ALLOW).replace(b"\x03200", b"\x03404"),
    "a reset": lambda stream: frame(RST_STREAM, 0, stream, (2).to_bytes(4)),
    "good-bye": lambda stream: frame(GOAWAY, 0, 0, bytes(8)) + frame(RST_STREAM, 0, stream, (7).to_bytes(4)),
    "HTTP/1.1": lambda stream: b"HTTP/1.1 200 OK\r\nAuthorization: Bearer a.b.c\r\n\r\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(stub, API, port of Envoy)."""
    binary = BY_NAME["Envoy, gRPC"]
    with grpc_stub.running() as stub, echo_api.running() as api:
        settings = settings_file(tmp_path_factory.mktemp("grpc"), stub.port, FAULTY, source=binary.source)
        with gateway(binary, settings, api.port) as front:
            yield stub, api, front.port


@pytest.fixture
def right(world):
    """The same, and the stub says what phantomgate would."""
    stub, api, port = world
    stub.says, stub.closes = lambda stream: reply(stream, ALLOW), False
    assert 200 == ask(port, token="opaque").status
    assert JWT == dict(api.requests[-1][2])["authorization"]
    api.requests.clear()
    stub.seen = 0
    return world


@pytest.mark.parametrize("name", SAID)
def test_a_wrong_answer_lets_nothing_in(right, name):
    stub, api, port = right
    stub.says = SAID[name]
    answer = ask(port, token="opaque")
    assert (True, []) == (answer.status in (403, 503), api.requests), answer
    assert 1 == stub.seen


def test_a_server_that_closes_or_hangs_lets_nothing_in(right):
    stub, api, port = right
    stub.says, stub.closes = lambda stream: b"", True
    assert (503, []) == (ask(port, token="opaque").status, api.requests)
    stub.closes = False
    assert (503, []) == (ask(port, token="opaque").status, api.requests)
