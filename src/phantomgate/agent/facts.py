"""Who is logged in: `/userInfo` asks the authorization server, `/claims` reads the ID token of the session.

Rule: a page is told facts that the settings name and never a token, so that a script that shouldn't be there finds
nothing to carry away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from phantomgate.agent.ending import Endings
from phantomgate.agent.model import AgentError, AgentReply, AgentRequest, Code, json_reply
from phantomgate.agent.pages import told
from phantomgate.agent.server import Server
from phantomgate.agent.session import Brought, Kept
from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.unverified import read_claims


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What telling needs; *claims* are the names of those that pages are told."""

    server: Server
    endings: Endings
    claims: Collection[str]

    async def user_info(self, request: AgentRequest, brought: Brought) -> AgentReply:  # noqa: ARG002 - a verb's shape
        """GET /userInfo: the claims of the userinfo endpoint."""
        kept = await self._id(brought)
        if brought.at is None or brought.at.session_id != kept.person.session_id:
            raise AgentError(Code.UNAUTHORIZED_REQUEST, "no access cookie of this session that can be opened")
        try:
            said = await self.server.userinfo(brought.at.value, kept.person.sub)
        except Refused as no:
            if no.reason is Reason.INVALID_TOKEN:
                raise AgentError(Code.TOKEN_EXPIRED, no.detail) from no
            raise
        return json_reply(told(said, self.claims))

    async def id_claims(self, request: AgentRequest, brought: Brought) -> AgentReply:  # noqa: ARG002 - a verb's shape
        """GET /claims: the claims of the ID token, which was verified when it was sealed."""
        kept = await self._id(brought)
        return json_reply(told(read_claims(kept.token), self.claims))

    async def _id(self, brought: Brought) -> Kept:
        if brought.id is None or not brought.id.person.session_id:
            raise AgentError(Code.UNAUTHORIZED_REQUEST, "no ID cookie that can be opened")
        await self.endings.check(brought.id.person)
        return brought.id
