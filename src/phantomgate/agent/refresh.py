"""Refreshing: many tabs that find out together that the access token is over are one question to the server.

Rule: a refresh token is shown to the server once. Whoever comes with it meanwhile waits for the same answer, and
whoever comes shortly after gets the answer again, from memory; so a server that rotates, and takes a second use for
theft (RFC 9700 §4.14.2), never sees one. Of answers that build on each other the last is given. What is remembered is
sealed and lies under a hash. Trouble at the server ends no session; only its word that the grant is over does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from phantomgate.agent.ending import Endings
from phantomgate.agent.model import AgentError, AgentReply, AgentRequest, Code, error_of
from phantomgate.agent.ports import Store
from phantomgate.agent.server import Server
from phantomgate.agent.session import Brought, Jar, Kept, Person, Session, new_session_id
from phantomgate.core.errors import Reason, Refused, Unreadable
from phantomgate.core.ports import Clock, Once
from phantomgate.oauth.id_token import check_refreshed
from phantomgate.oauth.strict_json import read_object
from phantomgate.oauth.token_endpoint import TokenAnswer, TokenRefused
from phantomgate.oauth.unverified import read_claims
from phantomgate.session.sealing import open_sealed, seal


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a refresh gave: new tokens (the old refresh token where the server gave no other), or why there are none."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    id_token: str = field(repr=False)
    person: Person
    refused: str = ""
    lost: bool = False
    """Whether it could not be remembered, so that nobody else will find it."""


def was_lost(renewed: Renewed) -> bool:
    """Whether whoever comes next with the same token would show it to the server again."""
    return renewed.lost


@dataclass(frozen=True, slots=True, eq=False)
class Refreshes:
    """What refreshing needs. *window*, in seconds, is for how long an answer is given again; where its access token is
    short-lived for less, and never for less than *least*."""

    server: Server
    jar: Jar
    endings: Endings
    once: Once
    answers: Store
    now: Clock
    window: float
    least: float

    async def refresh(self, request: AgentRequest, brought: Brought) -> AgentReply:
        """POST /refresh: new cookies for the session."""
        self.jar.check_csrf(request.headers, brought)
        if brought.auth is None or brought.csrf is None:
            raise AgentError(Code.UNAUTHORIZED_REQUEST, "no refresh cookie that can be opened")
        kept = brought.auth
        await self.endings.check(kept.person)
        renewed = await self._last(kept, brought)
        if renewed.refused:
            with suppress(Refused):  # it may have ended all tokens, as for one that was shown twice (RFC 9700 §4.14.2)
                await self.endings.ask_again(kept.person.sub)
            raise _over(renewed.refused)
        try:
            await self.endings.check(renewed.person)
        except AgentError:  # logged out while we asked: nobody is to have these tokens
            with suppress(Refused):
                await self.server.revoke(renewed.refresh_token, "refresh_token")
            raise
        session = Session(
            renewed.person, brought.csrf.value, renewed.access_token, renewed.refresh_token, renewed.id_token
        )
        return AgentReply(204, cookies=tuple(self.jar.keep(session, brought)))

    async def _last(self, kept: Kept, brought: Brought) -> Renewed:
        """The newest answer that builds on *kept*."""
        renewed = await self._once(kept, brought)
        shown = {kept.token, ""}
        while renewed.refresh_token not in shown:  # a server that doesn't rotate leads back to where we began
            shown.add(renewed.refresh_token)
            renewed = await self._remembered(_key(renewed.refresh_token)) or renewed
        return renewed

    async def _once(self, kept: Kept, brought: Brought) -> Renewed:
        key = _key(kept.token)

        async def ask() -> Renewed:
            renewed = await self._remembered(key)
            return await self._ask(key, kept, brought) if renewed is None else renewed

        return await self.once(key, ask)

    async def _ask(self, key: bytes, kept: Kept, brought: Brought) -> Renewed:
        if kept.person.sub:  # there will be an ID token to verify, and by then the old refresh token is gone
            await self.server.ready()
        try:
            answer = await self.server.tokens((("grant_type", "refresh_token"), ("refresh_token", kept.token)))
        except TokenRefused as no:  # as a value, since all who wait are told, each in his own way
            return Renewed("", "", "", kept.person, no.error)
        before = brought.id.token if brought.id is not None and brought.id.person == kept.person else ""
        person = kept.person
        if not person.session_id:  # of format v1, which has none
            person = Person(new_session_id(self.jar.random), self.now())
        renewed = Renewed(
            answer.access_token,
            answer.refresh_token or kept.token,
            answer.id_token or before,
            await self._same_person(answer, person, before),
        )
        half = math.inf if answer.expires_in is None else answer.expires_in / 2
        seconds = min(self.window, max(half, self.least))
        try:
            await self.answers.put(key, self._sealed(key, renewed), seconds)
        except Refused:
            return replace(renewed, lost=True)  # it can't be given again, but this time it is
        return renewed

    async def _same_person(self, answer: TokenAnswer, person: Person, before: str) -> Person:
        """*person*, whom a new ID token must be about too (OpenID Connect Core §12.2)."""
        if answer.id_token is None:
            return person
        try:
            said = await self.server.id_token(answer.id_token)
            first: dict[str, Any] = read_claims(before) if before else {}
            first |= {"sub": person.sub} if person.sub else {}
            check_refreshed(said, first, answer.access_token)
        except Refused as no:
            if error_of(no).code is Code.SERVER_TROUBLE:
                raise
            raise Refused(Reason.BAD_ANSWER, f"the new ID token can't be used: {no.detail}") from no
        return _known(person, said.claims)

    async def _remembered(self, key: bytes) -> Renewed | None:
        record = await self.answers.get(key)
        if record is None:
            return None
        try:
            opened = open_sealed(self.jar.ring, _name(key), self.jar.issuer, record.decode("ascii"), legacy=False)
        except Unreadable:
            return None
        said = read_object(opened.plaintext)
        person = Person(bytes.fromhex(said["session"]), said["began"], said["sub"], said["sid"])
        return Renewed(said["at"], said["auth"], said["id"], person)

    def _sealed(self, key: bytes, renewed: Renewed) -> bytes:
        person = renewed.person
        said = {
            "at": renewed.access_token,
            "auth": renewed.refresh_token,
            "id": renewed.id_token,
            "session": person.session_id.hex(),
            "began": person.began,
            "sub": person.sub,
            "sid": person.sid,
        }
        plaintext = json.dumps(said, separators=(",", ":")).encode("ascii")
        return seal(self.jar.ring, _name(key), self.jar.issuer, plaintext, random=self.jar.random).encode("ascii")


def _known(person: Person, claims: Mapping[str, Any]) -> Person:
    """*person*, with names that only now are known: those of a session of format v1, or of a server that tells late."""
    sid = claims.get("sid")
    return replace(person, sub=person.sub or claims["sub"], sid=person.sid or (sid if isinstance(sid, str) else ""))


def _over(error: str) -> AgentError:
    if error == "invalid_grant":  # RFC 6749 §5.2: expired, revoked, or used before
        return AgentError(Code.SESSION_EXPIRED, "the server says that the refresh token is over", ends_session=True)
    return AgentError(Code.AUTHORIZATION_ERROR, f"the token endpoint answered {error}")


def _name(key: bytes) -> str:
    """What a remembered answer is sealed for, so that it opens as nothing else, and under no other key."""
    return f"refreshed {key.hex()}"


def _key(refresh_token: str) -> bytes:
    return sha256(b"refresh\0" + refresh_token.encode("utf-8")).digest()
