"""The contract's cases of tunnels: a WebSocket is judged, and nothing else opens one."""

from __future__ import annotations

import socket

import pytest

from interop.asking import ask
from interop.gateways import gateway
from interop.stubbed import FAULTY, JWT, settings_file
from interop.test_contract import record
from interop.test_contract_faults import api, arrived, binary, faulty, head, rest, started, websocket

__all__ = ["api", "binary", "faulty", "record", "started"]

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def tunnelling(binary, started, tmp_path_factory):
    """The same where it passes WebSockets on: itself, or a copy that was told to."""
    stub, api, _ = started
    if not binary.websocket:
        yield started
        return
    settings = settings_file(tmp_path_factory.mktemp("settings"), stub.port, FAULTY, source=binary.source)
    with gateway(binary.with_websocket(), settings, api.port) as running:
        yield stub, api, running.port


def test_a_websocket_is_judged_and_then_carries_bytes(faulty, tunnelling, binary, record):
    stub, api, port = tunnelling
    with websocket(port) as peer:
        status = head(peer)
        assert 101 == status
        peer.sendall(b"\x81\x05hello")
        with peer.makefile("rb") as heard:
            assert b"\x81\x05hello" == heard.read(7)
    assert JWT == arrived(api)["authorization"]
    api.requests.clear()
    stub.says(401)
    with websocket(port) as peer:
        assert (401, []) == (head(peer), api.requests)
    record("WebSocket", f"judged, then opens{', when it is turned on' if binary.websocket else ''}")


def test_a_websocket_that_was_not_turned_on_is_refused_and_nobody_is_asked(faulty, binary):
    stub, api, port = faulty
    if not binary.websocket:
        return
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: api.example\r\nX-User: admin\r\nConnection: close\r\n\r\n"
    with websocket(port, behind=smuggled) as peer:
        assert 501 == head(peer)
        rest(peer)
    asked = [value for _, _, fields in stub.seen for name, value in fields if name == "x-forwarded-uri"]
    assert {"/smuggled"} >= {*asked, *(path for _, path, *_ in api.requests)}
    assert len(api.requests) <= len(stub.seen)
    assert "admin" not in {dict(fields).get("x-user") for _, _, fields, _ in api.requests}


@pytest.mark.parametrize("turned_on", [False, True], ids=["as shipped", "with WebSocket"])
def test_a_method_that_a_gateway_does_not_know_is_judged_and_makes_no_tunnel(faulty, tunnelling, turned_on):
    stub, api, port = tunnelling if turned_on else faulty
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: api.example\r\nX-User: admin\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall(b"PURGE /x HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer opaque\r\n\r\n" + smuggled)
        rest(peer)
    assert [("ann", JWT)] * len(api.requests) == [
        (dict(fields).get("x-user"), dict(fields).get("authorization")) for _, _, fields, _ in api.requests
    ]
    assert len(api.requests) <= len(stub.seen)


def test_a_websocket_says_nothing_to_later_hops_that_the_client_made_up(faulty, tunnelling):
    """RFC 9110 section 7.6.1: what `Connection` names, the next hop drops."""
    _, api, port = tunnelling
    with websocket(port, more="Connection: X-User, Authorization") as peer:
        head(peer)
    for _, _, fields, _ in api.requests:
        said = {value.strip().lower() for name, text in fields if name == "connection" for value in text.split(",")}
        assert {"upgrade", "close", "keep-alive"} >= said


@pytest.mark.parametrize("at_once", [True, False], ids=["in one go", "after the answer"])
def test_what_follows_a_websocket_that_the_api_declined_is_judged_too(faulty, tunnelling, at_once):
    """A tunnel that is open before the API has said 101 takes the next request past everybody."""
    stub, api, port = tunnelling
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: api.example\r\nX-User: admin\r\nConnection: close\r\n\r\n"
    with websocket(port, "/status/200", smuggled if at_once else b"") as peer:
        assert 200 == head(peer)
        if not at_once:
            peer.settimeout(1)
            try:
                peer.recv(65536)
                peer.sendall(smuggled)
            except OSError:
                pass  # closed already
        rest(peer)
    assert [("ann", JWT)] * len(api.requests) == [
        (dict(fields).get("x-user"), dict(fields).get("authorization")) for _, _, fields, _ in api.requests
    ]
    assert len(api.requests) <= len(stub.seen)


@pytest.mark.parametrize(
    "upgrades", [["h2c"], ["h2c", "websocket"], ["websocket", "h2c"], ["h2c, websocket"], ["websocket, h2c"]], ids=str
)
def test_an_upgrade_to_http2_makes_no_tunnel(faulty, upgrades):
    _, api, port = faulty
    fields = [("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]
    answer = ask(port, "/status/200", *(("Upgrade", value) for value in upgrades), *fields, token="opaque")
    assert 101 != answer.status
    for _, _, sent, _ in api.requests:
        assert {"websocket"} >= {value for name, value in sent if name == "upgrade"}
