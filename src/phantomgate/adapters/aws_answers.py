"""What an authorizer says to API Gateway and AppSync: a policy, a plain yes or no, or an exception.

Rule: a JWT is in the context under `Authorization` and nowhere else, and no answer is longer than AWS takes. What a
client sees of an exception is its status alone: the word `Unauthorized` makes 401 of it, and every other text 500.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from phantomgate.core.errors import PhantomgateError
from phantomgate.core.model import HeaderChange, Refuse, Request, Token
from phantomgate.gateway.forward import header_value

LONGEST_ANSWER = 8192
"""Bytes of compact JSON in UTF-8 (Service Quotas: "AWS Lambda authorizer result size")."""
LONGEST_TTL = 3600
_LONGEST_NAME = 256
_NOT_IN_CONTEXT = "claims"  # a key that API Gateway keeps for itself


class Unauthorized(PhantomgateError):
    """401, where AWS makes it of this one word."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Trouble(PhantomgateError):
    """Nothing could be decided: 500, which the templates turn into 503. Its text never has the other's word in it.

    *logged*: the log has a line about it already.
    """

    def __init__(self, text: str, *, logged: bool = False) -> None:
        super().__init__(text)
        self.logged = logged


def write_trouble(refuse: Refuse) -> Trouble:
    """The exception for a refusal that is not the caller's doing; its id finds the log line."""
    return Trouble(f"{refuse.reason.error}: {refuse.reason.description} (decision {refuse.id})", logged=True)


def write_context(
    token: Token, upstream: HeaderChange, *, bearer_prefix: bool, key: str = "Authorization"
) -> dict[str, str | int]:
    """What the API is told, the JWT under *key*; an `exp` that nobody knows is 0.

    Every key is always there, so that no mapping falls back on what the client sent.

    Quotes and backslashes are percent-encoded, beside what `header_value` does: HTTP APIs can't give back a remembered
    context that has them.
    """
    claims = token.claims
    scope = claims.get("scope")
    ends = upstream.expires_at if isfinite(upstream.expires_at) else token.expires_at
    context: dict[str, str | int] = {
        "sub": _plain(header_value(claims.get("sub"))),
        "scope": _plain(header_value(scope if isinstance(scope, str) else " ".join(sorted(token.scopes)))),
        "client_id": _plain(header_value(claims.get("client_id") or claims.get("azp"))),
        "exp": int(ends) if isfinite(ends) else 0,
    }
    told = {name: _plain(value) for name, value in upstream.set if name != _NOT_IN_CONTEXT}
    bearer = told.pop("Authorization")
    return {**context, **told, key: bearer if bearer_prefix else upstream.jwt}


def write_principal(token: Token, request: Request) -> str:
    """Whom the token is about: `sub`, else its client, else a hash of the JWT; never a token, since logs show it."""
    presented = request.headers.fields.get(b"authorization", b"").decode("latin-1").rpartition(" ")[2]
    for name in ("sub", "client_id", "azp"):
        said = token.claims.get(name)
        subject = _plain(header_value(said)) if isinstance(said, str) else ""
        if subject and len(subject) <= _LONGEST_NAME and subject not in (presented, token.presented, token.jwt):
            return subject
    from hashlib import sha256  # late: nearly every token names somebody

    return sha256(token.jwt.encode()).hexdigest()


def write_policy(principal: str, policy: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """A policy with what goes with it. Raises Trouble when it is too long."""
    return _bounded({"principalId": principal, "policyDocument": policy, "context": dict(context)})


def write_denied(policy: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    """A policy that allows nothing, with the reason for the gateway's response to 403."""
    reason = refuse.reason
    context = {"error": reason.error, "error_description": reason.description, "decision": refuse.id}
    return write_policy("refused", policy, {**context, "scope": _plain(refuse.scope)} if refuse.scope else context)


def write_simple(context: Mapping[str, Any]) -> dict[str, Any]:
    """Yes, as HTTP APIs with simple answers want it."""
    return _bounded({"isAuthorized": True, "context": dict(context)})


def write_resolver(context: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """Yes, as AppSync wants it; it may remember that for *seconds*."""
    return _bounded({"isAuthorized": True, "resolverContext": dict(context), "ttlOverride": min(seconds, LONGEST_TTL)})


def _plain(text: str) -> str:
    return text.replace('"', "%22").replace("\\", "%5C")


def _bounded(answer: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace"))
    if size > LONGEST_ANSWER:
        raise Trouble(f"the answer has {size} bytes, AWS takes {LONGEST_ANSWER}: the JWT or the routes are too long")
    return answer
