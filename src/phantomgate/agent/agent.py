"""The OAuth agent: from a request of a page to its reply. Whatever goes wrong, the page gets an error and no session.

    preflight -> origin -> cookies -> the verb of the path

Rule: every reply is `no-store` and says to which origins it may be shown; a cookie that could not be opened is taken
away by whatever reply comes; and one exception handler turns everything that is raised into the agent's own errors.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from phantomgate.agent.facts import Facts
from phantomgate.agent.guard import check_origin, cors_headers, preflight_headers
from phantomgate.agent.login import Logins
from phantomgate.agent.logout import Logouts
from phantomgate.agent.model import AgentError, AgentReply, AgentRequest, Code, error_of
from phantomgate.agent.ports import Observe
from phantomgate.agent.refresh import Refreshes
from phantomgate.agent.session import Brought, Jar
from phantomgate.core.errors import Refused
from phantomgate.session.cookies import AGENT_PATH

Verb: TypeAlias = Callable[[AgentRequest, Brought], Awaitable[AgentReply]]


class Way(NamedTuple):
    """What a path does, by which method; *page* is false where a server calls, not a page."""

    method: str
    verb: Verb
    page: bool = True


def ways(logins: Logins, refreshes: Refreshes, facts: Facts, logouts: Logouts) -> Mapping[str, Way]:
    """All paths of the agent."""
    return {
        f"{AGENT_PATH}/login/start": Way("POST", logins.start),
        f"{AGENT_PATH}/login/end": Way("POST", logins.end),
        f"{AGENT_PATH}/refresh": Way("POST", refreshes.refresh),
        f"{AGENT_PATH}/logout": Way("POST", logouts.logout),
        f"{AGENT_PATH}/userInfo": Way("GET", facts.user_info),
        f"{AGENT_PATH}/claims": Way("GET", facts.id_claims),
        f"{AGENT_PATH}/backchannel-logout": Way("POST", logouts.back_channel, page=False),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Agent:
    """Answers requests. *trusted* are the origins whose pages may talk to it; *cross_site* as in `check_origin`."""

    ways: Mapping[str, Way] = field(repr=False)
    jar: Jar
    trusted: Collection[str]
    cross_site: bool
    observe: Observe

    async def handle(self, request: AgentRequest) -> AgentReply:
        """The reply to *request*. Never raises but for a cancellation."""
        reply = await self._answer(request)
        headers = (*reply.headers, ("Cache-Control", "no-store"), *self._shown_to(request))
        reply = replace(reply, headers=headers)
        self.observe(request, reply)
        return reply

    async def _answer(self, request: AgentRequest) -> AgentReply:
        brought = Brought()
        try:
            if request.problem is not None:
                raise request.problem
            way = self.ways.get(request.path)
            if way is None:
                raise AgentError(Code.NOT_FOUND)
            if request.method == "OPTIONS" and way.page:
                return AgentReply(204)
            if request.method != way.method:
                raise AgentError(Code.WRONG_METHOD)
            if way.page:
                check_origin(request.method, request.headers, self.trusted, cross_site=self.cross_site)
                brought = self.jar.open(request.headers)
            return self._without_unreadable(await way.verb(request, brought), brought)
        except AgentError as no:
            return self._error(no, brought)
        except Refused as no:
            return self._error(error_of(no), brought)
        except Exception as bug:  # noqa: BLE001 - whatever it is, the page gets an error and no session
            error = AgentError(Code.SERVER_ERROR, type(bug).__name__)
            error.__cause__ = bug
            return self._error(error, brought)

    def _error(self, no: AgentError, brought: Brought) -> AgentReply:
        cookies = [*no.cookies, *(self.jar.clear(brought) if no.ends_session else [])]
        headers = [("Retry-After", str(no.retry_after))] if no.retry_after is not None else []
        body = json.dumps({"code": no.word, "message": no.code.text}).encode("ascii")
        reply = AgentReply(
            no.status, body, tuple(cookies), tuple(headers), code=no.word, detail=no.detail, cause=no.__cause__
        )
        return self._without_unreadable(reply, brought)

    def _without_unreadable(self, reply: AgentReply, brought: Brought) -> AgentReply:
        """*reply*, which also takes away what could not be opened, unless it puts something in its place."""
        given = {cookie.partition("=")[0] for cookie in reply.cookies}
        gone = [one for one in self.jar.clear(brought, brought.unreadable) if one.partition("=")[0] not in given]
        return replace(reply, cookies=(*gone, *reply.cookies)) if gone else reply

    def _shown_to(self, request: AgentRequest) -> tuple[tuple[str, str], ...]:
        if request.method == "OPTIONS":
            return preflight_headers(request.headers, self.trusted, self.jar.names.csrf_header)
        return cors_headers(request.headers, self.trusted)
