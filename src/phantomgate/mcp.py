"""`phantomgate.mcp.PhantomTokenVerifier`: access tokens for a server of the Model Context Protocol, by its Python SDK.

    verifier = PhantomTokenVerifier("phantomgate.toml")
    mcp = MCPServer("orders", token_verifier=verifier, auth=AuthSettings(...))
    app = verifier.wrap(mcp.streamable_http_app())

Rule: None means that the token is no good, and nothing else does. Whatever else is wrong is raised, since the SDK would
make a 401 of None and so log everybody out because the authorization server is down.
"""

from __future__ import annotations

from copy import deepcopy
from hashlib import sha256
from typing import Any

from mcp.server.auth.provider import AccessToken

from phantomgate.adapters.asgi import App
from phantomgate.asgi import Answering, Running, Source, Wire, nonblocking
from phantomgate.core.errors import Refused
from phantomgate.core.model import Allow, Headers, Refuse, Request
from phantomgate.oauth.claims import read_audiences


class PhantomTokenVerifier:
    """The SDK's `TokenVerifier`. *settings* as for `PhantomGate`; `[policy]` is what rules, `[[routes]]` are not looked
    at. `get_access_token().token` in a tool is the JWT, for the API whose audience it has; never the client's token."""

    def __init__(self, settings: Source = None, *, wire: Wire = nonblocking) -> None:
        self.running = Running(settings, wire)

    async def verify_token(self, token: str) -> AccessToken | None:
        """What the SDK needs to know of *token*, or None where it is no good (401). Raises Refused: a scope of
        `[policy]` is missing (403), or it can't be known (500, 502, 503)."""
        wired = self.running.wired()
        headers = Headers.of([("authorization", b"Bearer " + token.encode("utf-8", "replace"))])
        decision = await wired.gateway.decide(Request("", "", headers, routed=False))
        if isinstance(decision, Allow):
            return access_token(decision, wired.settings.resource.identifier)
        if not isinstance(decision, Refuse) or decision.reason.status in (400, 401):
            return None
        raise Refused(decision.reason, decision.detail, scope=decision.scope, retry_after=decision.retry_after)

    def wrap(self, app: App) -> App:
        """*app*, answering as phantomgate does where a token can't be judged, and closing the verifier at its end. A
        Starlette application, as the SDK makes them, gets a middleware and is the same object."""
        add = getattr(app, "add_middleware", None)
        if add is None:
            return Answering(app, self.running)
        add(Answering, running=self.running)
        return app


def access_token(allow: Allow, resource: str) -> AccessToken:
    """The SDK's words for *allow*. `resource` is *resource* where the token is for it, else what it is for."""
    claims: dict[str, Any] = deepcopy(dict(allow.token.claims))
    if allow.token.issuer:
        claims.setdefault("iss", allow.token.issuer)
    audiences = read_audiences(claims)
    jwt, subject = allow.upstream.jwt, _text(claims.get("sub"))
    # The SDK binds its sessions to client, issuer and subject, so a token that names nobody is nobody else's either
    client = _text(claims.get("client_id")) or _text(claims.get("azp")) or subject or sha256(jwt.encode()).hexdigest()
    return AccessToken(
        token=jwt,
        client_id=client,
        scopes=sorted(allow.token.scopes),
        expires_at=int(min(allow.token.expires_at, allow.upstream.expires_at)),
        resource=resource if resource in audiences else min(audiences, default=None),
        subject=subject or None,
        claims=claims,
    )


def _text(claim: object) -> str:
    return claim if isinstance(claim, str) else ""
