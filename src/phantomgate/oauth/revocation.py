"""RFC 7009: take a token back. Pure."""

from __future__ import annotations

from typing import Literal

from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.oauth.client_auth import ClientAuth, form_call
from phantomgate.oauth.replies import bad_answer, check_up, refuse_client


def revocation_request(
    endpoint: str, client: ClientAuth, token: str, hint: Literal["refresh_token", "access_token"], timeout: float
) -> HttpCall:
    """The request to revoke *token* (§2.1); *timeout* in seconds."""
    return form_call(endpoint, client, (("token", token), ("token_type_hint", hint)), timeout)


def read_revocation(reply: HttpReply) -> None:
    """The token is gone, whether or not it was known (§2.2). Raises Refused or Unavailable when it may not be."""
    check_up(reply)
    if reply.status in (401, 403):
        refuse_client(reply)
    if reply.status not in (200, 204):
        bad_answer(f"status {reply.status} to a revocation, want 200")
