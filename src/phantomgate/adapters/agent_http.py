"""What a request to the OAuth agent and its reply are over HTTP, whoever speaks it.

Rule: a body is bounded, and every cookie stays a field of its own: they can't be joined (RFC 6265 §3).
"""

from __future__ import annotations

from phantomgate.agent.model import AgentReply
from phantomgate.core.errors import Reason, Refused

MAX_BODY = 65536
"""Bytes of a request."""


def too_long() -> Refused:
    """Why a longer body isn't read."""
    return Refused(Reason.MALFORMED_REQUEST, f"a body of more than {MAX_BODY} bytes")


def fields_of(reply: AgentReply) -> list[tuple[str, str]]:
    """The fields of *reply*, but for its cookies and its length; names as we write them."""
    fields = list(reply.headers)
    if reply.body:
        fields += [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
    return fields
