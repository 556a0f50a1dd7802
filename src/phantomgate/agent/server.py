"""The authorization server as the agent asks it: each step is one call out, read by its pure pair.

Rule: nothing is decided here. A grant that is refused stays `TokenRefused`, trouble stays `Refused`; what that means
for a login or a session is for the verbs to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from phantomgate.agent.ports import Authenticate, Endpoints, Verify
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import Http
from phantomgate.oauth.authorization import LoginRequest, pushed_request, read_pushed, url_with
from phantomgate.oauth.jwt import Verified
from phantomgate.oauth.jwt_rules import Rules
from phantomgate.oauth.logout_token import Ended, read_ended
from phantomgate.oauth.revocation import read_revocation, revocation_request
from phantomgate.oauth.token_endpoint import TokenAnswer, read_token_reply, token_request
from phantomgate.oauth.userinfo import read_userinfo, userinfo_request


async def _at_once() -> None:
    """The `ready` where nothing must be got."""


@dataclass(frozen=True, slots=True, eq=False)
class Server:
    """One authorization server, and what we are to it. A class only because these parameters stay together.

    *timeout* is in seconds, for each call. *par* says whether requests are pushed: where it is offered, always, never.
    """

    issuer: str
    client_id: str
    http: Http
    endpoints: Endpoints
    authenticate: Authenticate = field(repr=False)
    verify: Verify
    id_rules: Rules
    logout_rules: Rules
    timeout: float = 5.0
    par: Literal["auto", "always", "never"] = "auto"
    ready: Callable[[], Awaitable[object]] = _at_once
    """Gets what `verify` goes by, where we don't have it. Raises Refused."""

    async def login_url(self, login: LoginRequest) -> str:
        """Where the browser logs in. Raises AuthorizationRefused when a pushed request is refused."""
        metadata = await self.endpoints()
        at = _there(metadata.authorization_endpoint, "authorization_endpoint")
        push = metadata.pushed_authorization_request_endpoint
        if self.par == "never" or (not push and self.par == "auto"):
            if metadata.require_pushed_authorization_requests:
                raise Refused(Reason.BAD_ANSWER, "the server requires pushed authorization requests; write par = auto")
            return url_with(at, login.params)
        call = pushed_request(
            _there(push, "pushed_authorization_request_endpoint"),
            await self.authenticate(),
            login.params,
            self.timeout,
        )
        request_uri = read_pushed(await self.http.send(call))
        return url_with(at, (("client_id", self.client_id), ("request_uri", request_uri)))  # RFC 9126 §4

    async def names_itself(self) -> bool:
        """Whether every authorization response has `iss` (RFC 9207 §3)."""
        return (await self.endpoints()).authorization_response_iss_parameter_supported

    async def tokens(self, params: Sequence[tuple[str, str]]) -> TokenAnswer:
        """The tokens for *params*, `grant_type` among them. Raises TokenRefused. Asked at most once."""
        endpoint = _there((await self.endpoints()).token_endpoint, "token_endpoint")
        call = token_request(endpoint, await self.authenticate(), params, timeout=self.timeout)
        return read_token_reply(await self.http.send(call))

    async def id_token(self, jwt: str) -> Verified:
        """The ID token *jwt*, verified. Raises Refused."""
        return await self.verify(jwt, self.id_rules)

    async def ended(self, jwt: str) -> Ended:
        """What the logout token *jwt* ends, verified. Raises Refused."""
        return read_ended((await self.verify(jwt, self.logout_rules)).claims)

    async def userinfo(self, access_token: str, subject: str) -> dict[str, Any]:
        """What the server says of *subject*. Raises Refused(INVALID_TOKEN) when the token is no longer good."""
        endpoint = _there((await self.endpoints()).userinfo_endpoint, "userinfo_endpoint")
        return read_userinfo(await self.http.send(userinfo_request(endpoint, access_token, self.timeout)), subject)

    async def revoke(self, token: str, hint: Literal["refresh_token", "access_token"]) -> None:
        """Take *token* back, where the server can. Raises Refused when it may still be good."""
        endpoint = (await self.endpoints()).revocation_endpoint
        if endpoint:
            call = revocation_request(endpoint, await self.authenticate(), token, hint, self.timeout)
            read_revocation(await self.http.send(call))

    async def logout_url(self, redirect_uri: str, id_token: str) -> str:
        """Where the browser logs out there (OpenID Connect RP-Initiated Logout §2); *redirect_uri* if it can't."""
        endpoint = (await self.endpoints()).end_session_endpoint
        if not endpoint:
            return redirect_uri
        params = [("client_id", self.client_id)]
        params += [("id_token_hint", id_token)] if id_token else []
        params += [("post_logout_redirect_uri", redirect_uri)] if redirect_uri else []
        return url_with(endpoint, params)


def _there(endpoint: str, name: str) -> str:
    if not endpoint:
        raise Refused(Reason.BAD_ANSWER, f"the authorization server has no {name}")
    return endpoint
