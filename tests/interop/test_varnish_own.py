"""A VCL of the user's own, which leaves to Varnish what it doesn't say: no tunnel comes of it but a WebSocket's."""

from __future__ import annotations

import socket

import pytest

from interop import decision_stub, echo_api
from interop.gateways import BY_NAME, gateway
from interop.stubbed import FAULTY, JWT, settings_file
from interop.test_contract_faults import head, rest, websocket

pytestmark = pytest.mark.interop

BINARY = BY_NAME["Varnish"]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: api.example\r\nX-User: admin\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module", params=[BINARY, BINARY.with_websocket()], ids=["as shipped", "with WebSocket"])
def started(request, tmp_path_factory):
    """(stub, API, port) of a Varnish whose own VCL ends with Varnish's: that pipes methods that it doesn't know."""

    def own(folder):
        example = folder / "default.vcl"
        text = example.read_text()
        assert "    return (pass);" in text
        example.write_text(text.replace("    return (pass);", "    #"))

    with decision_stub.running() as stub, echo_api.running() as api:
        stub.says(200, ("Authorization", JWT), ("X-User", "ann"), ("X-Tenant", ""))
        settings = settings_file(tmp_path_factory.mktemp("settings"), stub.port, FAULTY, source=BINARY.source)
        with gateway(request.param, settings, api.port, own) as running:
            yield stub, api, running.port


def test_a_method_that_varnish_does_not_know_opens_no_tunnel(started):
    stub, api, port = started
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall(
            b"PURGE /status/200 HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer opaque\r\n\r\n" + SMUGGLED
        )
        assert 501 == head(peer)
        rest(peer)
    assert ["/smuggled"] * len(api.requests) == [path for _, path, *_ in api.requests]
    assert len(api.requests) < len(stub.seen)
    assert {"ann"} >= {dict(fields).get("x-user") for _, _, fields, _ in api.requests}


def test_a_websocket_goes_where_it_was_turned_on(started, request):
    _, _, port = started
    with websocket(port) as peer:
        assert (101 if "with WebSocket" in request.node.name else 501) == head(peer)
