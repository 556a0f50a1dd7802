"""The nouns of the OAuth agent: a request, a reply, and every way in which it says no.

    PhantomgateError
    └── AgentError         raised anywhere below `Agent.handle`, caught in that one place

Rule: what a page sees of an error is its code and a fixed text of ours; what the authorization server wrote, and what
we found out, is for the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from phantomgate.core.errors import PhantomgateError, Reason, Refused
from phantomgate.core.model import Headers


@dataclass(frozen=True, slots=True, eq=False)
class AgentRequest:
    """What a browser, or the authorization server, asks the agent. `path` is decoded and without the query."""

    method: str
    path: str
    headers: Headers
    body: bytes = field(default=b"", repr=False)
    peer: str = ""
    problem: Refused | None = None
    """Why it could not be read, raised before anything else."""


@dataclass(frozen=True, slots=True, eq=False)
class AgentReply:
    """What it gets. `cookies` are whole Set-Cookie values; `code`, `detail` and `note` are for the log alone."""

    status: int
    body: bytes = field(default=b"", repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    code: str = ""
    detail: str = ""
    note: str = ""
    cause: BaseException | None = field(default=None, repr=False)


class Code(Enum):
    """The agent's error codes: (word in the body, HTTP status, text for the page)."""

    UNAUTHORIZED_REQUEST = "unauthorized_request", 401, "The request is not one of this application, or has no session"
    INVALID_REQUEST = "invalid_request", 400, "The request, or the login that it belongs to, is not valid"
    NOT_FOUND = "invalid_request", 404, "There is nothing at this path"
    WRONG_METHOD = "invalid_request", 405, "This path wants another method"
    AUTHORIZATION_ERROR = "authorization_error", 400, "The authorization server refused the request"
    SESSION_EXPIRED = "session_expired", 401, "The session has ended; log in again"
    TOKEN_EXPIRED = "token_expired", 401, "The access token is no longer good; refresh it"
    SERVER_TROUBLE = "authorization_server_error", 502, "The authorization server can't be used right now"
    SERVER_ERROR = "server_error", 500, "The request could not be answered"

    def __init__(self, word: str, status: int, text: str) -> None:
        self.word = word
        self.status = status
        self.text = text


class AgentError(PhantomgateError):
    """This request gets an error. `detail` is for the log.

    *word* is in the body instead of the code's own: a code of the authorization endpoint that is known to be one. With
    *ends_session* the session's cookies are taken away. *retry_after* is in seconds.
    """

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        word: str = "",
        status: int = 0,
        ends_session: bool = False,
        retry_after: int | None = None,
        cookies: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{code.word}: {detail}" if detail else code.word)
        self.code = code
        self.detail = detail
        self.word = word or code.word
        self.status = status or code.status
        self.ends_session = ends_session
        self.retry_after = retry_after
        self.cookies = tuple(cookies)


_CODES = {
    Reason.FORGED_REQUEST: Code.UNAUTHORIZED_REQUEST,
    Reason.UNAVAILABLE: Code.SERVER_TROUBLE,
    Reason.OVERLOADED: Code.SERVER_TROUBLE,
    Reason.BAD_ANSWER: Code.SERVER_TROUBLE,
    Reason.CLIENT_REFUSED: Code.SERVER_TROUBLE,
    Reason.SERVER_ERROR: Code.SERVER_ERROR,
}


def error_of(no: Refused) -> AgentError:
    """A refusal of the crafts and the back ends, in the agent's words."""
    error = AgentError(_CODES.get(no.reason, Code.INVALID_REQUEST), no.detail, retry_after=no.retry_after)
    error.__cause__ = no
    return error


def json_reply(
    said: Mapping[str, Any], *, status: int = 200, cookies: Sequence[str] = (), note: str = ""
) -> AgentReply:
    """*said* as JSON, ASCII only, so that no reader can take it for anything else."""
    body = json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return AgentReply(status, body, tuple(cookies), note=note)
