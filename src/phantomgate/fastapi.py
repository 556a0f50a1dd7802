"""`phantomgate.fastapi`: who calls, as a dependency, and what scopes an operation needs, in code and in OpenAPI alike.

    app.add_middleware(PhantomGate, settings="phantomgate.toml")

    @app.get("/orders")
    async def orders(caller: Annotated[Caller, Security(requires_token, scopes=["orders:read"])]): ...

Rule: the middleware decides; a dependency only asks for more. Without the middleware it is an error, never an allow.
"""

from typing import Any

from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlows
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from phantomgate.adapters.asgi import STATE
from phantomgate.adapters.caller import Caller
from phantomgate.asgi import PhantomGate

__all__ = ["Caller", "PhantomGate", "RequiresToken", "requires_token"]


class RequiresToken(SecurityBase):
    """A dependency that gives the `Caller`, who must have the scopes that `Security(..., scopes=[...])` names.

    OpenAPI shows it as *scheme_name*: a Bearer token or, with *flows*, OAuth 2.0, so that the documentation's
    "Authorize" gets a token by itself. It raises `Refused`, which `PhantomGate` answers with 403 and the challenge.
    """

    def __init__(
        self, *, scheme_name: str = "phantomgate", description: str | None = None, flows: OAuthFlows | None = None
    ) -> None:
        self.scheme_name = scheme_name
        self.model = OAuth2(flows=flows, description=description) if flows else HTTPBearer(description=description)

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> Caller:
        """Called by FastAPI."""
        state: dict[str, Any] = connection.scope.get("state") or {}
        caller = state.get(STATE)
        if not isinstance(caller, Caller):
            raise RuntimeError("no decision was made; say app.add_middleware(PhantomGate, settings=...)")
        caller.require(*security_scopes.scopes)
        return caller


requires_token = RequiresToken()
"""The usual one: a Bearer token."""
