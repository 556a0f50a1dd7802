"""Token exchange: what the development server gives and refuses, and a gateway that lives by it."""

from __future__ import annotations

import time

import pytest

from demo.conftest import ask
from phantomgate.backends.blocking import finish
from phantomgate.config.settings import Cache, Exchange, Introspection, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason
from phantomgate.core.model import Allow, Headers, Request
from phantomgate.demo.exchange import ACCESS_TOKEN, GRANT, JWT
from phantomgate.demo.tokens import verify

GATEWAY = ("gateway", "gateway-secret")


def form(token, **more):
    asked = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "audience": "sample-api"}
    return {name: value for name, value in {**asked, **more}.items() if value is not None}


@pytest.mark.parametrize(
    ("wish", "issued", "kind"),
    [({}, ACCESS_TOKEN, "Bearer"), ({"requested_token_type": JWT}, JWT, "N_A")],
)
def test_an_active_token_becomes_a_jwt_for_the_api(server, issuer, wish, issued, kind):
    said = ask(issuer + "/token", form(server.issue("service", "read", subject="ann"), **wish), basic=GATEWAY).json

    assert (said["issued_token_type"], said["token_type"]) == (issued, kind)
    claims = verify(said["access_token"], server.jwks(), issuer=issuer, audience="sample-api", now=time.time()).claims
    assert (claims["sub"], claims["scope"]) == ("ann", "read")


@pytest.mark.parametrize(
    ("more", "basic", "error"),
    [
        ({"subject_token": "nobody-s"}, GATEWAY, "invalid_request"),
        ({"subject_token": None}, GATEWAY, "invalid_request"),
        ({"subject_token_type": JWT}, GATEWAY, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, GATEWAY, "invalid_request"),
        ({"actor_token": "x"}, GATEWAY, "invalid_request"),
        ({"audience": "elsewhere"}, GATEWAY, "invalid_target"),
        ({"audience": None}, GATEWAY, "invalid_target"),
        ({}, ("service", "pa:ss %"), "unauthorized_client"),
    ],
)
def test_what_is_refused(server, issuer, more, basic, error):
    answer = ask(issuer + "/token", form(server.issue("service"), **more), basic=basic)

    assert (answer.status, answer.json["error"]) == (400, error)


@pytest.fixture
def gate(server, issuer):
    """A gateway that introspects in JSON and exchanges, over real connections; `[exchange]` as given."""
    made = []

    def make(**changed):
        settings = Settings(
            introspection=Introspection(f"{issuer}/introspect", "gateway", "env:SECRET", answer="json"),
            cache=Cache(max_age=0.0, negative_max_age=0.0),
            exchange=Exchange(client_id="gateway", client_secret="env:SECRET", **{"audience": "sample-api", **changed}),
        )
        wired = wire(settings, environ={"SECRET": "gateway-secret"}, write=print)
        made.append(wired)
        return wired

    yield make
    for wired in made:
        finish(wired.close())


def decide(wired, token):
    return finish(wired.gateway.decide(Request("GET", "/", Headers.of([("Authorization", f"Bearer {token}")]))))


def test_a_gateway_finds_the_token_endpoint_and_exchanges(server, issuer, gate):
    wired, token = gate(issuer=issuer), server.issue("service", "read", subject="ann")

    decisions = [decide(wired, token) for _ in range(3)]

    assert [Allow] * 3 == [type(one) for one in decisions]
    jwt = decisions[0].upstream.jwt
    assert verify(jwt, server.jwks(), issuer=issuer, audience="sample-api", now=time.time()).claims["sub"] == "ann"
    assert (server.introspections, server.exchanges) == (3, 1)
    assert finish(wired.probe()) is None


def test_a_revoked_token_is_refused_whatever_was_exchanged_before(server, issuer, gate):
    wired, token = gate(endpoint=f"{issuer}/token"), server.issue("service")
    assert isinstance(decide(wired, token), Allow)
    server.revoke(token)

    assert decide(wired, token).reason is Reason.INACTIVE


def test_an_audience_that_the_server_does_not_know_is_our_fault(server, issuer, gate):
    wired = gate(endpoint=f"{issuer}/token", audience="elsewhere")

    assert decide(wired, server.issue("service")).reason is Reason.CLIENT_REFUSED
    assert finish(wired.probe()).detail == "the token endpoint answered invalid_target"
