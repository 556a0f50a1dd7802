"""OpenID Connect at the development authorization server: ID tokens, claims about the user, logout. Pure.

Rule: what is told depends on the scopes that the person agreed to, and an ID token is for one client and one login.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantomgate.demo.clients import Client, OAuthError
from phantomgate.demo.sessions import Grant
from phantomgate.oauth.id_token import half_hash
from phantomgate.oauth.logout_token import EVENT

SCOPES = frozenset(("openid", "profile", "email"))
ID_TOKEN_SECONDS = 300
LOGOUT_TOKEN_SECONDS = 120
SESSION_COOKIE = "development-session"
_ABOUT: Mapping[str, Mapping[str, Any]] = {
    "profile": {"name": "Ann Example", "given_name": "Ann", "family_name": "Example"},
    "email": {"email": "ann@example.test", "email_verified": True},
}


def user_claims(subject: str, scopes: tuple[str, ...]) -> dict[str, Any]:
    """The userinfo about *subject* (OpenID Connect Core §5.4)."""
    said: dict[str, Any] = {"sub": subject}
    for scope in scopes:
        said |= _ABOUT.get(scope, {})
    return said


def id_token_claims(issuer: str, grant: Grant, access_token: str, algorithm: str, now: float) -> dict[str, Any]:
    """What the ID token says that goes with *access_token* (OpenID Connect Core §2, §3.1.3.6)."""
    nonce = {"nonce": grant.nonce} if grant.nonce else {}
    return {
        "iss": issuer,
        "aud": grant.client_id,
        "iat": int(now),
        "exp": int(now) + ID_TOKEN_SECONDS,
        "auth_time": grant.auth_time,
        "sid": grant.sid,
        "at_hash": half_hash(access_token, algorithm),
        **nonce,
        **user_claims(grant.subject, grant.scopes),
    }


def logout_claims(issuer: str, grant: Grant, jti: str, now: float) -> dict[str, Any]:
    """What a logout token says (OpenID Connect Back-Channel Logout §2.4)."""
    return {
        "iss": issuer,
        "aud": grant.client_id,
        "sub": grant.subject,
        "sid": grant.sid,
        "iat": int(now),
        "exp": int(now) + LOGOUT_TOKEN_SECONDS,
        "jti": jti,
        "events": {EVENT: {}},
    }


def after_logout(form: Mapping[str, str], clients: Mapping[str, Client]) -> str:
    """Where the browser goes after a logout, or empty (OpenID Connect RP-Initiated Logout §3). Raises OAuthError."""
    wanted = form.get("post_logout_redirect_uri", "")
    if not wanted:
        return ""
    client = clients.get(form.get("client_id", ""))
    if client is None or wanted not in client.post_logout_redirect_uris:
        raise OAuthError("invalid_request", "post_logout_redirect_uri is not registered for this client")
    return f"{wanted}?state={form['state']}" if form.get("state", "").isalnum() else wanted
