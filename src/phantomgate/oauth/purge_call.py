"""The signed call by which an operator, or a system of his, has something purged. Pure.

    POST /purge
    X-Phantomgate-Signature: t=1800000000, v1=<hex of HMAC-SHA-256(secret, "1800000000." + body)>

    {"sub": "alice", "issuer": "main"}

Rule: the body names exactly one thing. What is repeated within the time that a signature is good for does no more than
it did: a purge is about what was issued before its `t`.
"""

from __future__ import annotations

import hmac
import re

from phantomgate.core.purge import Kind
from phantomgate.oauth.strict_json import read_object

HEADER = "X-Phantomgate-Signature"
GOOD_FOR = 300.0
"""Seconds that our clock and the caller's may differ by."""
MAX_BODY = 16384
_CALLED: tuple[Kind, ...] = ("token", "sid", "sub", "client_id", "issuer")
_SIGNATURE = re.compile(r"t=([0-9]{1,12}), ?v1=([0-9a-f]{64})")


def purge_signature(body: bytes, secret: str, now: float) -> str:
    """The value of `HEADER` for *body*, at Unix time *now*."""
    return f"t={int(now)}, v1={_mac(secret, int(now), body)}"


def read_purge(header: str, body: bytes, secret: str, now: float) -> tuple[Kind, str, str, float]:
    """What is to be purged: (kind, value, issuer's name or empty, Unix time of the call).

    Raises PermissionError for who doesn't know *secret* or called too long ago, ValueError for what can't be read.
    """
    match = _SIGNATURE.fullmatch(header)
    at = int(match[1]) if match else 0
    # Compared whatever was sent, so that it takes as long
    if not hmac.compare_digest(match[2] if match else "", _mac(secret, at, body)) or abs(now - at) > GOOD_FOR:
        raise PermissionError
    said = read_object(body)
    issuer = said.get("issuer", "")
    named: list[Kind] = [kind for kind in _CALLED if kind in said and kind != "issuer"] or ["issuer"]
    if len(named) != 1 or set(said) - set(_CALLED):
        raise ValueError(f"want one of {', '.join(_CALLED)}, and besides it at most the issuer's name")
    (kind,) = named
    value = said.get(kind)
    if not isinstance(value, str) or not value or not isinstance(issuer, str):
        raise ValueError(f"want {kind} and issuer as text that isn't empty")
    return kind, value, issuer, float(at)


def _mac(secret: str, at: int, body: bytes) -> str:
    return hmac.digest(secret.encode(), b"%d." % at + body, "sha256").hex()
