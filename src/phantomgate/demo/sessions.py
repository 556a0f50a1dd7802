"""Logins that last at the development authorization server, and the refresh tokens that live on them.

Rule: a refresh token is good once and is replaced when it is used; the second use of one ends everything that came of
the same login (RFC 9700 §4.14.2), since somebody must have stolen it. In memory, bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from phantomgate.core.ports import Clock
from phantomgate.demo.ledger import keep

MOST = 1_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person has agreed to in one login: for which client, when (Unix time), and in which session (`sid`)."""

    client_id: str
    subject: str
    scopes: tuple[str, ...]
    sid: str
    auth_time: int
    nonce: str = ""


@dataclass(slots=True)
class _Family:
    """All tokens of one grant. State: the refresh token that is good, and the access tokens."""

    grant: Grant
    good: str = field(default="", repr=False)
    access_tokens: list[str] = field(default_factory=list, repr=False)


class Sessions:
    """Who is logged in, and what may be refreshed. *revoke* takes an access token back.

    Its state: the families, by every refresh token that they ever had; and who is logged in, and since when, by `sid`.
    """

    def __init__(self, now: Clock, random: Callable[[], str], revoke: Callable[[str], None]) -> None:
        self._now = now
        self._random = random
        self._revoke = revoke
        self._families: dict[str, _Family] = {}
        self._logins: dict[str, tuple[str, int]] = {}

    def log_in(self, subject: str) -> str:
        """A new session of *subject*: its `sid`."""
        sid = self._random()
        keep(self._logins, sid, (subject, int(self._now())), MOST)
        return sid

    def login(self, sid: str) -> tuple[str, int] | None:
        """Who is logged in, and since when, in the session *sid*."""
        return self._logins.get(sid)

    def refresh_token(self, grant: Grant, access_token: str, instead_of: str = "") -> str:
        """The refresh token that goes with *access_token*, *instead_of* the one that was used for it."""
        family = self._families.get(instead_of) or _Family(grant)
        family.access_tokens.append(access_token)
        family.good = self._random()
        keep(self._families, family.good, family, MOST)
        return family.good

    def use(self, refresh_token: str, client_id: str) -> Grant | None:
        """What *refresh_token* stands for, if it is good now; used for the second time it ends its family."""
        family = self._families.get(refresh_token)
        if family is None or family.grant.client_id != client_id:
            return None
        if family.good != refresh_token:
            self._end(family)
            return None
        family.good = ""
        return family.grant

    def revoke(self, refresh_token: str, client_id: str) -> None:
        """RFC 7009 §2.1: the refresh token goes, and all that came of it."""
        family = self._families.get(refresh_token)
        if family is not None and family.grant.client_id == client_id:
            self._end(family)

    def log_out(self, sid: str) -> list[Grant]:
        """The session *sid* is over, and with it everything that lived on it: what that was."""
        self._logins.pop(sid, None)
        ended = {id(one): one for one in self._families.values() if one.grant.sid == sid}
        for family in ended.values():
            self._end(family)
        return [family.grant for family in ended.values()]

    def _end(self, family: _Family) -> None:
        for access_token in family.access_tokens:
            self._revoke(access_token)
        self._families = {token: one for token, one in self._families.items() if one is not family}
