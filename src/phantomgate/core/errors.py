"""Every way to be refused, and the one small error tree.

    PhantomgateError
    ├── Refused            raised anywhere below `decide`, caught in that one place
    │   └── Unavailable    the authorization server can't be asked right now; says when to come back
    ├── Unreadable         a sealed value that we can't have made, or not for this place
    └── SettingsError      every problem in the settings at once, before anything is served

A new way to be refused is one line in `Reason` and touches no adapter. What a client sees of a refusal is the
reason's `status`, `error` and `description` only; `detail` is for the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from phantomgate.core.typed import NamedTuple


class Reason(Enum):
    """Why a request was refused: (metric label and log word, HTTP status, `error` of the body, text for the client).

    `error` is the RFC 6750 §3.1 code where there is one. Reasons that differ only for us (inactive, expired, wrong
    issuer ...) look the same from outside, so that nobody can probe tokens by the answer.
    """

    MISSING_CREDENTIAL = "missing_credential", 401, "missing_credential", "This request needs an access token"
    MALFORMED_REQUEST = "malformed_request", 400, "invalid_request", "The request or its credential is malformed"
    INVALID_TOKEN = "invalid_token", 401, "invalid_token", "The access token is invalid, expired or revoked"
    INACTIVE = "inactive", 401, "invalid_token", "The access token is invalid, expired or revoked"
    EXPIRED = "expired", 401, "invalid_token", "The access token is invalid, expired or revoked"
    UNREADABLE_SESSION = "unreadable_session", 401, "invalid_token", "The access token is invalid, expired or revoked"
    BOUND_TOKEN = "bound_token", 401, "invalid_token", "The access token is invalid, expired or revoked"
    WRONG_ISSUER = "wrong_issuer", 401, "invalid_token", "The access token is invalid, expired or revoked"
    WRONG_AUDIENCE = "wrong_audience", 401, "invalid_token", "The access token is invalid, expired or revoked"
    INSUFFICIENT_SCOPE = "insufficient_scope", 403, "insufficient_scope", "The access token lacks a required scope"
    NO_ROUTE = "no_route", 403, "access_denied", "No rule allows this request"
    FORGED_REQUEST = "forged_request", 403, "forged_request", "The request's origin could not be trusted"
    UNAVAILABLE = "unavailable", 503, "temporarily_unavailable", "The request can't be authorized right now; try again"
    OVERLOADED = "overloaded", 503, "temporarily_unavailable", "The request can't be authorized right now; try again"
    PURGES_UNHEARD = (
        "purges_unheard",
        503,
        "temporarily_unavailable",
        "The request can't be authorized right now; try again",
    )
    BAD_ANSWER = "bad_answer", 502, "bad_gateway", "The authorization server gave no usable answer"
    CLIENT_REFUSED = "client_refused", 502, "bad_gateway", "The authorization server gave no usable answer"
    SERVER_ERROR = "server_error", 500, "server_error", "The request could not be authorized"

    def __init__(self, label: str, status: int, error: str, description: str) -> None:
        self.label = label
        self.status = status
        self.error = error
        self.description = description

    @property
    def challenges(self) -> bool:
        """Whether the answer carries `WWW-Authenticate` (RFC 6750 §3): 400, 401 and scope refusals do."""
        return self.status in (400, 401) or self is Reason.INSUFFICIENT_SCOPE


class PhantomgateError(Exception):
    """The root of the tree: nothing of ours is raised that is not one of these."""


class Refused(PhantomgateError):
    """This request is refused.

    `detail` says what was found and what was wanted, for the log; it never holds a token, cookie or secret and never
    reaches the client. `scope` is what a challenge asks for; `retry_after` is in seconds.
    """

    def __init__(self, reason: Reason, detail: str = "", *, scope: str = "", retry_after: int | None = None) -> None:
        super().__init__(f"{reason.label}: {detail}" if detail else reason.label)
        self.reason = reason
        self.detail = detail
        self.scope = scope
        self.retry_after = retry_after

    def again(self) -> Refused:
        """The same refusal as a new exception, so that callers who share one don't share its traceback."""
        return Refused(self.reason, self.detail, scope=self.scope, retry_after=self.retry_after)


class Unavailable(Refused):
    """The authorization server can't be asked right now: 503 with `Retry-After`, never 401.

    `retry_after` is in seconds, kept within 1 to 60 whatever the server said. `kind` is the metric label of how a call
    got no answer: "no_address", "no_connection", "no_tls", "cut_off" or "timeout"; empty where it isn't that.
    """

    def __init__(
        self, detail: str, *, retry_after: int = 5, reason: Reason = Reason.UNAVAILABLE, kind: str = ""
    ) -> None:
        super().__init__(reason, detail, retry_after=min(max(retry_after, 1), 60))
        self.kind = kind

    def again(self) -> Unavailable:
        """As `Refused.again`."""
        return Unavailable(self.detail, retry_after=self.retry_after or 5, reason=self.reason, kind=self.kind)


class Unreadable(PhantomgateError):
    """A sealed value that none of our keys opens, or not where it was found.

    Its text says for the log what is wrong; it never holds any of the value, and never reaches the client.
    """


class Problem(NamedTuple):
    """One thing wrong with the settings: which setting, what is wrong and how to mend it, and where it was read."""

    setting: str
    message: str
    origin: str


class SettingsError(PhantomgateError):
    """The settings can't be used; `problems` is every reason at once, each with its origin and a remedy."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        count = len(self.problems)
        width = max((len(problem.setting) for problem in self.problems), default=0)
        lines = [f"{count} problem{'' if count == 1 else 's'} in the settings"]
        lines += [f"  {p.setting:<{width}}  {p.message}  ({p.origin})" for p in self.problems]
        return "\n".join(lines)
