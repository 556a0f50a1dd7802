"""The verifier for the SDK of the Model Context Protocol: None is for bad tokens alone."""

from __future__ import annotations

import asyncio

import pytest
from mcp.server.auth.provider import TokenVerifier

from apps import RESOURCE, Behind, ask, knows, settings
from phantomgate.config.settings import Policy, RouteRule
from phantomgate.core.errors import Reason, Refused
from phantomgate.mcp import PhantomTokenVerifier
from phantomgate.testing import FakeHttp
from tokens import NOW, jwt


def verified(clock, token, claims=None, **more):
    behind = Behind(clock, http=FakeHttp(knows(claims)))
    verifier: TokenVerifier = PhantomTokenVerifier(settings(**{"resource": RESOURCE, **more}), wire=behind)

    async def story():
        return await verifier.verify_token(token)

    return asyncio.run(story())


def test_a_good_token_is_the_jwt_and_its_facts(clock):
    token = verified(clock, "good", {"client_id": "app", "aud": ["other", RESOURCE.identifier]})

    assert jwt({"client_id": "app", "aud": ["other", RESOURCE.identifier], "scope": "read write"}) == token.token
    assert ("app", "ann", ["read", "write"], NOW + 3600) == (
        token.client_id, token.subject, token.scopes, token.expires_at,
    )  # fmt: skip
    assert (RESOURCE.identifier, "https://as.example") == (token.resource, token.claims["iss"])


def test_whom_else_it_is_for_is_said_as_it_is(clock):
    assert "api" == verified(clock, "good").resource
    assert verified(clock, "good", {"aud": []}).resource is None


def test_a_token_that_names_nobody_shares_its_sessions_with_nobody(clock):
    clients = {verified(clock, "good", {"sub": None, "jti": number}).client_id for number in range(2)}

    assert 2 == len(clients)
    assert all(len(client) == 64 for client in clients)


@pytest.mark.parametrize("token", ["unknown", "", "a b", "a,b", "t\u00e9", "\ud800", "good\n"])
def test_a_bad_token_is_none(clock, token):
    assert verified(clock, token) is None


@pytest.mark.parametrize(
    ("token", "reason", "more"),
    [
        ("down", Reason.UNAVAILABLE, {}),
        ("odd", Reason.BAD_ANSWER, {}),
        ("good", Reason.INSUFFICIENT_SCOPE, {"policy": Policy(scopes=("admin",))}),
    ],
)
def test_everything_else_is_raised_so_that_nobody_is_logged_out(clock, token, reason, more):
    with pytest.raises(Refused) as no:
        verified(clock, token, **more)
    assert reason is no.value.reason


def test_routes_are_not_looked_at(clock):
    assert verified(clock, "good", routes=(RouteRule("/x", scopes=("admin",)),)) is not None


@pytest.mark.parametrize("audiences", [("https://other.example",), ("API",)])
def test_a_token_for_another_api_is_none(clock, audiences):
    assert verified(clock, "good", policy=Policy(audiences=audiences)) is None


def test_any_application_can_be_wrapped(clock):
    verifier = PhantomTokenVerifier(settings(resource=RESOURCE), wire=Behind(clock))

    async def app(scope, receive, send):
        await verifier.verify_token("down")

    answer = asyncio.run(ask(verifier.wrap(app), "/mcp"))
    assert (503, ["7"]) == (answer.status, answer.all("retry-after"))
