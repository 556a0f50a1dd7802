"""Token exchange at the development authorization server (RFC 8693): its own access token in, a JWT for an API out.

Pure: a form in, what is asked for or an OAuthError out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from phantomgate.demo.clients import Client, OAuthError

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a kind of token
JWT = "urn:ietf:params:oauth:token-type:jwt"


class Asked(NamedTuple):
    """Which token is to be exchanged, for which API, and as what kind of token."""

    subject_token: str
    audience: str
    issued_type: str


def read_exchange(form: Mapping[str, str], client: Client, audiences: Collection[str]) -> Asked:
    """What *client* asks for; *audiences* are the APIs that there are. Raises OAuthError (RFC 8693 §2.2.2)."""
    if not client.introspects:
        raise OAuthError("unauthorized_client", f"{client.client_id} may not exchange tokens")
    if not form.get("subject_token") or form.get("subject_token_type") != ACCESS_TOKEN:
        raise OAuthError("invalid_request", "want a subject_token whose subject_token_type is access_token")
    if "actor_token" in form:
        raise OAuthError("invalid_request", "delegation is not available")
    issued_type = form.get("requested_token_type", ACCESS_TOKEN)
    if issued_type not in (ACCESS_TOKEN, JWT):
        raise OAuthError("invalid_request", "requested_token_type is neither access_token nor jwt")
    audience = form.get("audience") or form.get("resource") or ""
    if audience not in audiences:
        raise OAuthError("invalid_target", "audience or resource is no API of ours")
    return Asked(form["subject_token"], audience, issued_type)
