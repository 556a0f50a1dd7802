"""HAProxy by SPOE and by Lua, with the files of `init`: one answer for each request, and none without phantomgate."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

from interop import echo_api
from interop.asking import ask
from interop.gateways import BY_NAME, gateway
from interop.phantomgate_server import phantomgate
from interop.processes import free_port, until
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
BOTH = ["HAProxy", "HAProxy, Lua"]


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


@pytest.fixture(scope="module", params=BOTH)
def world(request, tmp_path_factory, authority):
    server, issuer = authority
    token = server.issue("service", "read", subject="ann")
    with standing(tmp_path_factory.mktemp("world"), request.param, issuer) as (port, api, gate):
        until(lambda: ask(port, token=token).status == 200, "HAProxy to see phantomgate")
        yield port, api, gate, token


def arrived(answer, name):
    return [value for found, value in answer.json["headers"] if found == name]


def test_the_api_gets_the_jwt_and_our_claims_and_nothing_that_looks_like_them(world):
    port, api, _, token = world
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
        ([("Connection", "close, X-User"), ("Authorization", "Bearer a")], 400, "invalid_request"),
        ([("Connection", "close"), ("Connection", "authorization")], 400, "invalid_request"),
        ([("Upgrade", "h2c"), ("Connection", "Upgrade"), ("Authorization", "Bearer a")], 403, "access_denied"),
    ],
)
def test_a_refusal_reaches_the_client_with_status_challenge_and_body(world, fields, status, error):
    port, api, _, _ = world
    before = len(api.requests)
    answer = ask(port, "/orders", *fields)
    assert (status, error) == (answer.status, answer.json["error"])
    assert ["application/json"] == answer.all("content-type")
    assert ["no-store"] == answer.all("cache-control")
    challenge = answer.one("www-authenticate")
    assert (challenge is not None) == (status in (400, 401))
    assert challenge is None or challenge.startswith("Bearer ")
    assert before == len(api.requests)


def test_a_missing_scope_is_a_403_that_names_it(world):
    port, _, _, token = world
    answer = ask(port, "/admin/x", token=token)
    assert (403, "insufficient_scope") == (answer.status, answer.json["error"])
    assert 'scope="admin read"' in answer.one("www-authenticate") or 'scope="read admin"' in answer.one(
        "www-authenticate"
    )


@pytest.mark.parametrize("path", ["/x/../admin/y", "/x/%2e%2e/admin/y", "/x;/../admin", "//admin/x", "/%61dmin/..%2fx"])
def test_a_path_with_two_readings_is_refused(world, path):
    port, api, _, token = world
    before = len(api.requests)
    assert ask(port, path, token=token).status in (400, 403)
    assert before == len(api.requests)


def test_a_body_passes_as_it_came(world):
    port, api, _, token = world
    body = os.urandom(300_000)
    assert 200 == ask(port, "/orders", token=token, method="POST", body=body).status
    assert body == api.requests[-1][3]


def test_a_websocket_passes_with_the_jwt(world):
    port, api, _, token = world
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


@pytest.mark.parametrize("name", BOTH)
def test_nothing_passes_while_phantomgate_hangs_or_is_gone_and_all_is_well_when_it_is_back(tmp_path, authority, name):
    server, issuer = authority
    token = server.issue("service", "read", subject="ann")
    with standing(tmp_path, name, issuer) as (port, api, gate):
        until(lambda: ask(port, token=token).status == 200, "HAProxy to see phantomgate")
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
        assert [(503, "temporarily_unavailable")] * 2 == [(one.status, one.json["error"]) for one in (hung, gone)]
        assert ["5"] == gone.all("retry-after")
        assert before == len(api.requests)
        gate.start()
        until(lambda: ask(port, token=token).status == 200, "HAProxy to find phantomgate again")


def examined(capsys, name, authority, tmp_path, weaken=lambda folder: None):
    """(exit code, finding by case) of `doctor` at an HAProxy in front of nothing."""
    server, issuer = authority
    binary, token, port = BY_NAME[name], server.issue("service", "read", subject="ann"), free_port()
    with (
        phantomgate(tmp_path, REST.format(issuer=issuer), source=binary.source) as gate,
        gateway(binary, gate.settings, port, weaken) as front,
    ):
        until(lambda: ask(front.port, token="nobody").status == 401, "HAProxy to see phantomgate")
        capsys.readouterr()
        where = [f"http://127.0.0.1:{front.port}", "--api", f"127.0.0.1:{port}", "--token", "env:TOKEN"]
        more = ["--allowed", "/orders", "--forbidden", "/admin", "--config", str(gate.settings), "--json"]
        code = main(["doctor", *where, *more], {"TOKEN": token})
    out = capsys.readouterr().out
    assert token not in out
    return code, {one["case"]: one for one in json.loads(out)["findings"]}


@pytest.mark.parametrize("name", BOTH)
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

    code, found = examined(capsys, "HAProxy", authority, tmp_path, weaken)
    assert (1, "hole") == (code, found[hole]["outcome"])
