"""One contract for every gateway that has a binary: what must come of a request, whoever asks phantomgate about it.

Rule: what must never happen is asserted; how well each gateway says the rest is recorded, and the table in
docs/reference/gateways.md is made of that and held equal to it (`test_contract_table`).
"""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack

import pytest

from interop import echo_api
from interop.asking import ask
from interop.gateways import BINARIES, gateway
from interop.http2 import over_2
from interop.needs import needs
from interop.phantomgate_server import phantomgate
from phantomgate.cli.gateways.headers import look_alikes
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

pytestmark = pytest.mark.interop

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
    names = [
        f"X-Forwarded-{what}" for what in ("For", "Host", "Proto", "Port", "Prefix", "Client-Cert", "Scheme", "Ssl")
    ]
    names += ["X-Real-IP", *(one for name in (*names, "X-Real-IP") for one in look_alikes(name)), "Forwarded"]
    for some in (names[: len(names) // 2], names[len(names) // 2 :]):  # as many fields as every gateway takes
        assert 200 == world.ask("/orders", *((name, "made-up") for name in some), token=world.token()).status
    assert not world.api.contains("made-up")
    record("forged X-Forwarded-*", "never at the API")


@pytest.mark.parametrize("host", ["a/admin?", "a?x", "a#b", "a\\b", "u:p@a/", "@a", "a b", "a\tb", "a, b"])
def test_a_host_that_is_more_than_a_name_is_not_the_apis_to_read(world, host):
    """Frameworks put URLs together of it, and would find another path there than the one that was judged."""
    answer = world.ask("/orders", token=world.token(), host=host)
    assert {"a", "u", "127.0.0.1"} >= {dict(fields)["host"].partition(":")[0] for _, _, fields, _ in world.api.requests}
    assert world.api.requests or answer.status >= 400


def test_two_hosts_reach_no_api(world):
    """RFC 9112 section 3.2."""
    answer = world.ask("/orders", ("Host", "other.example"), token=world.token())
    assert (True, []) == (answer.status >= 400, world.api.requests)


def test_trace_and_connect_reach_no_api(world, record):
    """TRACE has the server say back what it got, the JWT too, and CONNECT is a tunnel."""
    token = world.token()
    traced = world.ask("/orders", token=token, method="TRACE")
    tunnels = [world.ask(target, token=token, method="CONNECT") for target in ("api.example:80", "/orders")]
    assert [] == world.api.requests
    assert all(answer.status >= 400 for answer in (traced, *tunnels))
    record("TRACE, CONNECT", ", ".join(str(answer.status) for answer in (traced, tunnels[0])))


@pytest.mark.parametrize("name", ["X-User", "Authorization", "X-Forwarded-Uri"])
def test_a_client_cannot_have_dropped_what_we_say(world, name):
    """RFC 9110 §7.6.1: what `Connection` names, the next hop drops."""
    answer = world.ask("/orders", ("Connection", f"close, {name}"), token=world.token())
    if world.api.requests:
        assert (200, "ann") == (answer.status, arrived(world.api)["x-user"])


@pytest.fixture(scope="module")
def over_http2(binary, backs, started):
    """The authority where the gateway speaks HTTP/2: itself, or a copy that was told to."""
    needs("curl")
    if binary.h2 is None:
        yield f"127.0.0.1:{started.running.port}"
        return
    _, api, gate = backs
    with gateway(binary, gate(binary.source).settings, api.port, binary.h2) as running:
        yield f"127.0.0.1:{running.port}"


def test_over_http2_what_is_good_arrives_and_nothing_that_is_made_up(world, over_http2, binary, record):
    names = ["X-User", "x_user", "X-Tenant", "X-Original-URL", "X-HTTP-Method-Override", "X-Forwarded-Host"]
    forged = [(name, "made-up") for name in names]
    assert 200 == over_2(over_http2, ("authorization", f"Bearer {world.token()}"), *forged)
    assert not world.api.contains("made-up")
    fields = arrived(world.api)
    assert ("ann", True) == (fields["x-user"], fields["authorization"].startswith("Bearer ey"))
    record("HTTP/2", "the same" if binary.h2 is None else "the same, when it is turned on")


@pytest.mark.parametrize(
    ("given", "path", "statuses"),
    [
        ([], "/", (401,)),
        (["Bearer unknown"], "/", (401,)),
        (["Bearer {}", "Bearer two"], "/", (400, 401)),
        (["Bearer two", "Bearer {}"], "/", (400, 401)),
        (["Bearer {}, Bearer two"], "/", (400, 401)),
        (["Bearer {}"], "/admin", (403,)),
        (["Bearer {}"], "/x/%2e%2e/admin", (400, 401, 403, 404)),
    ],
)
def test_over_http2_what_is_refused_is_refused(world, over_http2, given, path, statuses):
    token = world.token()
    sent = [("authorization", value.format(token)) for value in given]
    assert (True, []) == (over_2(over_http2, *sent, path=path) in statuses, world.api.requests)
