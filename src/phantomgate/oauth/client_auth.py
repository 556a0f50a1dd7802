"""RFC 6749 §2.3: how we show the authorization server who asks."""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import dataclass, field

from phantomgate.oauth.form import form_value


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """What a call needs so that the server knows us: header fields, body parameters, or both."""

    client_id: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def client_secret_basic(client_id: str, secret: str) -> ClientAuth:
    """RFC 6749 §2.3.1: both parts are form-encoded *before* they are joined, so a colon or `%` in them survives."""
    pair = f"{form_value(client_id)}:{form_value(secret)}".encode("ascii")
    basic = b2a_base64(pair, newline=False).decode("ascii")
    return ClientAuth(client_id, headers=(("Authorization", f"Basic {basic}"),))


def client_secret_post(client_id: str, secret: str) -> ClientAuth:
    """RFC 6749 §2.3.1: the same as body parameters, for servers that want it so."""
    return ClientAuth(client_id, params=(("client_id", client_id), ("client_secret", secret)))
