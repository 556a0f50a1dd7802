"""The log of the OAuth agent: a line for what went wrong, and if wanted for everything.

Rule: as `observe`: never a query, a header, a cookie or a body, all of which hold secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from phantomgate.agent.model import AgentReply, AgentRequest
from phantomgate.agent.ports import Observe
from phantomgate.config.log import Level, LogLine, frames, kinds_of
from phantomgate.core.ports import Clock


def agent_observer(write: Callable[[LogLine], None], *, now: Clock, allowed: bool) -> Observe:
    """Writes a line for each answer that is an error or has a note; *allowed*: for the others too."""

    def observe(request: AgentRequest, reply: AgentReply) -> None:
        if reply.code or reply.note or allowed:
            write(_line(now(), request, reply))

    return observe


def _line(now: float, request: AgentRequest, reply: AgentReply) -> LogLine:
    told: dict[str, Any] = {
        "status": reply.status,
        "code": reply.code,
        "method": request.method,
        "path": request.path,
        "peer": request.peer,
        "detail": reply.detail,
    }
    if reply.note:
        told["note"] = reply.note
    if reply.cause is not None:
        told["cause"] = kinds_of(reply.cause)
        if reply.status == 500:
            told["trace"] = frames(reply.cause)
    level = Level.ERROR if reply.status == 500 else Level.WARNING if reply.status == 502 or reply.note else Level.INFO
    return LogLine(now, level, "agent", told)
