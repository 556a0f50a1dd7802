"""The whole way: client, nginx with the shipped files, `phantomgate serve`, an authorization server, an API."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from interop import echo_api
from interop.asking import ask
from interop.nginx_server import nginx
from interop.phantomgate_server import phantomgate
from interop.processes import until
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client

pytestmark = pytest.mark.interop

CLIENTS = [Client("gateway", "gateway-secret", introspects=True)]
REST = """
[policy]
scopes = ["read"]
[forward]
claims = {{ "X-User" = "sub", "X-Tenant" = "tenant" }}
[introspection]
endpoint = "{issuer}/introspect"
client_id = "gateway"
client_secret = "env:GATEWAY_SECRET"
"""
ROUTES = """
[[routes]]
path = "/orders/**"
methods = ["POST"]
scopes = ["orders:write"]
[[routes]]
path = "/orders/**"
methods = ["GET"]
"""


class World:
    """Everything that runs, and what every test begins with."""

    def __init__(self, server, gate, api, proxy):
        self.server, self.gate, self.api, self.proxy = server, gate, api, proxy

    def calm(self):
        """Itself, whatever the last test has left."""
        self.server.down, self.server.delay, self.server.status, self.server.cache_control = False, 0.0, None, ""
        self.api.requests.clear()
        return self

    def token(self, scope="read", **more):
        """A new opaque token."""
        return self.server.issue("service", scope, **{"subject": "ann", **more})

    def ask(self, path="/", *fields, **more):
        """Through nginx."""
        return ask(self.proxy.port, path, *fields, **more)

    def counts(self):
        """(decisions of phantomgate, questions to the authorization server, requests at the API)."""
        return self.gate.decisions(), self.server.introspections, len(self.api.requests)


@contextmanager
def running(tmp_path_factory, variant, rest=REST, listen=""):
    """A world while the block runs."""
    server = DevelopmentServer(CLIENTS)
    folder = tmp_path_factory.mktemp("world")
    with (
        server.running_in_thread() as issuer,
        echo_api.running() as api,
        phantomgate(folder, rest.format(issuer=issuer), listen=listen.format(folder=folder)) as gate,
        nginx(gate.settings, api.port, variant=variant) as proxy,
    ):
        yield World(server, gate, api, proxy)


@pytest.fixture(scope="module")
def asks_each_time(tmp_path_factory):
    """nginx as it is without --cached."""
    with running(tmp_path_factory, variant="direct") as world:
        yield world


@pytest.fixture(scope="module")
def remembers_by_token(tmp_path_factory):
    """nginx as it is with --cached."""
    with running(tmp_path_factory, variant="cached") as world:
        yield world


@pytest.fixture(scope="module")
def remembers_by_request(tmp_path_factory):
    """nginx as it is with --cached and [[routes]]."""
    with running(tmp_path_factory, variant="cached", rest=REST + ROUTES) as world:
        yield world


@pytest.fixture(params=["asks_each_time", "remembers_by_token"])
def world(request):
    """Both variants in turn."""
    return request.getfixturevalue(request.param).calm()


@pytest.fixture
def cached(remembers_by_token):
    """nginx that remembers by token."""
    return remembers_by_token.calm()


@pytest.fixture
def routed(remembers_by_request):
    """nginx that remembers by request."""
    return remembers_by_request.calm()


def claims_of(jwt):
    """The claims of a JWT, unverified."""
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_an_opaque_token_becomes_a_jwt_and_headers(world):
    token = world.token("read write", tenant="acme")
    answer = world.ask("/orders?x=1", token=token)
    arrived = dict(answer.json["headers"])
    jwt = arrived["authorization"].removeprefix("Bearer ")
    assert (200, "ann", "read write") == (answer.status, claims_of(jwt)["sub"], claims_of(jwt)["scope"])
    assert ("ann", "acme") == (arrived["x-user"], arrived["x-tenant"])
    assert not world.api.contains(token)


def test_a_claim_that_the_token_lacks_removes_what_the_client_sent(world):
    world.ask("/", ("X-Tenant", "evil"), ("X_Tenant", "evil"), token=world.token())
    assert not world.api.contains("evil")


@pytest.mark.parametrize(
    ("fields", "challenge", "error"),
    [
        ([], 'Bearer realm="api"', "missing_credential"),
        ([("Authorization", "")], 'Bearer realm="api"', "missing_credential"),
        ([("Authorization", "Basic dXNlcjpwYXNz")], 'Bearer realm="api"', "missing_credential"),
        ([("Authorization", "Bearer")], "invalid_request", "invalid_request"),
        ([("Authorization", "Bearer one, Bearer two")], "invalid_request", "invalid_request"),
        ([("Authorization", "Bearer one,")], "invalid_request", "invalid_request"),
        ([("Authorization", "Bearer a b")], "invalid_request", "invalid_request"),
        ([("Authorization", "Bearer \x0bone")], "invalid_request", "invalid_request"),
        ([("Authorization", b"Bearer \xa0one")], "invalid_request", "invalid_request"),
        ([("Authorization", "Bearer " + "x" * 8193)], "invalid_request", "invalid_request"),
        ([("Authorization", "Bearer unknown")], "invalid_token", "invalid_token"),
    ],
)
def test_what_is_no_good_token_is_a_401_that_says_why(world, fields, challenge, error):
    answer = world.ask("/", *fields)
    assert (401, error, []) == (answer.status, answer.json["error"], world.api.requests)
    assert challenge in answer.one("www-authenticate")
    assert "application/json" == answer.one("content-type")
    assert error in (challenge, world.gate.said(answer.json["decision"])["reason"]) or error == "missing_credential"


def test_two_authorization_fields_are_refused(world):
    token = world.token()
    answer = world.ask("/", ("Authorization", f"Bearer {token}"), ("Authorization", "Bearer two"))
    assert (400, []) == (answer.status, world.api.requests)


def test_a_token_that_is_over_is_a_401(world):
    token = world.token()
    world.server.revoke(token)
    answer = world.ask(token=token)
    assert (401, "invalid_token", []) == (answer.status, answer.json["error"], world.api.requests)


def test_a_missing_scope_is_a_403_that_names_it(world):
    answer = world.ask(token=world.token("write"))
    assert (403, "insufficient_scope", []) == (answer.status, answer.json["error"], world.api.requests)
    assert 'Bearer realm="api", error="insufficient_scope", scope="read"' in answer.one("www-authenticate").replace(
        ', error_description="The access token lacks a required scope"', ""
    )


def test_a_token_in_the_query_beside_a_good_one_is_refused(world):
    token = world.token()
    assert 200 == world.ask(token=token).status
    answer = world.ask("/?access_token=other", token=token)
    assert (401, "invalid_request") == (answer.status, answer.json["error"])


def test_an_authorization_server_that_is_down_is_a_503_that_says_when_to_come_back(world):
    world.server.down = True
    answer = world.ask(token=world.token())
    assert (503, "temporarily_unavailable", []) == (answer.status, answer.json["error"], world.api.requests)
    assert answer.one("retry-after").isdigit()
    assert "unavailable" == world.gate.said(answer.json["decision"])["reason"]


def test_an_authorization_server_that_makes_no_sense_is_a_502(world):
    world.server.status = 302
    answer = world.ask(token=world.token())
    assert (502, "bad_gateway", []) == (answer.status, answer.json["error"], world.api.requests)


def test_a_jwt_of_16_kb_gets_to_the_api(world):
    answer = world.ask(token=world.token(groups=["g" * 100] * 110))
    jwt = dict(answer.json["headers"])["authorization"]
    assert (200, True) == (answer.status, 14_000 < len(jwt) < 20_000)


def test_a_body_of_a_megabyte_gets_to_the_api(world):
    body = b"\x00\xff" * 500_000
    assert 200 == world.ask("/", method="PUT", token=world.token(), body=body).status
    assert body == world.api.requests[0][3]


def test_phantomgate_ends_and_comes_back(world):
    token = world.token()
    world.gate.stop()
    gone = world.ask(token=token)
    assert (503, "temporarily_unavailable", []) == (gone.status, gone.json["error"], world.api.requests)
    assert "5" == gone.one("retry-after")
    world.gate.start()
    assert 200 == world.ask(token=token).status


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_amid_traffic_lets_nothing_bad_in_and_loses_nobody_for_long(world, end):
    """Answers are 200 with a JWT, or 503 while nobody is there; and afterwards all is as before."""
    ended = threading.Event()
    seen = set()

    def client():
        while not ended.is_set():
            good, bad = world.ask(token=world.token()), world.ask(token="unknown")
            seen.update([("good", good.status), ("bad", bad.status)])

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        try:
            until(lambda: len(world.api.requests) > 20, "traffic")
            getattr(world.gate, end)()
            until(lambda: ("good", 503) in seen, "somebody to notice")
            world.gate.start()
            known = len(world.api.requests)
            until(lambda: len(world.api.requests) > known + 20, "traffic again")
        finally:
            ended.set()
        for one in clients:
            one.result()
    assert seen <= {("good", 200), ("good", 503), ("bad", 401), ("bad", 503)}
    arrived = [dict(fields)["authorization"] for _, _, fields, _ in world.api.requests]
    assert all("ann" == claims_of(value)["sub"] for value in arrived)


def test_nothing_that_was_written_holds_a_token(world):
    good, bad, refused = world.token(), "unknown-9f8e7d6c5b4a", world.token("write")
    for token in (good, bad, refused):
        world.ask(f"/?q={token[:4]}", token=token)
    world.server.down = True
    late = world.token()
    world.ask(token=late)
    written = {**world.proxy.files(), "phantomgate.log": world.gate.log.read_bytes()}
    for token in (good, bad, refused, late):
        assert [] == [name for name, data in written.items() if token.encode() in data]
        assert not world.api.contains(token)


def test_a_hit_is_no_decision(cached):
    token = cached.token()
    first = cached.ask("/a", token=token)
    before = cached.counts()
    others = [cached.ask(f"/{number}", token=token, method="POST") for number in range(5)]
    decisions, questions, requests = (now - then for now, then in zip(cached.counts(), before, strict=True))
    assert (0, 0, 5) == (decisions, questions, requests)
    jwts = {dict(answer.json["headers"])["authorization"] for answer in (first, *others)}
    assert 1 == len(jwts)


def test_a_cookie_makes_it_a_decision_each_time(cached):
    token = cached.token()
    before = cached.gate.decisions()
    for _ in range(3):
        assert 200 == cached.ask("/", ("Cookie", "theme=dark"), token=token).status
    assert 3 == cached.gate.decisions() - before


def test_a_401_is_a_decision_each_time(cached):
    before = cached.gate.decisions()
    for _ in range(3):
        assert 401 == cached.ask(token="never-issued").status
    assert 3 == cached.gate.decisions() - before


def test_twenty_first_requests_are_one_question_to_the_authorization_server(world):
    token = world.token()
    questions = world.server.introspections
    with ThreadPoolExecutor(20) as pool:
        answers = [*pool.map(lambda _: world.ask(token=token), range(20))]
    assert ({200}, 1) == ({answer.status for answer in answers}, world.server.introspections - questions)


def test_a_revoked_token_is_refused_when_its_time_is_over(cached):
    """The authorization server's `max-age=2` is N; after that nginx asks phantomgate, and phantomgate the server."""
    cached.server.cache_control = "max-age=2"
    token = cached.token()
    assert 200 == cached.ask(token=token).status
    cached.server.revoke(token)
    until(lambda: cached.ask(token=token).status == 401, "the revoked token to be refused")


def test_a_token_is_refused_when_it_expires(world):
    token = world.token(seconds=2)
    assert 200 == world.ask(token=token).status
    until(lambda: world.ask(token=token).status == 401, "the token to expire")


def test_no_store_is_remembered_by_nobody(cached):
    cached.server.cache_control = "no-store"
    token = cached.token()
    questions = cached.server.introspections
    assert [200] * 3 == [cached.ask(token=token).status for _ in range(3)]
    assert 3 == cached.server.introspections - questions


def test_with_routes_what_is_remembered_of_one_is_not_good_for_another(routed):
    reader, writer = routed.token("read"), routed.token("read orders:write")
    for _ in range(2):
        assert [200, 403, 403] == [
            routed.ask("/orders/1", token=reader).status,
            routed.ask("/orders/1", token=reader, method="POST").status,
            routed.ask("/admin", token=reader).status,
        ]
        assert [200, 200, 403] == [
            routed.ask("/orders/1", token=writer).status,
            routed.ask("/orders/1", token=writer, method="POST").status,
            routed.ask("/orders/1", token=writer, method="DELETE").status,
        ]


@pytest.mark.parametrize(
    "path", ["/orders/../admin", "/orders/%2e%2e/admin", "//orders/1", "/orders;x=1/1", "/orders/%252e%252e/admin"]
)
def test_with_routes_a_path_with_two_meanings_is_refused(routed, path):
    routed.api.requests.clear()
    answer = routed.ask(path, token=routed.token())
    assert (401, "invalid_request", []) == (answer.status, answer.json["error"], routed.api.requests)


def test_what_the_client_calls_the_request_is_not_what_is_judged(routed):
    fields = [
        ("X-Original-URI", "/orders/1"),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Uri", "/orders/1"),
        ("X-Forwarded-Method", "GET"),
        ("X-HTTP-Method-Override", "GET"),
    ]
    routed.api.requests.clear()
    token = routed.token()
    assert 403 == routed.ask("/orders/1", *fields, token=token, method="POST").status
    assert 403 == routed.ask("/admin", *fields, token=token).status
    assert [] == routed.api.requests


def test_routes_that_came_after_init_are_never_answered_from_memory_by_token(tmp_path_factory):
    """nginx was configured without [[routes]]; now phantomgate has them, and says so in every answer (`Vary`)."""
    with running(tmp_path_factory, variant="cached") as world:
        world.gate.stop()
        world.gate.settings.write_text(world.gate.settings.read_text() + ROUTES)
        world.gate.start()
        token = world.token()
        paths = ["/orders/1", "/admin", "/orders/2"]
        assert [200, 403, 200] == [world.ask(path, token=token).status for path in paths]


def test_over_a_unix_socket_it_is_all_the_same(tmp_path_factory):
    with running(tmp_path_factory, variant="direct", listen="unix:{folder}/decide.sock") as world:
        token = world.token()
        assert [200, 401] == [world.ask(token=token).status, world.ask(token="unknown").status]
        assert not world.api.contains(token)
