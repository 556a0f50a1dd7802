"""Gateways that ask by SPOP or gRPC, with the files of `init`: what the contract's stub of HTTP can't say to them."""

from __future__ import annotations

import os
import re
import socket

import pytest

from interop import echo_api
from interop.asking import ask
from interop.gateways import BY_NAME, gateway
from interop.phantomgate_server import phantomgate
from interop.processes import until
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

pytestmark = pytest.mark.interop

REST = """
[policy]
scopes = ["read"]
[forward]
claims = {{ "X-User" = "sub", "X-Team" = "team" }}
[introspection]
endpoint = "{issuer}/introspect"
client_id = "gateway"
client_secret = "env:GATEWAY_SECRET"
timeout = "300ms"
[[routes]]
path = "/admin/**"
scopes = ["admin"]
[[routes]]
path = "/**"
"""
MOST_HEADERS = 40
BOTH = ["HAProxy, SPOE", "Envoy, gRPC"]


@pytest.fixture(scope="module")
def authority():
    server = DevelopmentServer([Client("gateway", "gateway-secret", introspects=True)], access_token_seconds=3600)
    with server.running_in_thread() as issuer:
        yield server, issuer


@pytest.fixture
def record(world, contract):
    """Says what came of a case of the contract."""
    binary = BY_NAME[world[4]]
    return lambda case, outcome: contract.record(binary.name, binary.version(), case, outcome)


@pytest.fixture(scope="module", params=BOTH)
def world(request, tmp_path_factory, authority):
    server, issuer = authority
    token = server.issue("service", "read", subject="ann")
    binary = BY_NAME[request.param]
    source = f"{binary.source}\nmax_headers = {MOST_HEADERS}"
    with (
        echo_api.running() as api,
        phantomgate(tmp_path_factory.mktemp("world"), REST.format(issuer=issuer), source=source) as gate,
        gateway(binary, gate.settings, api.port) as front,
    ):
        until(lambda: ask(front.port, token=token).status == 200, "the gateway to see phantomgate")
        yield front.port, api, gate, token, request.param


def arrived(answer, name):
    return [value for found, value in answer.json["headers"] if found == name]


def test_the_api_gets_the_jwt_and_our_claims_and_nothing_that_looks_like_them(world):
    port, api, _, token, _ = world
    forged = ["X-User", "x_user", "X.Team", "X-Team", "X-Forwarded-User", "X-Original-URL", "Proxy_Authorization",
              "X-HTTP-Method-Override", "X-Envoy-Original-Path", "Forwarded", "X_Real.IP"]  # fmt: skip
    answer = ask(port, "/orders?page=2", *((name, "forged") for name in forged), ("X-Mine", "kept"), token=token)
    assert 200 == answer.status
    (jwt,) = arrived(answer, "authorization")
    assert re.fullmatch(r"Bearer [\w-]+\.[\w-]+\.[\w-]+", jwt)
    assert (["ann"], [""], ["kept"]) == (
        arrived(answer, "x-user"),
        arrived(answer, "x-team"),
        arrived(answer, "x-mine"),
    )
    assert "forged" not in str(answer.json)
    assert not api.contains(token)
    assert "/orders?page=2" == answer.json["path"]


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ([], 401, "missing_credential"),
        ([("Authorization", "Bearer nobody")], 401, "invalid_token"),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], 400, "invalid_request"),
        ([("Authorization", "Bearer a, Bearer b")], 400, "invalid_request"),
    ],
)
def test_a_refusal_reaches_the_client_with_status_challenge_and_body(world, fields, status, error):
    port, api, *_ = world
    before = len(api.requests)
    answer = ask(port, "/orders", *fields)
    assert (status, error) == (answer.status, answer.json["error"])
    assert ["application/json"] == answer.all("content-type")
    assert ["no-store"] == answer.all("cache-control")
    challenge = answer.one("www-authenticate")
    assert (challenge is not None) == (status in (400, 401))
    assert challenge is None or challenge.startswith("Bearer ")
    assert before == len(api.requests)


def test_a_body_passes_as_it_came(world, record):
    port, api, _, token, _ = world
    body = os.urandom(300_000)
    assert 200 == ask(port, "/orders", token=token, method="POST", body=body).status
    assert body == api.requests[-1][3]
    record("a body of 300 kB", "arrives whole, and at the API alone")


def test_a_websocket_passes_with_the_jwt(world, record):
    port, api, _, token, _ = world
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(10)
        client.sendall(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        assert head.startswith(b"HTTP/1.1 101")
        client.sendall(b"ping")
        assert b"ping" == client.recv(4)
    assert not api.contains(token)
    record("WebSocket", "judged, then opens")


def test_a_jwt_of_16_kb_passes(world, authority, record):
    port, api, *_ = world
    token = authority[0].issue("service", "read", subject="a" * 12_000)
    assert 200 == ask(port, "/orders", token=token).status
    ((_, _, fields, _),) = api.requests[-1:]
    assert len(dict(fields)["authorization"]) > 16_000
    record("a JWT of 16 kB", "passes")


@pytest.mark.parametrize("world", ["HAProxy, SPOE"], indirect=True)
@pytest.mark.parametrize(
    "fields", [("Connection", "close, X-User"), ("Connection", "authorization"), ("X-Mine", "a\x7f")], ids=repr
)
def test_haproxy_asks_about_odd_requests_with_all_their_fields(world, fields):
    port, api, _, token, _ = world
    api.requests.clear()
    answer = ask(port, "/", fields, token=token)
    assert (answer.status == 400) == (fields[0] == "Connection")
    assert len(api.requests) == (answer.status == 200)


def test_more_header_fields_than_the_settings_allow_are_refused_in_our_words(world):
    port, api, _, token, _ = world
    many = [(f"X-{number}", "v") for number in range(MOST_HEADERS)]
    assert 200 == ask(port, "/", *many[: MOST_HEADERS - 10], token=token).status
    api.requests.clear()
    answer = ask(port, "/", *many, token=token)
    assert (400, "invalid_request", []) == (answer.status, answer.json["error"], api.requests)


def test_nothing_passes_while_phantomgate_is_gone_and_all_is_well_when_it_is_back(world):
    port, api, gate, token, _ = world
    api.requests.clear()
    gate.stop()
    assert (503, []) == (ask(port, token=token).status, api.requests)
    gate.start()
    until(lambda: ask(port, token=token).status == 200, "the gateway to find phantomgate again")
