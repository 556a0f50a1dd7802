"""RFC 6749 §2.3: how we show the authorization server who asks, and the form that every such question is.

Rule: pure. What is the same for every call is a `ClientAuth`; an assertion (RFC 7523) is made anew for each, so there
is a pair for it: the claims to be signed, and the `ClientAuth` that carries what was signed.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from typing import Any

from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import HttpCall
from phantomgate.oauth.form import form_body, form_value


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """What a call needs so that the server knows us: header fields, body parameters, or both."""

    client_id: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def form_call(
    endpoint: str,
    client: ClientAuth,
    params: Sequence[tuple[str, str]],
    timeout: float,
    *,
    accept: str = "application/json",
    repeat: bool = True,
    retry: bool = False,
) -> HttpCall:
    """*params* sent by *client* as a form, nothing in the URL. *timeout* in seconds; the rest as in `HttpCall`."""
    headers = (("Accept", accept), ("Content-Type", "application/x-www-form-urlencoded"), *client.headers)
    body = form_body((*params, *client.params))
    return HttpCall("POST", endpoint, headers=headers, body=body, timeout=timeout, repeat=repeat, retry=retry)


def client_secret_basic(client_id: str, secret: str) -> ClientAuth:
    """RFC 6749 §2.3.1: both parts are form-encoded *before* they are joined, so a colon or `%` in them survives."""
    pair = f"{form_value(client_id)}:{form_value(secret)}".encode("ascii")
    basic = b2a_base64(pair, newline=False).decode("ascii")
    return ClientAuth(client_id, headers=(("Authorization", f"Basic {basic}"),))


def client_secret_basic_raw(client_id: str, secret: str) -> ClientAuth:
    """RFC 7617 §2 alone: both parts as they are, in UTF-8, for servers that don't decode them, as many don't.

    *client_id* can't have a colon then: the server would take the rest for the secret.
    """
    basic = b2a_base64(f"{client_id}:{secret}".encode(), newline=False).decode("ascii")
    return ClientAuth(client_id, headers=(("Authorization", f"Basic {basic}"),))


def client_secret_post(client_id: str, secret: str) -> ClientAuth:
    """RFC 6749 §2.3.1: the same as body parameters, for servers that want it so."""
    return ClientAuth(client_id, params=(("client_id", client_id), ("client_secret", secret)))


def bearer_token(client_id: str, token: str) -> ClientAuth:
    """RFC 7662 §2.1: a token of our own as Bearer, for servers that protect introspection that way."""
    return ClientAuth(client_id, headers=(("Authorization", f"Bearer {token}"),))


def client_id_only(client_id: str) -> ClientAuth:
    """RFC 8705 §2.1: the certificate of the connection says who we are, and `client_id` whose it should be."""
    return ClientAuth(client_id, params=(("client_id", client_id),))


ASSERTION_TYP = "client-authentication+jwt"
ASSERTION_SECONDS = 60


def assertion_claims(client_id: str, audience: str, *, now: float, jti: str) -> dict[str, Any]:
    """The claims of a client assertion (RFC 7523 §3) for *audience*, made at the Unix time *now*, to be used once.

    *audience* is the issuer identifier and nothing else (draft-ietf-oauth-rfc7523bis §4), so that no other server can
    use it; where a server wants the endpoint's URL, that.
    """
    made = int(now)
    return {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": made,
        "exp": made + ASSERTION_SECONDS,
    }


def client_assertion(client_id: str, assertion: str) -> ClientAuth:
    """RFC 7523 §2.2: the signed *assertion*, as body parameters."""
    return ClientAuth(
        client_id,
        params=(
            ("client_id", client_id),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ),
    )
