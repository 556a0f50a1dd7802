"""Gateways that ask by SPOP or gRPC, with the files of `init`: what the contract's stub of HTTP can't say to them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from interop import echo_api
from interop.asking import ask
from interop.gateways import BY_NAME, gateway
from interop.phantomgate_server import phantomgate
from interop.processes import free_port, until
from phantomgate.adapters.envoy import METHOD, SERVICE
from phantomgate.cli.main import main
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
BOTH = ["HAProxy, SPOE", "Envoy, gRPC"]


@pytest.fixture(scope="module")
def authority():
    server = DevelopmentServer([Client("gateway", "gateway-secret", introspects=True)], access_token_seconds=3600)
    with server.running_in_thread() as issuer:
        yield server, issuer


@contextmanager
def standing(tmp_path, name, issuer, **more):
    """(port of the gateway, the API, phantomgate)."""
    binary = BY_NAME[name]
    with (
        echo_api.running() as api,
        phantomgate(tmp_path, REST.format(issuer=issuer), source=binary.source) as gate,
        gateway(binary, gate.settings, api.port, **more) as front,
    ):
        yield front.port, api, gate


@pytest.fixture
def record(world, contract):
    """Says what came of a case of the contract."""
    binary = BY_NAME[world[4]]
    return lambda case, outcome: contract.record(binary.name, binary.version(), case, outcome)


@pytest.fixture(scope="module", params=BOTH)
def world(request, tmp_path_factory, authority):
    server, issuer = authority
    token = server.issue("service", "read", subject="ann")
    with standing(tmp_path_factory.mktemp("world"), request.param, issuer) as (port, api, gate):
        until(lambda: ask(port, token=token).status == 200, "the gateway to see phantomgate")
        yield port, api, gate, token, request.param


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


@pytest.mark.parametrize("name", BOTH)
def test_nothing_passes_while_phantomgate_hangs_or_is_gone_and_all_is_well_when_it_is_back(tmp_path, authority, name):
    server, issuer = authority
    token = server.issue("service", "read", subject="ann")
    with standing(tmp_path, name, issuer) as (port, api, gate):
        until(lambda: ask(port, token=token).status == 200, "the gateway to see phantomgate")
        before = len(api.requests)
        own = gate.process.pid
        children = [int(pid) for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split()]
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        try:
            hung = ask(port, token=token)
        finally:
            for pid in children:
                os.kill(pid, signal.SIGCONT)
        gate.stop()
        gone = ask(port, token=token)
        assert [503, 503] == [hung.status, gone.status]
        assert before == len(api.requests)
        gate.start()
        until(lambda: ask(port, token=token).status == 200, "the gateway to find phantomgate again")


def examined(capsys, name, authority, tmp_path, weaken=lambda folder: None):
    """(exit code, finding by case) of `doctor` at an HAProxy in front of nothing."""
    server, issuer = authority
    binary, token, port = BY_NAME[name], server.issue("service", "read", subject="ann"), free_port()
    with (
        phantomgate(tmp_path, REST.format(issuer=issuer), source=binary.source) as gate,
        gateway(binary, gate.settings, port, weaken) as front,
    ):
        until(lambda: ask(front.port, token="nobody").status == 401, "the gateway to see phantomgate")
        capsys.readouterr()
        where = [f"http://127.0.0.1:{front.port}", "--api", f"127.0.0.1:{port}", "--token", "env:TOKEN"]
        more = ["--allowed", "/orders", "--forbidden", "/admin", "--config", str(gate.settings), "--json"]
        code = main(["doctor", *where, *more], {"TOKEN": token})
    out = capsys.readouterr().out
    assert token not in out
    return code, {one["case"]: one for one in json.loads(out)["findings"]}


@pytest.mark.parametrize("name", [*BOTH, "HAProxy, Lua"])
def test_what_we_ship_has_no_holes(capsys, authority, tmp_path, name):
    code, found = examined(capsys, name, authority, tmp_path)
    assert [] == [f"{case}: {one['seen']}" for case, one in found.items() if one["outcome"] == "hole"]
    assert 0 == code
    assert len(found) > 70


@pytest.mark.parametrize(
    ("line", "hole"),
    [
        ("http-request set-header Authorization", "good-token"),
        ("del-header '^(x[-_.]team|x[-_.]user)$'", "spelled-X_User"),
        ("del-header '^x[-_.]((forwarded", "override-x-original-url"),
    ],
)
def test_a_weakened_copy_is_told_its_hole(capsys, authority, tmp_path, line, hole):
    def weaken(folder):
        file = folder / "haproxy.cfg"
        lines = file.read_text().splitlines()
        assert any(line in one for one in lines)
        file.write_text("\n".join(one for one in lines if line not in one) + "\n")

    code, found = examined(capsys, "HAProxy, SPOE", authority, tmp_path, weaken)
    assert (1, "hole") == (code, found[hole]["outcome"])


@pytest.mark.parametrize(
    "fields", [("Connection", "close, X-User"), ("Connection", "authorization"), ("X-Mine", "a\x7f")], ids=repr
)
def test_haproxy_asks_about_odd_requests_with_all_their_fields(tmp_path, authority, fields):
    server, issuer = authority
    with standing(tmp_path, "HAProxy, SPOE", issuer) as (port, api, _):
        answer = ask(port, "/", fields, token=server.issue("service", "read", subject="ann"))
        assert (answer.status == 400) == (fields[0] == "Connection")
        assert len(api.requests) == (answer.status == 200)


ALLOW = b"\x0a\x00\x1a\x00"  # status OK, and an OkHttpResponse that changes nothing


@pytest.mark.parametrize(("said", "status"), [(None, 503), (b"\xff\xff", 503), (b"", 403), (ALLOW, 403)])
def test_what_is_no_answer_of_ours_lets_nothing_in_at_envoy(tmp_path, said, status):
    grpc = pytest.importorskip("grpc")

    def check(data, call):
        if said is None:
            raise RuntimeError("a bug")
        return said

    server = grpc.server(ThreadPoolExecutor(1))
    methods = {METHOD: grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    settings = tmp_path / "phantomgate.toml"
    text = f'[serve]\nlisten = "127.0.0.1:{port}"\nprotocol = "grpc"\n' + REST.format(issuer="http://127.0.0.1:1")
    settings.write_text(text)
    try:
        with echo_api.running() as api, gateway(BY_NAME["Envoy, gRPC"], settings, api.port) as front:
            assert status == ask(front.port, token="opaque").status
            assert [] == api.requests
    finally:
        server.stop(0).wait()
