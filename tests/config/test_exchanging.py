"""[exchange] end to end: a token in, the server's JWT for the API out, and every problem in the settings."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from phantomgate.cli.story import as_text, tell
from phantomgate.config.checks import problems_between
from phantomgate.config.settings import Cache, Exchange, Introspection, IssuerRule, Mint, Policy, RouteRule, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason, Unavailable
from phantomgate.core.model import Allow, Headers, Request
from phantomgate.gateway.explain import recording
from phantomgate.testing import FakeHttp, reply
from tokens import NOW, jwt

ENVIRON = {"SECRET": "s3cret", "OTHER": "0ther"}
EXCHANGE = Exchange("https://as.example/token", "exchanger", "env:OTHER", audience="orders")
SETTINGS = Settings(
    introspection=Introspection("https://as.example/introspect", "gateway", "env:SECRET", answer="json"),
    policy=Policy(scopes=("read",)),
    exchange=EXCHANGE,
)
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


class Server:
    """Introspects by JSON without a JWT, and exchanges, unless told otherwise."""

    def __init__(self, **facts):
        self.facts = {"active": True, "sub": "ann", "scope": "read", "exp": NOW + 3600, **facts}
        self.exchanged = 0
        self.trouble = None

    def __call__(self, call):
        if call.url.endswith("/introspect"):
            return reply(200, json.dumps(self.facts), content_type="application/json")
        if call.method == "GET":
            said = {"issuer": "https://as.example", "token_endpoint": "https://as.example/token"}
            return reply(200, json.dumps(said), content_type="application/json")
        if isinstance(self.trouble, Exception):
            raise self.trouble
        if self.trouble is not None:
            return self.trouble
        self.exchanged += 1
        form = parse_qs(call.body.decode())
        given = jwt(aud=form["audience"][0], sub="pairwise", jti=f"{self.exchanged}", exp=NOW + 120)
        said = {"access_token": given, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer"}
        return reply(200, json.dumps(said), content_type="application/json")


@pytest.fixture
def gate(clock):
    def make(server, settings=SETTINGS):
        http = FakeHttp(server)
        made = wire(settings, environ=ENVIRON, write=print, now=clock.now, ticks=clock.ticks, http=http)
        return made, http.calls

    return make


def request(path="/", token="opaque-canary"):
    return Request("GET", path, Headers.of([("Authorization", f"Bearer {token}")]))


def refusal(code, status=400):
    return reply(status, json.dumps({"error": code}), content_type="application/json")


def test_the_exchanged_jwt_goes_upstream_and_the_token_does_not(drive, gate):
    server = Server()
    made, calls = gate(server, replace(SETTINGS, forward=replace(SETTINGS.forward, claims={"X-User": "sub"})))

    decisions = [drive(made.gateway.decide(request())) for _ in range(3)]

    first = decisions[0]
    assert isinstance(first, Allow)
    assert dict(first.upstream.set)["X-User"] == "ann", "the claims that were judged stay the source's"
    assert first.upstream.jwt == jwt(aud="orders", sub="pairwise", jti="1", exp=NOW + 120)
    assert "opaque-canary" not in str(first.upstream.set)
    assert first.lifetime(NOW, made.ticks()) == 120, "a gateway may keep the answer no longer than the JWT"
    assert [call.url.rpartition("/")[2] for call in calls] == ["introspect", "token"]
    assert [d.upstream.jwt for d in decisions] == [first.upstream.jwt] * 3
    assert made.metrics.snapshot()["cache"]["exchange"] == {"hit": 2, "miss": 1, "negative": 0}


def test_the_two_servers_see_the_client_that_each_knows(drive, gate):
    made, calls = gate(Server())
    drive(made.gateway.decide(request()))

    shown = [dict(call.headers)["Authorization"] for call in calls]
    assert shown == ["Basic Z2F0ZXdheTpzM2NyZXQ=", "Basic ZXhjaGFuZ2VyOjB0aGVy"]


def test_nothing_is_exchanged_before_the_token_was_judged(drive, gate):
    server = Server(scope="write")
    made, calls = gate(server)

    decision = drive(made.gateway.decide(request()))

    assert (decision.reason, server.exchanged, len(calls)) == (Reason.INSUFFICIENT_SCOPE, 0, 1)


def test_a_remembered_exchange_never_skips_a_judge(drive, gate, clock):
    server = Server()
    made, _ = gate(server, replace(SETTINGS, cache=Cache(max_age=60.0, negative_max_age=0.0)))
    assert isinstance(drive(made.gateway.decide(request())), Allow)
    server.facts = {"active": False}
    clock.advance(61)

    assert drive(made.gateway.decide(request())).reason is Reason.INACTIVE


def test_a_route_has_its_own_audience(drive, gate):
    routes = (RouteRule("/stock/**", upstream_audience="stock"), RouteRule("/**"))
    made, calls = gate(Server(), replace(SETTINGS, routes=routes))

    for path in ("/stock/1", "/orders", "/stock/2"):
        drive(made.gateway.decide(request(path)))

    asked = [parse_qs(call.body.decode())["audience"][0] for call in calls if call.url.endswith("/token")]
    assert asked == ["stock", "orders"]


def test_the_jwt_never_outlives_the_token(drive, gate, clock):
    server = Server(exp=NOW + 30)
    made, _ = gate(server)

    decision = drive(made.gateway.decide(request()))
    assert decision.upstream.expires_at == NOW + 30
    assert decision.lifetime(NOW, clock.ticks()) == 30
    clock.advance(30)
    assert drive(made.gateway.decide(request())).reason is Reason.EXPIRED


def test_a_token_that_ends_while_it_is_exchanged_is_refused(drive, gate, clock):
    server = Server(exp=NOW + 30)

    def slow(call):
        clock.advance(30 if call.url.endswith("/token") else 0)
        return server(call)

    made, _ = gate(slow)
    assert drive(made.gateway.decide(request())).reason is Reason.EXPIRED


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (refusal("invalid_grant"), Reason.INVALID_TOKEN),
        (refusal("invalid_request"), Reason.INVALID_TOKEN),
        (refusal("invalid_target"), Reason.CLIENT_REFUSED),
        (refusal("invalid_client", 401), Reason.CLIENT_REFUSED),
        (reply(503), Reason.UNAVAILABLE),
        (Unavailable("lost"), Reason.UNAVAILABLE),
        (reply(200, "<html>", content_type="text/html"), Reason.BAD_ANSWER),
        (RuntimeError("a bug"), Reason.SERVER_ERROR),
    ],
)
def test_without_an_exchanged_jwt_nothing_goes_upstream(drive, gate, trouble, reason):
    server = Server()
    server.trouble = trouble
    made, _ = gate(server)

    assert drive(made.gateway.decide(request())).reason is reason


def test_a_jwt_that_came_with_the_facts_is_not_forwarded_instead(drive, gate):
    server = Server(jwt=jwt())
    server.trouble = reply(503)
    made, _ = gate(server)

    assert drive(made.gateway.decide(request())).reason is Reason.UNAVAILABLE


def test_the_jwt_of_an_introspection_can_be_what_is_exchanged(drive, gate):
    server = Server(jwt=jwt())
    made, calls = gate(server, replace(SETTINGS, exchange=replace(EXCHANGE, subject_token="jwt")))
    drive(made.gateway.decide(request()))

    assert parse_qs(calls[-1].body.decode())["subject_token"] == [jwt()]


def test_the_token_endpoint_is_found_in_the_metadata(drive, gate):
    found = replace(EXCHANGE, endpoint="", issuer="https://as.example")
    made, calls = gate(Server(), replace(SETTINGS, exchange=found))

    assert isinstance(drive(made.gateway.decide(request())), Allow)
    assert [call.url.rpartition("/")[2] for call in calls] == ["introspect", "oauth-authorization-server", "token"]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (refusal("invalid_request"), None),
        (refusal("invalid_grant"), None),
        (refusal("unauthorized_client"), Reason.CLIENT_REFUSED),
        (refusal("invalid_target"), Reason.CLIENT_REFUSED),
        (refusal("invalid_client", 401), Reason.CLIENT_REFUSED),
        (None, Reason.BAD_ANSWER),
        (reply(500), Reason.UNAVAILABLE),
    ],
)
def test_a_probe_tells_whether_the_server_would_exchange_for_us(drive, gate, trouble, reason):
    server = Server()
    server.trouble = trouble
    made, _ = gate(server)
    no = drive(made.probes[-1].ask())

    assert made.probes[-1].name == "exchange"
    assert (no and no.reason) == reason


def test_explain_says_whom_the_jwt_is_for_and_shows_neither_token(drive, gate, clock):
    made, _ = gate(Server())
    for _ in range(3):
        watched, steps = recording(made.gateway, made.policy_names, made.ticks)
        asked = request()
        decision = drive(watched.decide(asked))
        story = tell(SETTINGS, asked, steps, decision, exchange=False, now=NOW, ticks=clock.ticks())
        assert "forward   a JWT for orders, which the token was exchanged for  [0.0 ms]" in as_text(story)
        assert "opaque-canary" not in json.dumps(story)
        assert decision.upstream.jwt not in json.dumps(story)


def problems(**changed):
    return list(problems_between(replace(SETTINGS, **changed)))


def test_good_settings_have_no_problem():
    assert problems() == []


@pytest.mark.parametrize(
    ("exchange", "blamed"),
    [
        (Exchange(audience="orders"), ["exchange.endpoint", "exchange.client_id", "exchange.client_secret"]),
        (replace(EXCHANGE, audience=""), ["exchange.audience"]),
        (replace(EXCHANGE, endpoint="http://as.example/token"), ["exchange.endpoint"]),
        (replace(EXCHANGE, endpoint="", issuer="http://as.example"), ["exchange.endpoint"]),
        (replace(EXCHANGE, client_auth="bearer"), ["exchange.client_auth"]),
        (replace(EXCHANGE, client_auth="private_key_jwt"), ["exchange.client_key"]),
        (replace(EXCHANGE, client_auth="tls_client_auth", client_secret=""), ["exchange.client_certificate_file"]),
    ],
)
def test_what_is_missing_or_unsafe_is_said(exchange, blamed):
    assert [name for name, _ in problems(exchange=exchange)] == blamed


def test_only_one_can_make_the_jwt():
    mint = Mint(keys=("env:KEY",), issuer="https://gateway.example", audience="orders")
    [(name, text)] = problems(mint=mint)

    assert name == "exchange.endpoint"
    assert "mint.keys" in text


def test_a_signed_answer_needs_an_exchange_or_a_minter_and_gives_no_jwt_to_exchange():
    signed = replace(
        SETTINGS.introspection, answer="signed", issuer="https://as.example", keys="https://as.example/jwks"
    )

    assert problems(introspection=signed) == []
    assert [name for name, _ in problems(introspection=signed, exchange=Exchange())] == ["introspection.answer"]
    of_jwt = replace(EXCHANGE, subject_token="jwt")
    assert [name for name, _ in problems(introspection=signed, exchange=of_jwt)] == ["exchange.subject_token"]


def test_the_tokens_of_every_issuer_are_exchanged_at_the_one_server(drive, gate):
    asked = replace(SETTINGS.introspection, endpoint="https://two.example/introspect")
    two = IssuerRule("two", "https://two.example", "introspect", introspection=asked)
    made, calls = gate(Server(), replace(SETTINGS, introspection=Introspection(), issuers=(two,)))

    assert isinstance(drive(made.gateway.decide(request())), Allow)
    assert [call.url for call in calls] == ["https://two.example/introspect", "https://as.example/token"]
