"""nginx with an agent and an API on one host: however a path is written, it is the agent's, or it is judged."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from interop import decision_stub, echo_api
from interop.nginx_server import nginx
from interop.stubbed import JWT, settings_file

pytestmark = pytest.mark.interop

AGENT = """
[session]
keys = ["env:NOT_READ"]
trusted_web_origins = ["https://www.example.com"]
cookie_prefix = "example"
cors = true
[agent]
listen = "127.0.0.1:{port}"
issuer = "https://as.example"
client_id = "www"
client_secret = "env:NOT_READ"
redirect_uri = "https://www.example.com/"
"""
PATHS = [
    "/oauth-agent/x", "/oauth-agent/../orders", "/orders/../oauth-agent/x", "//oauth-agent/x", "/oauth-agent%2fx",
    "/%6fauth-agent/x", "/oauth-agent/..%2forders", "/oauth-agent/%2e%2e/orders", "/oauth-agent/..%5corders",
    "/OAuth-Agent/x", "/oauth-agent;/x", "/oauth-agent/;/../../orders", "/oauth-agent/x#/../../orders",
    "http://b.example/oauth-agent/x", "http://b.example/orders", "/oauth-agent", "/oauth-agent?/orders",
    "/_phantomgate", "/%5fphantomgate", "/x/../_phantomgate", "/@phantomgate_401",
]  # fmt: skip


@pytest.fixture(scope="module")
def backs(tmp_path_factory):
    """(decision stub, API, agent, the port of nginx)."""
    with ExitStack() as stack:
        stub = stack.enter_context(decision_stub.running())
        api, agent = stack.enter_context(echo_api.running()), stack.enter_context(echo_api.running())
        settings = settings_file(tmp_path_factory.mktemp("settings"), stub.port, AGENT.format(port=agent.port))
        yield stub, api, agent, stack.enter_context(nginx(settings, api.port)).port


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "refused"])
def test_however_a_path_is_written_it_is_the_agents_or_it_is_judged(backs, path, allowed):
    stub, api, agent, port = backs
    for seen in (stub.seen, api.requests, agent.requests):
        seen.clear()
    stub.says(200 if allowed else 401, ("Authorization", JWT), ("Cookie", "theme=dark"))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer, peer.makefile("rb") as heard:
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n".encode())
        peer.sendall(b"Cookie: example-at=sealed\r\nCookie: theme=dark\r\n\r\n")
        heard.read()
    assert len(api.requests) <= allowed
    assert not (api.requests and agent.requests)
    assert len(stub.seen) >= len(api.requests)
    assert not (stub.seen and agent.requests)
    for _, arrived, fields, _ in api.requests:
        assert [arrived] == [dict(asked)["x-original-uri"] for _, _, asked in stub.seen]
        assert (JWT, "theme=dark") == (dict(fields)["authorization"], dict(fields)["cookie"])
    assert not any("authorization" in dict(fields) for _, _, fields, _ in agent.requests)
