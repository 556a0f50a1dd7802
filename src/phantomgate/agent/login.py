"""Logging in: send the browser to the authorization server, and make a session of what it brings back.

Rule: every login has a state, a nonce and a verifier of its own, bound to the browser by its sealed cookie, and is used
once, whatever comes of it. A session always begins with a new id: what the browser had before is over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from phantomgate.agent.ending import Endings
from phantomgate.agent.logins import SECONDS, Login, find_login, new_login, pack_logins, read_logins
from phantomgate.agent.model import AgentError, AgentReply, AgentRequest, Code, error_of, json_reply
from phantomgate.agent.pages import read_extra, read_return_to
from phantomgate.agent.ports import Store
from phantomgate.agent.server import Server
from phantomgate.agent.session import Brought, Jar, Person, Session, new_session_id
from phantomgate.core.base64url import base64url_text
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import Clock
from phantomgate.oauth.authorization import AuthorizationRefused, LoginRequest
from phantomgate.oauth.authorization_response import (
    AuthorizationResponse,
    check_iss,
    read_authorization_response,
)
from phantomgate.oauth.id_token import check_login
from phantomgate.oauth.quoting import why
from phantomgate.oauth.strict_json import read_object
from phantomgate.oauth.token_endpoint import TokenAnswer, TokenRefused
from phantomgate.session.sealing import Random

MAX_PAGE_URL = 20_000
_CSRF_BYTES = 32


@dataclass(frozen=True, slots=True, eq=False)
class Logins:
    """What logging in needs. *used* knows which logins were used; *return_to* and *extra_params* are allow-lists."""

    server: Server
    jar: Jar
    endings: Endings
    used: Store
    now: Clock
    random: Random
    redirect_uri: str
    scope: str
    return_to: Collection[str]
    extra_params: Collection[str]

    async def start(self, request: AgentRequest, brought: Brought) -> AgentReply:
        """POST /login/start: where to send the browser. A session that it has ends here, in this browser."""
        said = _json(request)
        extra = read_extra(said, self.extra_params)
        login = new_login(self.now(), read_return_to(said, self.return_to), self.random)
        asked = LoginRequest(
            self.server.client_id, self.redirect_uri, self.scope, login.state, login.nonce, login.code_verifier, extra
        )
        try:
            url = await self.server.login_url(asked)
        except AuthorizationRefused as no:
            raise AgentError(Code.AUTHORIZATION_ERROR, str(no), word=no.error) from no
        under_way = (*read_logins(brought.login, self.now()), login)
        cookies = self.jar.clear(brought) + self.jar.keep_login(pack_logins(under_way), brought, SECONDS)
        return json_reply({"authorizationRequestUrl": url}, cookies=cookies, note=await self._end_session(brought))

    async def end(self, request: AgentRequest, brought: Brought) -> AgentReply:
        """POST /login/end: make a session of the address that the page is at, if that is an answer to a login.

        Any page calls this when it loads; its own address is answered by whether there is a session.
        """
        response = _response(_json(request))
        if response is None:
            return await self._no_login(brought)
        under_way = read_logins(brought.login, self.now())
        login = find_login(under_way, response.state)
        if login is None:
            raise AgentError(Code.INVALID_REQUEST, "state is of no login of this browser in the last ten minutes")
        left = tuple(one for one in under_way if one is not login)
        over = self.jar.keep_login(pack_logins(left), brought, SECONDS)
        try:
            session, note = await self._session(response, login)
            cookies = over + self.jar.keep(session, brought)
        except Refused as no:
            error = error_of(no)
            error.cookies = tuple(over)
            raise error from no
        except AgentError as no:
            no.cookies = tuple(over)  # it is used, so that an answer that is loaded again doesn't go in circles
            raise
        said: dict[str, Any] = {"handled": True, "isLoggedIn": True, "csrf": session.csrf}
        if login.return_to:
            said["returnTo"] = login.return_to
        notes = (note, await self._end_session(brought))
        return json_reply(said, cookies=cookies, note="; ".join(filter(None, notes)))

    async def _end_session(self, brought: Brought) -> str:
        """The session that the browser had is over, for copies of its cookies too; a note when nobody can remember."""
        try:
            await self.endings.end_session(brought.session_id or b"", "" if brought.at is None else brought.at.value)
        except Refused as no:
            return f"copies of the cookies of before are not refused: {no.detail}"
        return ""

    async def _session(self, response: AuthorizationResponse, login: Login) -> tuple[Session, str]:
        """The session that *response* to *login* gives, and a note on it. Raises AgentError, Refused."""
        if not await self.used.first(sha256(b"state\0" + login.state.encode()).digest(), SECONDS):
            raise AgentError(Code.INVALID_REQUEST, "this login was answered before")
        check_iss(response, self.server.issuer, required=await self.server.names_itself())
        if response.error:
            raise _refused(AuthorizationRefused(response.error))
        try:
            answer = await self.server.tokens(
                (
                    ("grant_type", "authorization_code"),
                    ("code", response.code),
                    ("redirect_uri", self.redirect_uri),
                    ("code_verifier", login.code_verifier),
                )
            )
        except TokenRefused as no:
            raise AgentError(Code.AUTHORIZATION_ERROR, str(no)) from no
        return await self._begun(answer, login), self._narrowed(answer)

    def _narrowed(self, answer: TokenAnswer) -> str:
        """A note on scopes that were asked for and not granted (RFC 6749 §3.3): the gateway will miss them."""
        granted = self.scope if answer.scope is None else answer.scope
        missing = sorted(set(self.scope.split()) - set(granted.split()))
        return f"not granted: {' '.join(missing)}" if missing else ""

    async def _begun(self, answer: TokenAnswer, login: Login) -> Session:
        claims: Mapping[str, Any] = {}
        if answer.id_token is not None:
            said = await self.server.id_token(answer.id_token)
            check_login(said, nonce=login.nonce, access_token=answer.access_token)
            claims = said.claims
        elif "openid" in self.scope.split():  # OpenID Connect Core §3.1.3.3
            raise Refused(Reason.BAD_ANSWER, "the token endpoint gave no ID token, although scope has openid")
        person = Person(new_session_id(self.random), self.now(), claims.get("sub", ""), _text(claims, "sid"))
        return Session(
            person,
            base64url_text(self.random(_CSRF_BYTES)),
            answer.access_token,
            answer.refresh_token or "",
            answer.id_token or "",
        )

    async def _no_login(self, brought: Brought) -> AgentReply:
        said: dict[str, Any] = {"handled": False, "isLoggedIn": False}
        csrf, at = brought.csrf, brought.at
        if csrf is not None and at is not None and csrf.session_id == at.session_id == brought.session_id:
            try:
                await self.endings.check(brought.person or Person(at.session_id, self.now()))
            except AgentError as no:  # a page that loads is told that it has no session, and no error
                return json_reply(said, cookies=self.jar.clear(brought), note=no.detail)
            said |= {"isLoggedIn": True, "csrf": csrf.value}
        return json_reply(said)


def _refused(no: AuthorizationRefused) -> AgentError:
    """`login_required` is the one error that a page may answer by a new login; 401 on any other would go in circles."""
    status = Code.SESSION_EXPIRED.status if no.error == "login_required" else 0
    return AgentError(Code.AUTHORIZATION_ERROR, str(no), word=no.error, status=status)


def _response(said: Mapping[str, Any]) -> AuthorizationResponse | None:
    url = said.get("pageUrl")
    if not isinstance(url, str) or not 0 < len(url) <= MAX_PAGE_URL:
        raise AgentError(Code.INVALID_REQUEST, f"pageUrl is not a text of 1 to {MAX_PAGE_URL} characters")
    return read_authorization_response(url.partition("#")[0].partition("?")[2])


def _json(request: AgentRequest) -> dict[str, Any]:
    """The object in the body; none is an empty one. Only as JSON, which no other site can send without asking."""
    if not request.body:
        return {}
    content_type = request.headers.one(b"content-type") or b""
    if content_type.split(b";", 1)[0].strip(b" \t").lower() != b"application/json":
        raise AgentError(Code.INVALID_REQUEST, "Content-Type is not application/json")
    try:
        return read_object(request.body)
    except ValueError as error:
        raise AgentError(Code.INVALID_REQUEST, f"the body can't be read: {why(error)}") from None


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    return value if isinstance(value, str) else ""
