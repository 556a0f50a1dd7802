"""Tokens for tests: JWTs whose signature nobody checks, since the server that hands them over is the one we asked."""

from __future__ import annotations

import base64
import json

NOW = 1_800_000_000


def segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(claims: dict | None = None, header: dict | None = None, **more: object) -> str:
    """A JWT that is good for an hour from the fake clock's time, changed by *claims* and *more*; None drops a claim."""
    facts = {
        "iss": "https://as.example",
        "sub": "ann",
        "aud": "api",
        "scope": "read write",
        "exp": NOW + 3600,
        "iat": NOW,
    }
    facts.update(claims or {}, **more)
    facts = {name: value for name, value in facts.items() if value is not None}
    head = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"} if header is None else header
    return f"{segment(head)}.{segment(facts)}.{'s' * 86}"
