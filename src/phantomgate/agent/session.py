"""A browser's session, and how it lies in cookies: everything is there, sealed, and nothing here.

    -at     session id | access token                  also read by the gateway
    -csrf   session id | CSRF token                    also read by the gateway
    -auth   session id | {"token", "began", "sub", "sid"}    the refresh token
    -id     session id | {"token", "began", "sub", "sid"}    the ID token

Rule: all cookies of a session have its id, are set together and taken away together, each with the path it was set
with. A cookie that can't be opened is as good as none, and is taken away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phantomgate.agent.model import AgentError, Code
from phantomgate.core.errors import Reason, Refused, Unreadable
from phantomgate.core.model import Headers
from phantomgate.oauth.strict_json import read_object
from phantomgate.session.cookies import (
    AGENT_PATH,
    KINDS,
    MAX_CHUNKS,
    MAX_COOKIE_BYTES,
    CookieNames,
    Kind,
    chunk_name,
    clear_cookie,
    read_cookies,
    read_value,
    set_cookie,
)
from phantomgate.session.csrf import SESSION_ID_BYTES, SessionToken, check_double_submit, open_token, seal_token
from phantomgate.session.keys import KeyRing
from phantomgate.session.sealing import Random, open_sealed, seal

_OLD_PATHS: Mapping[Kind, str] = {"auth": "refresh", "id": "claims"}
MAX_BYTES = MAX_COOKIE_BYTES - 2500
"""What the cookies of a session may take together: the rest is for logins under way and the site's own."""
_OF_SESSION: tuple[Kind, ...] = ("at", "csrf", "auth", "id")


@dataclass(frozen=True, slots=True)
class Person:
    """Whose session it is: its id, since when (Unix time), and the server's names for the user and its own session."""

    session_id: bytes = field(repr=False)
    began: float
    sub: str = ""
    sid: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """All of a session."""

    person: Person
    csrf: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """What one of the agent's own cookies holds: a token, and whose it is."""

    token: str = field(repr=False)
    person: Person


@dataclass(frozen=True, slots=True)
class Brought:
    """What a request brought: the tokens that could be opened, the logins under way, and the names of all of ours."""

    names: frozenset[str] = frozenset()
    at: SessionToken | None = None
    csrf: SessionToken | None = None
    auth: Kept | None = None
    id: Kept | None = None
    login: bytes = field(default=b"", repr=False)
    unreadable: tuple[Kind, ...] = ()

    @property
    def session_id(self) -> bytes | None:
        """The session it belongs to, by the refresh token, else by the access token; None without either."""
        if self.auth is not None:
            return self.auth.person.session_id
        return None if self.at is None else self.at.session_id

    @property
    def person(self) -> Person | None:
        """Whose session it is, as far as the cookies of this very session say."""
        for kept in (self.auth, self.id):
            if kept is not None and kept.person.session_id == self.session_id:
                return kept.person
        return None


@dataclass(frozen=True, slots=True)
class Jar:
    """Opens and seals the cookies. *issuer* is what they are bound to; *legacy* reads format v1 as well."""

    ring: KeyRing
    names: CookieNames
    issuer: str
    legacy: bool
    random: Random

    def open(self, headers: Headers) -> Brought:
        """What the Cookie fields hold. Raises Refused(MALFORMED_REQUEST) for what could be read in two ways."""
        cookies = read_cookies(headers.all(b"cookie"), self.names)
        found: dict[Kind, SessionToken] = {}
        kept: dict[Kind, Kept] = {}
        login, unreadable = b"", []
        for kind in KINDS:
            sealed = read_value(cookies, self.names.name(kind))
            if sealed is None:
                continue
            try:
                if kind == "login":
                    login = open_sealed(self.ring, self.names.login, self.issuer, sealed, legacy=False).plaintext
                    continue
                token = open_token(self.ring, self.names.name(kind), self.issuer, sealed, legacy=self.legacy)
                if kind in ("auth", "id"):
                    kept[kind] = _kept(token)
                else:
                    found[kind] = token
            except Unreadable:
                unreadable.append(kind)
        return Brought(
            frozenset(cookies),
            found.get("at"),
            found.get("csrf"),
            kept.get("auth"),
            kept.get("id"),
            login,
            tuple(unreadable),
        )

    def keep(self, session: Session, brought: Brought) -> list[str]:
        """The Set-Cookie values that make the browser keep *session*, and nothing of another.

        Raises Refused(BAD_ANSWER) for tokens that no browser could carry back to us.
        """
        person = session.person
        values: dict[Kind, str] = {"at": session.access_token, "csrf": session.csrf}
        if session.refresh_token:
            values["auth"] = _packed(session.refresh_token, person)
        if session.id_token:
            values["id"] = _packed(session.id_token, person)
        fields: list[str] = []
        for kind in _OF_SESSION:
            if kind in values:
                token = SessionToken(person.session_id, values[kind])
                sealed = seal_token(self.ring, self.names.name(kind), self.issuer, token, random=self.random)
                fields += self._set(kind, sealed, brought)
            else:
                fields += self._clear(kind, brought)
        size = sum(len(field.partition(";")[0]) + 2 for field in fields)
        if size > MAX_BYTES:
            raise _too_long(size)
        return fields + self._clear_old_paths()

    def clear(self, brought: Brought, kinds: Sequence[Kind] = _OF_SESSION) -> list[str]:
        """The Set-Cookie values that take *kinds* away, of those that came."""
        fields = [one for kind in kinds for one in self._clear(kind, brought)]
        return fields + self._clear_old_paths() if fields else []

    def keep_login(self, plaintext: bytes, brought: Brought, seconds: int) -> list[str]:
        """The logins under way, in their cookie for *seconds*; none takes it away."""
        if not plaintext:
            return self._clear("login", brought)
        sealed = seal(self.ring, self.names.login, self.issuer, plaintext, random=self.random)
        return set_cookie(self.names, "login", sealed, had=brought.names, max_age=seconds)

    def check_csrf(self, headers: Headers, brought: Brought) -> None:
        """The request is of the page that the session belongs to.

        Raises AgentError without a session, and Refused(FORGED_REQUEST) when the double submit fails.
        """
        if brought.csrf is None or brought.session_id is None:
            missing = "CSRF" if brought.csrf is None else "session"
            raise AgentError(Code.UNAUTHORIZED_REQUEST, f"no {missing} cookie that can be opened")
        check_double_submit(headers.one(self.names.csrf_header.encode("ascii")), brought.csrf, brought.session_id)

    def _set(self, kind: Kind, sealed: str, brought: Brought) -> list[str]:
        try:
            return set_cookie(self.names, kind, sealed, had=brought.names)
        except ValueError:
            raise _too_long(len(sealed)) from None

    def _clear_old_paths(self) -> list[str]:
        """Takes away what other agents have left on paths of their own, under names that are ours too.

        The browser doesn't show them here, and would send both where they are for: then nobody could tell which.
        """
        if self.names.host_prefix or not self.legacy:
            return []
        return [
            clear_cookie(self.names, kind)[0].replace(f"; Path={AGENT_PATH};", f"; Path={AGENT_PATH}/{place};")
            for kind, place in _OLD_PATHS.items()
        ]

    def _clear(self, kind: Kind, brought: Brought) -> list[str]:
        """Nothing for a cookie that didn't come: the browser would have sent it here."""
        name = self.names.name(kind)
        came = any(chunk_name(name, place) in brought.names for place in range(MAX_CHUNKS))
        return clear_cookie(self.names, kind, had=brought.names) if came else []


def _too_long(size: int) -> Refused:
    text = f"its tokens take {size} bytes of cookies, want at most {MAX_BYTES}; have shorter ones issued"
    return Refused(Reason.BAD_ANSWER, text)


def _packed(token: str, person: Person) -> str:
    said = {"token": token, "began": person.began, "sub": person.sub, "sid": person.sid}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def _kept(token: SessionToken) -> Kept:
    """What an agent's cookie holds; of format v1 the token alone. Raises Unreadable for anything else."""
    if not token.session_id:
        return Kept(token.value, Person(b"", 0.0))
    try:
        said = read_object(token.value.encode("utf-8"))
        return Kept(said["token"], Person(token.session_id, said["began"], said["sub"], said["sid"]))
    except (ValueError, KeyError):
        raise Unreadable("not what this agent seals") from None


def new_session_id(random: Random) -> bytes:
    """An id for a new session, never that of an old one (session fixation)."""
    return random(SESSION_ID_BYTES)
