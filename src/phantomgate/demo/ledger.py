"""What the development authorization server has given out: tokens, codes and logins under way. In memory, bounded.

Rule: the oldest entry goes when a table is full, so nobody can fill the memory; a code is good for one use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from phantomgate.core.ports import Clock

T = TypeVar("T")

MOST_TOKENS = 10_000
MOST_LOGINS = 1_000
CODE_SECONDS = 60.0
LOGIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """The facts about one access token; times are Unix seconds."""

    client_id: str
    subject: str
    scopes: tuple[str, ...]
    issued_at: float
    expires_at: float
    jti: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Claims beyond the usual ones."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A login under way: what the client asked for (RFC 6749 §4.1.1, RFC 7636 §4.3)."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    code_challenge: str = field(repr=False)
    until: float = 0.0
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code: which request it answers, for whom, until when, and what it was exchanged for."""

    request: AuthorizationRequest
    subject: str
    until: float
    sid: str = ""
    used: bool = False
    token: str = field(default="", repr=False)


class Ledger:
    """The four tables. Every change is one operation on a dict, so another thread may issue and revoke as well."""

    def __init__(self, now: Clock, random: Callable[[], str]) -> None:
        self._now = now
        self._random = random
        self._tokens: dict[str, IssuedToken] = {}
        self._codes: dict[str, Code] = {}
        self._logins: dict[str, AuthorizationRequest] = {}
        self._pushed: dict[str, tuple[float, str]] = {}

    def issue(self, client_id: str, subject: str, scopes: tuple[str, ...], seconds: float, **extra: Any) -> str:
        """A new opaque token, good for *seconds*: random, and in the alphabet of b64token (RFC 6750 §2.1)."""
        now = self._now()
        token = self._random()
        keep(
            self._tokens,
            token,
            IssuedToken(client_id, subject, scopes, now, now + seconds, self._random()[:16], extra),
            MOST_TOKENS,
        )
        return token

    def find(self, token: str) -> IssuedToken | None:
        """The facts about *token* while it is active."""
        issued = self._tokens.get(token)
        return issued if issued and self._now() < issued.expires_at else None

    def revoke(self, token: str) -> None:
        """From now on *token* is inactive; no matter if it was."""
        self._tokens.pop(token, None)

    def push(self, query: str) -> str:
        """A name for a pushed authorization request (RFC 9126 §2.2), good for a minute and one use."""
        name = f"urn:ietf:params:oauth:request_uri:{self._random()}"
        keep(self._pushed, name, (self._now() + CODE_SECONDS, query), MOST_LOGINS)
        return name

    def pushed(self, name: str) -> str | None:
        """The request that was pushed under *name*, once."""
        until, query = self._pushed.pop(name, (0.0, ""))
        return query if self._now() < until else None

    def expire(self, client_id: str) -> None:
        """From now on every token of *client_id* is inactive."""
        for token, issued in [*self._tokens.items()]:
            if issued.client_id == client_id:
                self.revoke(token)

    def begin_login(self, request: AuthorizationRequest) -> str:
        """A name for *request* while a person logs in."""
        login = self._random()
        keep(self._logins, login, replace(request, until=self._now() + LOGIN_SECONDS), MOST_LOGINS)
        return login

    def login(self, login: str) -> AuthorizationRequest | None:
        """The request that this login is for, while it lasts."""
        request = self._logins.get(login)
        return request if request and self._now() < request.until else None

    def end_login(self, login: str) -> None:
        """This login is over; its form is good for nothing any more."""
        self._logins.pop(login, None)

    def give_code(self, request: AuthorizationRequest, subject: str, sid: str = "") -> str:
        """A code for *request* that *subject* has agreed to, good for a minute and one use."""
        code = self._random()
        keep(self._codes, code, Code(request, subject, self._now() + CODE_SECONDS, sid), MOST_LOGINS)
        return code

    def use_code(self, code: str) -> Code | None:
        """The code, if it is good and unused; a second use revokes what the first one gave (RFC 6749 §4.1.2)."""
        given = self._codes.get(code)
        if given is None:
            return None
        if given.used:
            self.revoke(given.token)
            return None
        self._codes[code] = replace(given, used=True)
        return given if self._now() < given.until else None

    def remember_use(self, code: str, token: str) -> None:
        """*code* was exchanged for *token*."""
        if code in self._codes:
            self._codes[code] = replace(self._codes[code], token=token)


def keep(table: dict[str, T], key: str, value: T, most: int) -> None:
    """Put *value* under *key*; of more than *most*, the oldest goes."""
    table[key] = value
    while len(table) > most:
        table.pop(next(iter(table)))
