"""What the demo's servers say: JSON, pages, files and errors, each with the headers it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from phantomgate.demo import exchange
from phantomgate.demo.clients import OAuthError
from phantomgate.demo.login import page_headers

STATIC = Path(__file__).parent / "static"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1
GRANTS = ("authorization_code", "refresh_token", "client_credentials", exchange.GRANT)
TYPES = {".css": "text/css", ".js": "text/javascript", ".html": "text/html", ".svg": "image/svg+xml"}


def json_answer(facts: Mapping[str, Any], cache_control: str = "", status: int = 200) -> web.Response:
    """*facts* as JSON; without *cache_control* nothing is said about keeping them."""
    headers = {"Cache-Control": cache_control} if cache_control else {}
    return web.json_response(facts, status=status, headers=headers)


def html(page: str, redirect_uri: str = "", status: int = 200) -> web.Response:
    """A page of the authorization server, whose form may lead to *redirect_uri*."""
    return web.Response(text=page, content_type="text/html", headers=page_headers(redirect_uri), status=status)


def static(
    name: str, headers: Mapping[str, str] | None = None, folder: Path = STATIC
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that gives one file that ships with the demo."""
    body = (folder / name).read_bytes()
    given = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", **(headers or {})}

    async def give(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=TYPES[Path(name).suffix], charset="utf-8", headers=given)

    return give


@web.middleware
async def errors_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals as RFC 6749 §5.2 has them; a 401 says how to authenticate."""
    try:
        return await handler(request)
    except OAuthError as wrong:
        headers = dict(NO_STORE)
        if wrong.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="development only"'
        return web.json_response(
            {"error": wrong.error, "error_description": wrong.description}, status=wrong.status, headers=headers
        )


def metadata(issuer: str, algorithm: str) -> dict[str, Any]:
    """The server about itself: RFC 8414 §2, and what OpenID Connect Discovery 1.0 §3 wants besides."""
    client_auth = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "end_session_endpoint": f"{issuer}/logout",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANTS),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*client_auth, "none"],
        "introspection_endpoint_auth_methods_supported": client_auth,
        "revocation_endpoint_auth_methods_supported": [*client_auth, "none"],
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "scopes_supported": ["openid", "profile", "email"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
    }
