"""CORS preflights, from gateways that can't pass on what `/decide` says to one: they send it to `/preflight` instead.

Rule: the answer goes to the browser as it is. So only a preflight is read here, and nothing else is ever decided.
"""

from __future__ import annotations

from phantomgate.adapters.forward_auth import Read, read_decide
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request
from phantomgate.gateway.cors import is_preflight


def read_preflight(source: str) -> Read:
    """Reads the preflight of a `/preflight` call by *source*, as `read_decide` does; all else has its `problem`."""
    decide = read_decide(source)

    def read(method: bytes, target: bytes, headers: Headers, trusted: bool, peer: str) -> Request:
        request = decide(method, target, headers, trusted, peer)
        request.answerable = True
        if request.method != "OPTIONS" or not is_preflight(headers.fields):
            request.problem = request.problem or Refused(Reason.MALFORMED_REQUEST, "not a CORS preflight")
        return request

    return read
