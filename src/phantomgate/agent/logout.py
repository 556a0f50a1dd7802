"""Logging out: here, at the authorization server, and when that server tells us so.

Rule: the browser's cookies go whatever else fails, and copies of them are refused from then on, here and by gateways.
The tokens are revoked at the server. What can't be done is tried once more behind the user's back, and told to the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from phantomgate.agent.ending import Endings
from phantomgate.agent.model import AgentError, AgentReply, AgentRequest, Code, json_reply
from phantomgate.agent.ports import Store
from phantomgate.agent.server import Server
from phantomgate.agent.session import Brought, Jar
from phantomgate.core.errors import Refused, Unavailable
from phantomgate.core.ports import Later
from phantomgate.oauth.form import form_pairs
from phantomgate.oauth.logout_token import MAX_AGE, MAX_BYTES


@dataclass(frozen=True, slots=True, eq=False)
class Logouts:
    """What logging out needs. *redirect_uri* is where the server sends the browser in the end, from the settings only.

    With *hint* the logout address carries the ID token, which the page then sees. *used* remembers logout tokens.
    """

    server: Server
    jar: Jar
    endings: Endings
    used: Store
    redirect_uri: str
    hint: bool
    later: Later | None

    async def logout(self, request: AgentRequest, brought: Brought) -> AgentReply:
        """POST /logout: no session here any more, and the address where the browser logs out at the server."""
        self.jar.check_csrf(request.headers, brought)
        notes: list[str] = []
        session_id = brought.session_id or b""
        access_token = "" if brought.at is None else brought.at.value
        try:
            await self.endings.end_session(session_id, access_token)
        except Refused as no:
            notes.append(f"copies of the cookies are not refused: {no.detail}")
            if self.later is not None:
                self.later(lambda: self.endings.end_session(session_id, access_token))
        try:
            await self._revoke(brought)
        except Refused as no:
            notes.append(f"tokens not revoked: {no.detail}")
            if self.later is not None:
                self.later(lambda: self._revoke(brought))
        kept = brought.id
        id_token = kept.token if self.hint and kept is not None and kept.person.session_id == session_id else ""
        try:
            url = await self.server.logout_url(self.redirect_uri, id_token)
        except Refused as no:
            notes.append(f"not logged out at the server: {no.detail}")
            url = self.redirect_uri
        return json_reply({"url": url}, cookies=self.jar.clear(brought), note="; ".join(notes))

    async def _revoke(self, brought: Brought) -> None:
        """Take the tokens back, the refresh token first: for most servers take all it gave with it (RFC 7009 §2.1).

        Each is tried whatever the server says of the others. Raises Refused, the last.
        """
        trouble: Refused | None = None
        tokens: list[tuple[str, Literal["refresh_token", "access_token"]]] = []
        if brought.auth is not None:
            tokens.append((brought.auth.token, "refresh_token"))
        if brought.at is not None:
            tokens.append((brought.at.value, "access_token"))
        for token, hint in tokens:
            try:
                await self.server.revoke(token, hint)
            except Refused as no:
                trouble = no
                if isinstance(no, Unavailable):
                    break  # a user waits, and it would be asked in vain again
        if brought.person is not None:
            await self.endings.ask_again(brought.person.sub)  # older tokens of the session may be remembered
        if trouble is not None:
            raise trouble

    async def back_channel(self, request: AgentRequest, brought: Brought) -> AgentReply:  # noqa: ARG002 - a verb's shape
        """POST /backchannel-logout: the server ends sessions (OpenID Connect Back-Channel Logout §2.5 to §2.8)."""
        try:
            ended = await self.server.ended(_logout_token(request))
            untold: Refused | None = None
            try:
                await self.endings.tell(ended)  # before it is used, so that trying again tells again
            except Refused as no:
                untold = no
            key = sha256(b"jti\0" + ended.jti.encode("utf-8")).digest()
            used = await self.used.get(key) is not None
            if not used:
                await self.endings.end(ended)  # before it is used, too: an answer that is lost is no lost logout
            if used or not await self.used.first(key, MAX_AGE * 2):
                raise AgentError(Code.INVALID_REQUEST, "this logout token was used before")
            if untold is not None:
                raise untold
        except (Refused, AgentError) as no:
            # §2.8: 400 whatever went wrong, and the server may try again
            raise AgentError(Code.INVALID_REQUEST, f"back-channel logout: {no.detail}") from no
        return AgentReply(200)


def _logout_token(request: AgentRequest) -> str:
    content_type = request.headers.one(b"content-type") or b""
    if content_type.split(b";", 1)[0].strip(b" \t").lower() != b"application/x-www-form-urlencoded":
        raise AgentError(Code.INVALID_REQUEST, "Content-Type is not that of a form")
    try:
        tokens = [value for name, value in form_pairs(request.body.decode("ascii")) if name == "logout_token"]
    except ValueError:
        raise AgentError(Code.INVALID_REQUEST, "the body is no form") from None
    if len(tokens) != 1 or len(tokens[0]) > MAX_BYTES:
        raise AgentError(Code.INVALID_REQUEST, f"{len(tokens)} logout_token parameters, want one")
    return tokens[0]
