"""The dependency of FastAPI: it asks for more than the middleware, in code and OpenAPI alike, and lets nobody in."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.openapi.models import OAuthFlowAuthorizationCode, OAuthFlows
from fastapi.testclient import TestClient

from apps import Behind, settings
from phantomgate.config.settings import Policy
from phantomgate.fastapi import Caller, PhantomGate, RequiresToken, requires_token

FLOWS = OAuthFlows(
    authorizationCode=OAuthFlowAuthorizationCode(
        authorizationUrl="https://as.example/authorize",
        tokenUrl="https://as.example/token",
        scopes={"read": "see orders", "orders.write": "order"},
    )
)


def application(requires=requires_token):
    app = FastAPI()

    def writer(caller: Annotated[Caller, Security(requires, scopes=["orders.write"])]) -> str:
        return caller.subject

    @app.get("/orders")
    async def orders(caller: Annotated[Caller, Security(requires, scopes=["read"])]) -> str:
        return caller.subject

    @app.post("/orders")
    def order(who: Annotated[str, Security(writer, scopes=["read"])]) -> str:
        return who

    @app.get("/anybody")
    async def anybody(caller: Annotated[Caller, Depends(requires)]) -> list[str]:
        return sorted(caller.scopes)

    return app


@pytest.fixture
def client(clock):
    app = application()
    app.add_middleware(PhantomGate, settings=settings(policy=Policy(scope_strategy="hierarchic")), wire=Behind(clock))
    with TestClient(app, headers={"Authorization": "Bearer good"}) as client:
        yield client


def test_who_calls_is_given(client):
    assert ("ann", ["read", "write"]) == (client.get("/orders").json(), client.get("/anybody").json())


def test_scopes_of_nested_dependencies_add_up(client):
    answer = client.post("/orders")

    assert (403, "insufficient_scope") == (answer.status_code, answer.json()["error"])
    assert 'scope="orders.write read"' in answer.headers["www-authenticate"]


def test_without_a_token_nothing_is_reached(client):
    assert 401 == client.get("/orders", headers={"Authorization": ""}).status_code


def test_without_the_middleware_it_is_an_error_and_no_allow():
    client = TestClient(application(), headers={"Authorization": "Bearer good"})

    with pytest.raises(RuntimeError, match="add_middleware"):
        client.get("/orders")


@pytest.mark.parametrize("forged", ["ann", {"subject": "ann"}, object()])
def test_only_the_middleware_can_say_who_calls(forged):
    app = application()

    async def outside(scope, receive, send):
        await app({**scope, "state": {"phantomgate": forged}}, receive, send)

    with pytest.raises(RuntimeError, match="no decision"):
        TestClient(outside).get("/orders")


def test_openapi_shows_what_each_operation_needs():
    spec = application().openapi()

    assert [{"phantomgate": ["read"]}] == spec["paths"]["/orders"]["get"]["security"]
    assert {"read", "orders.write"} == set(spec["paths"]["/orders"]["post"]["security"][0]["phantomgate"])
    assert [{"phantomgate": []}] == spec["paths"]["/anybody"]["get"]["security"]


def test_openapi_can_show_where_to_get_a_token():
    spec = application(RequiresToken(scheme_name="company", description="ask us", flows=FLOWS)).openapi()

    scheme = spec["components"]["securitySchemes"]["company"]
    assert ("oauth2", "ask us") == (scheme["type"], scheme["description"])
    assert {"read", "orders.write"} == set(scheme["flows"]["authorizationCode"]["scopes"])
    assert [{"company": ["read"]}] == spec["paths"]["/orders"]["get"]["security"]
