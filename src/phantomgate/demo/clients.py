"""Who asks the development authorization server: strict forms, and client authentication (RFC 6749 §2.3).

Pure: bytes in, a client or an OAuthError out.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from phantomgate.core.errors import PhantomgateError


class OAuthError(PhantomgateError):
    """A refusal in the words of RFC 6749 §5.2: `error`, `description` and the HTTP `status`."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. Without `secret` it is public (RFC 6749 §2.1) and has only the code flow."""

    client_id: str
    secret: str | None = field(default=None, repr=False)
    scopes: frozenset[str] = frozenset()
    """What it may ask for; asking for nothing means all of these."""
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str = ""
    """Where it wants to hear that a session is over (OpenID Connect Back-Channel Logout §2.2)."""
    access_token_seconds: float | None = None
    """How long its access tokens last, if not as long as everybody's."""
    introspects: bool = False
    """Whether it may ask about tokens (RFC 7662 §2.1: a resource server or a gateway), and exchange them (RFC 8693)."""


def read_form(body: bytes | str) -> dict[str, str]:
    """The parameters of a form or a query. Raises OAuthError for one that comes twice (RFC 6749 §3.1)."""
    try:
        text = body.decode("ascii") if isinstance(body, bytes) else body
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=32)
    except ValueError as wrong:
        raise OAuthError("invalid_request", "the parameters are not a form") from wrong
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form:
            raise OAuthError("invalid_request", f"{name} came more than once")
        form[name] = value
    return form


def read_client(authorization: Sequence[str], form: Mapping[str, str], clients: Mapping[str, Client]) -> Client:
    """The client that sent *form*, authenticated by the `Authorization` fields or in the body, never by both.

    Raises OAuthError: 401 `invalid_client` when it is unknown or its secret is wrong, without saying which.
    """
    if len(authorization) > 1:
        raise OAuthError("invalid_request", f"{len(authorization)} Authorization fields, want one")
    if authorization:
        if "client_secret" in form:
            # RFC 6749 §2.3: not more than one method in a request.
            raise OAuthError("invalid_request", "client authentication in the header and in the body, want one")
        client_id, basic = _basic(authorization[0])
        secret: str | None = basic
        if form.get("client_id", client_id) != client_id:
            raise OAuthError("invalid_request", "client_id in the body is not the client of the header")
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret")
    client = clients.get(client_id)
    if client is None or not _same(client.secret, secret):
        raise OAuthError("invalid_client", "unknown client, or wrong secret", 401)
    return client


def read_scope(form: Mapping[str, str], client: Client) -> tuple[str, ...]:
    """The scopes that are asked for, in order, or else all that *client* may have. Raises OAuthError."""
    asked = (
        tuple(dict.fromkeys(form.get("scope", "").split(" "))) if form.get("scope") else tuple(sorted(client.scopes))
    )
    beyond = [scope for scope in asked if scope not in client.scopes]
    if beyond:
        raise OAuthError("invalid_scope", f"{client.client_id} may not ask for {' '.join(beyond) or 'an empty scope'}")
    return asked


def _basic(field_value: str) -> tuple[str, str]:
    scheme, _, encoded = field_value.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(f"scheme {scheme}, want Basic")
        client_id, colon, secret = b64decode(encoded.strip(" "), validate=True).decode("utf-8").partition(":")
        if not colon:
            raise ValueError("no colon")
        # RFC 6749 §2.3.1: each part is form-encoded before the two are joined.
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (ValueError, binascii.Error) as wrong:
        raise OAuthError("invalid_client", "the Authorization field is not HTTP Basic", 401) from wrong


def _same(wanted: str | None, given: str | None) -> bool:
    if wanted is None or given is None:
        return wanted is given  # a public client sends no secret, a confidential one must
    return hmac.compare_digest(wanted.encode(), given.encode())
