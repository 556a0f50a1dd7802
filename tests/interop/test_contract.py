"""One contract for every gateway that has a binary: what must come of a request, whoever asks phantomgate about it.

Rule: what must never happen is asserted; how well each gateway says the rest is recorded, and the table in
docs/reference/gateways.md is made of that and held equal to it (`test_contract_table`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import socket
from contextlib import ExitStack

import pytest

from interop import decision_stub, echo_api
from interop.asking import ask
from interop.gateways import BINARIES, gateway
from interop.http2 import speaks_http2
from interop.needs import needs
from interop.phantomgate_server import phantomgate
from phantomgate.cli.gateways import kind_of
from phantomgate.cli.gateways.headers import look_alikes
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

pytestmark = pytest.mark.interop

JWT = "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln"
REST = """
[policy]
scopes = ["read"]
[forward]
claims = {{ "X-User" = "sub", "X-Tenant" = "tenant" }}
[introspection]
endpoint = "{issuer}/introspect"
client_id = "gateway"
client_secret = "env:GATEWAY_SECRET"
timeout = "1s"
[[routes]]
path = "/admin/**"
scopes = ["admin"]
[[routes]]
path = "/**"
"""
FAULTY = """
[serve]
listen = "127.0.0.1:{port}"
{source}
[introspection]
endpoint = "http://127.0.0.1:1/introspect"
client_id = "gateway"
client_secret = "env:NOT_READ"
timeout = "10ms"
[forward]
claims = {{ "X-User" = "sub", "X-Tenant" = "tenant" }}
"""


@pytest.fixture(scope="module")
def backs(tmp_path_factory):
    """The authorization server, the API, and a phantomgate for each way of being asked; all shared by the gateways."""
    server = DevelopmentServer([Client("gateway", "gateway-secret", introspects=True)])
    with ExitStack() as stack:
        issuer = stack.enter_context(server.running_in_thread())
        api = stack.enter_context(echo_api.running())
        gates = {}

        def gate(source):
            if source not in gates:
                folder = tmp_path_factory.mktemp("gate")
                gates[source] = stack.enter_context(phantomgate(folder, REST.format(issuer=issuer), source=source))
            return gates[source]

        yield server, api, gate


class Through:
    """A gateway with all that is behind it."""

    def __init__(self, running, server, api, gate):
        self.running, self.server, self.api, self.gate = running, server, api, gate

    def token(self, scope="read", **more):
        """A new opaque token."""
        return self.server.issue("service", scope, **{"subject": "ann", **more})

    def ask(self, path="/", *fields, **more):
        """Through the gateway."""
        return ask(self.running.port, path, *fields, **more)


@pytest.fixture(scope="module", params=BINARIES, ids=lambda binary: binary.name)
def binary(request):
    """Each gateway in turn."""
    return request.param


@pytest.fixture(scope="module")
def started(binary, backs):
    """The gateway, started once, and all that is behind it."""
    server, api, gate = backs
    gate = gate(binary.source)
    with gateway(binary, gate.settings, api.port) as running:
        yield Through(running, server, api, gate)


@pytest.fixture
def world(started):
    """The same, calm."""
    server = started.server
    server.down, server.delay, server.status, server.cache_control = False, 0.0, None, ""
    started.api.requests.clear()
    return started


@pytest.fixture(scope="module")
def started_faulty(binary, backs, tmp_path_factory):
    """The same gateway, with a decision service that says what a test wants: (stub, API, port)."""
    if kind_of(binary.gateway).protocol != "http":
        pytest.skip("asks by a protocol that the stub doesn't speak; test_haproxy and test_envoy_grpc see to it")
    with decision_stub.running() as stub:
        stub.says(401)
        settings = tmp_path_factory.mktemp("settings") / "phantomgate.toml"
        settings.write_text(FAULTY.format(port=stub.port, source=binary.source))
        with gateway(binary, settings, backs[1].port) as running:
            yield stub, backs[1], running.port


@pytest.fixture
def faulty(started_faulty):
    """The same, calm."""
    stub, api, _ = started_faulty
    stub.seen.clear()
    api.requests.clear()
    stub.says(200, ("Authorization", JWT), ("X-User", "ann"), ("X-Tenant", ""))
    return started_faulty


@pytest.fixture
def record(contract, binary):
    """Says what came of a case."""
    return lambda case, outcome: contract.record(binary.name, binary.version(), case, outcome)


def arrived(api):
    """The fields of the one request that arrived at the API; each came once."""
    ((_, _, fields, _),) = api.requests
    assert len(dict(fields)) == len(fields), fields
    return dict(fields)


def claims_of(jwt):
    """The claims of a JWT, unverified."""
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def told(answer, error):
    """What the client learns of a refusal: "401, challenge, body"."""
    words = [str(answer.status)]
    if answer.one("www-authenticate"):
        words.append("challenge")
    if answer.one("retry-after"):
        words.append("Retry-After")
    if answer.one("content-type") == "application/json" and answer.json.get("error") == error:
        words.append("body")
    return ", ".join(words)


def test_a_good_token_becomes_a_jwt_and_headers(world, record):
    token = world.token("read write", tenant="acme")
    answer = world.ask("/orders?x=1&y", token=token)
    fields = arrived(world.api)
    jwt = fields["authorization"].removeprefix("Bearer ")
    assert (200, "/orders?x=1&y", "ann") == (answer.status, answer.json["path"], claims_of(jwt)["sub"])
    assert ("ann", "acme") == (fields["x-user"], fields["x-tenant"])
    assert not world.api.contains(token)
    record("a good token", "200, JWT and headers at the API")


@pytest.mark.parametrize(
    ("case", "fields", "status", "error"),
    [
        ("no credential", [], 401, "missing_credential"),
        ("Basic", [("Authorization", "Basic dXNlcjpwYXNz")], 401, "missing_credential"),
        ("an unknown token", [("Authorization", "Bearer unknown")], 401, "invalid_token"),
        ("a malformed token", [("Authorization", "Bearer a b")], 400, "invalid_request"),
        ("two tokens in one field", [("Authorization", "Bearer {}, Bearer two")], 400, "invalid_request"),
        ("two fields", [("Authorization", "Bearer {}"), ("Authorization", "Bearer two")], 400, "invalid_request"),
        ("two fields, the good one last", [("Authorization", "Bearer two"), ("Authorization", "Bearer {}")], 400,
         "invalid_request"),
        ("a second token in the query", [("Authorization", "Bearer {}"), ("", "/?access_token=x")], 400,
         "invalid_request"),
    ],
)  # fmt: skip
def test_what_is_no_good_credential_is_refused(world, record, case, fields, status, error):
    token = world.token()
    path = next((value for name, value in fields if not name), "/")
    answer = world.ask(path, *((name, value.format(token)) for name, value in fields if name))
    assert [] == world.api.requests
    assert answer.status in (status, 401, 400)
    record(case, told(answer, error))


def test_a_missing_scope_is_a_403(world, record):
    answer = world.ask(token=world.token("write"))
    assert (403, []) == (answer.status, world.api.requests)
    record("a scope is missing", told(answer, "insufficient_scope"))


@pytest.mark.parametrize("path", ["/admin", "/x/../admin", "//admin", "/x/%2e%2e/admin", "/admin%00", "/%61dmin"])
def test_where_a_token_may_not_go_it_does_not_get(world, path, record):
    token = world.token()
    claimed = [("X-Original-URI", "/orders"), ("X-Original-Method", "GET"), ("X-Forwarded-Uri", "/orders")]
    refused = [world.ask(path, token=token), world.ask(path, *claimed, token=token)]
    assert {answer.status for answer in refused} <= {400, 401, 403, 404}, refused
    assert [] == world.api.requests
    if path == "/admin":
        record("a path that isn't the token's", told(refused[0], "insufficient_scope"))


def test_an_authorization_server_that_is_down_is_a_503(world, record):
    world.server.down = True
    answer = world.ask(token=world.token())
    assert [] == world.api.requests
    assert answer.status >= 500
    record("authorization server down", told(answer, "temporarily_unavailable"))


def test_an_authorization_server_that_makes_no_sense_is_a_502(world, record):
    world.server.status = 302
    answer = world.ask(token=world.token())
    assert [] == world.api.requests
    assert answer.status >= 500
    record("authorization server makes no sense", told(answer, "bad_gateway"))


def test_a_client_cannot_say_who_it_is(world, record):
    token = world.token()
    names = ["X-User", "X-Tenant", "X-Authorization", "X-Forwarded-User", "X-Original-URL", "X-HTTP-Method-Override"]
    names += [
        *look_alikes("X-User"),
        *look_alikes("X-Tenant"),
        *look_alikes("X-HTTP-Method-Override"),
        "Authorization_",
    ]
    world.ask("/orders", *((name, "made-up") for name in names[:-1]), token=token)
    assert not world.api.contains("made-up")
    assert ("ann", "") == (arrived(world.api)["x-user"], arrived(world.api).get("x-tenant", ""))
    record("forged identity, its look-alikes, overrides", "never at the API")


def test_a_client_cannot_say_where_it_comes_from(world, record):
    names = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "X-Real-IP"]
    world.ask("/orders", *((name, "made-up") for name in names), token=world.token())
    assert not world.api.contains("made-up")
    record("forged X-Forwarded-*", "never at the API")


@pytest.mark.parametrize("name", ["X-User", "Authorization", "X-Forwarded-Uri"])
def test_a_client_cannot_have_dropped_what_we_say(world, name):
    """RFC 9110 §7.6.1: what `Connection` names, the next hop drops."""
    answer = world.ask("/orders", ("Connection", f"close, {name}"), token=world.token())
    if world.api.requests:
        assert (200, "ann") == (answer.status, arrived(world.api)["x-user"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_body_arrives_whole_and_nobody_else_sees_it(faulty, record, method):
    stub, _, port = faulty
    body = random.Random(1).randbytes(300_000)
    answer = ask(port, "/upload", token="opaque", method=method, body=body)
    assert (200, method) == (answer.status, answer.json["method"])
    assert hashlib.sha256(body).hexdigest() == answer.json["body"]
    ((_, _, fields),) = stub.seen
    assert not {"transfer-encoding"} & {name for name, _ in fields}
    assert "0" == dict(fields).get("content-length", "0")
    record("a body of 300 kB", "arrives whole, and at the API alone")


def test_a_refused_body_goes_nowhere(faulty):
    stub, api, port = faulty
    stub.says(401)
    answer = ask(port, "/upload", token="opaque", method="POST", body=b"x" * 100_000)
    assert (401, []) == (answer.status, api.requests)


def test_a_long_jwt_passes(faulty, record):
    stub, api, port = faulty
    jwt = f"Bearer {'e' * 8000}.{'f' * 8000}.{'g' * 300}"
    stub.says(200, ("Authorization", jwt), ("X-User", "ann"), ("X-Tenant", ""))
    assert 200 == ask(port, token="opaque").status
    assert jwt == arrived(api)["authorization"]
    record("a JWT of 16 kB", "passes")


def test_a_long_token_gets_to_the_decision(faulty, record):
    stub, _, port = faulty
    assert 200 == ask(port, token="t" * 8192).status
    assert ("authorization", "Bearer " + "t" * 8192) in stub.seen[0][2]
    record("a token of 8 KiB", "passes")


def test_what_the_api_says_is_the_clients_to_see(faulty):
    _, _, port = faulty
    statuses = (401, 403, 404, 500, 503)
    assert [*statuses] == [ask(port, f"/status/{status}", token="opaque").status for status in statuses]


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (200, []),
        (200, [("X-User", "admin"), ("Authorization", "")]),
        (204, []),
        (302, [("Location", "/elsewhere"), ("Authorization", JWT)]),
        (404, [("Authorization", JWT)]),
    ],
)
def test_what_is_no_allow_lets_nothing_in(faulty, record, status, fields):
    stub, api, port = faulty
    stub.says(status, *fields)
    answer = ask(port, token="opaque")
    assert [] == api.requests
    assert answer.status != 200
    if (status, fields) == (200, []):
        record("decision: 200 without Authorization", str(answer.status))


@pytest.mark.parametrize("status", [400, 401, 403, 500, 502, 503])
def test_a_refusal_is_the_clients_to_read(faulty, status):
    stub, api, port = faulty
    challenge = 'Bearer realm="api", error="insufficient_scope"'
    stub.says(status, ("WWW-Authenticate", challenge), ("Cache-Control", "max-age=60"))
    answers = [ask(port, token="refused") for _ in range(2)]
    assert ([], 2) == (api.requests, len(stub.seen))
    assert all(one.status == status or (status >= 500 and one.status >= 500) for one in answers), answers
    if status in (401, 403):
        assert challenge == answers[0].one("www-authenticate")


def test_no_answer_lets_nothing_in(faulty, record):
    stub, api, port = faulty
    stub.closes = True
    answer = ask(port, token="opaque")
    assert [] == api.requests
    assert answer.status >= 500
    record("decision: closes without an answer", str(answer.status))


def test_a_websocket_is_judged_and_then_carries_bytes(faulty, record):
    stub, api, port = faulty
    with websocket(port) as peer:
        status = head(peer)
        assert 101 == status
        peer.sendall(b"\x81\x05hello")
        assert b"\x81\x05hello" == peer.recv(7, socket.MSG_WAITALL)
    assert JWT == arrived(api)["authorization"]
    api.requests.clear()
    stub.says(401)
    with websocket(port) as peer:
        assert (401, []) == (head(peer), api.requests)
    record("WebSocket", "judged, then opens")


def test_an_upgrade_to_http2_makes_no_tunnel(faulty):
    _, api, port = faulty
    fields = [("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]
    answer = ask(port, "/", *fields, token="opaque")
    assert 101 != answer.status
    for _, _, sent, _ in api.requests:
        assert "upgrade" not in dict(sent)


def test_over_http2_it_is_the_same(world, binary, record):
    if not binary.h2:
        record("HTTP/2", "not without TLS")
        return
    needs("curl")
    good, bad = world.token(), "unknown"
    authority = f"127.0.0.1:{world.running.port}"
    assert [200, 401, 401] == [
        speaks_http2(authority, [("authorization", f"Bearer {good}")]),
        speaks_http2(authority, [("authorization", f"Bearer {bad}")]),
        speaks_http2(authority, []),
    ]
    assert "ann" == arrived(world.api)["x-user"]
    record("HTTP/2", "the same")


def websocket(port):
    """A connection on which a WebSocket was asked for (RFC 6455 §4.1)."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=30)
    lines = [
        "GET /ws HTTP/1.1", "Host: api.example", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Authorization: Bearer opaque",
    ]  # fmt: skip
    peer.sendall("\r\n".join([*lines, "", ""]).encode())
    return peer


def head(peer):
    """The status of the answer on *peer*, whose head is read to its end."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += peer.recv(1)
    return int(data.split(b" ")[1])
