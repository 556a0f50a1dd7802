"""Who we are, for each call: a client assertion is signed anew every time (RFC 7523 §3: its `jti` is used once)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from phantomgate.core.ports import Clock, Sign
from phantomgate.oauth.client_auth import ASSERTION_TYP, ClientAuth, assertion_claims, client_assertion

Authenticate: TypeAlias = Callable[[], Awaitable[ClientAuth]]
"""What one call needs so that the server knows us."""


def asserting(client_id: str, audience: str, sign: Sign, *, now: Clock, new_id: Callable[[], str]) -> Authenticate:
    """Authenticates as *client_id* by assertions for *audience*; *now* is Unix time, *new_id* gives the `jti`."""

    async def authenticate() -> ClientAuth:
        claims = assertion_claims(client_id, audience, now=now(), jti=new_id())
        return client_assertion(client_id, await sign(ASSERTION_TYP, claims))

    return authenticate
