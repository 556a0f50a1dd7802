"""Envoy does what those of its own write into x-envoy-*, and from loopback, too, nobody is one of them."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from interop import echo_api
from interop.asking import ask
from interop.gateways import BY_NAME, gateway
from interop.http2 import raw_2
from interop.phantomgate_server import phantomgate
from interop.test_contract import REST, arrived
from interop.test_contract_faults import head
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module", params=["Envoy", "Envoy, gRPC"])
def started(request, tmp_path_factory):
    """(API, port of an Envoy that asks as it does, a token that is let in)."""
    binary, folder = BY_NAME[request.param], tmp_path_factory.mktemp("envoy")
    server = DevelopmentServer([Client("gateway", "gateway-secret", introspects=True)])
    with ExitStack() as stack:
        issuer, api = stack.enter_context(server.running_in_thread()), stack.enter_context(echo_api.running())
        gate = stack.enter_context(phantomgate(folder, REST.format(issuer=issuer), source=binary.source))
        running = stack.enter_context(gateway(binary, gate.settings, api.port))
        yield api, running.port, server.issue("service", "read", subject="ann")


@pytest.fixture
def through(started):
    """The same, calm."""
    started[0].requests.clear()
    return started


def test_what_a_client_writes_for_envoy_itself_goes_nowhere(through):
    api, port, token = through
    own = [("X-Envoy-Retry-On", "5xx"), ("X-Envoy-Upstream-Rq-Timeout-Ms", "1"), ("X-Envoy-Internal", "true")]
    assert 200 == ask(port, "/orders", *own, token=token).status
    assert not {"x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms", "x-envoy-internal"} & set(arrived(api))


def test_what_a_client_writes_for_envoy_itself_is_not_obeyed(through):
    api, port, token = through
    own = [("X-Envoy-Retry-On", "5xx"), ("X-Envoy-Max-Retries", "5")]
    assert 503 == ask(port, "/status/503", *own, token=token).status
    assert 1 == len(api.requests)


@pytest.mark.parametrize("path", ["/caf\xe9", "/caf\xc3\xa9", "/x?a=\xe9", "/\xff/../admin"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_path_that_envoy_would_ask_about_in_other_letters_goes_nowhere(through, version, path):
    """Its question is protobuf, whose text is UTF-8, and says `!` for each byte that isn't."""
    api, port, token = through
    if version == 1:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
            line = f"GET {path} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {token}\r\n\r\n"
            peer.sendall(line.encode("latin-1"))
            head(peer)
    else:
        fields = [(":method", "GET"), (":scheme", "http"), (":authority", "api.example"), (":path", path)]
        raw_2(port, *fields, ("authorization", f"Bearer {token}"))
    assert {"/caf%E9", "/caf%C3%A9"} >= {path for _, path, *_ in api.requests}  # written so before it was asked about
