"""Sessions that are over although their cookies still open: logged out here, replaced by a new login, or ended by the
authorization server (OpenID Connect Back-Channel Logout §2.7).

Rule: a mark outlives every session that it could be about, and whoever can't look for marks refuses. A mark on a person
without a `sid` ends all sessions that began before it came, by our clock, and no later one. Gateways don't see marks;
what they remember of a session's tokens is ended by telling them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from phantomgate.agent.lasting import Lasting
from phantomgate.agent.model import AgentError, Code
from phantomgate.agent.ports import Gateways, Store, no_gateways
from phantomgate.agent.session import Person
from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import Clock
from phantomgate.core.purge import ASKED_AGAIN, Purge
from phantomgate.oauth.logout_token import Ended, purges_of

_ALL, _NAMELESS = b"all ", b"nameless "
_APART = 0.5
"""Seconds by which our clocks may differ, where one process begins a session and another hears that it is over."""


@dataclass(frozen=True, slots=True)
class Endings:
    """Marks sessions as ended, and knows which are. *longest* is how many seconds a session lasts at most; *gateways*
    are told whose tokens of *issuer* are over."""

    store: Store
    now: Clock
    longest: float
    gateways: Gateways = no_gateways
    issuer: str = ""
    lasting: Lasting = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lasting", Lasting(self.store, self.now, self.longest))

    async def end_session(self, session_id: bytes, access_token: str = "") -> None:
        """This session is over, and its *access_token*. One of format v1 has no id, and only its cookies and tokens can
        end. Raises Unavailable when that can't be remembered, or not every gateway has heard of it."""
        try:
            if session_id:
                await self.store.put(_key(b"session", session_id), b"", self.longest)
        finally:  # gateways hear of it all the same
            if access_token:
                await self._tell(Purge("token", access_token, "", self.now()))

    async def ask_again(self, sub: str) -> None:
        """Have gateways ask about all tokens of *sub* again, since the server has ended some. Raises Unavailable."""
        if sub:
            await self._tell(Purge("sub", sub, self.issuer, ASKED_AGAIN))

    async def tell(self, ended: Ended) -> None:
        """Tell gateways what a logout token says, which may be done again. Raises Unavailable."""
        await self._tell(*purges_of(ended, self.issuer))

    async def _tell(self, *purges: Purge) -> None:
        if not await self.gateways(purges):
            raise Unavailable("not every gateway has heard that the tokens are over")

    async def end(self, ended: Ended) -> None:
        """What a logout token says. Raises Unavailable when it can't be remembered."""
        at = repr(self.now()).encode("ascii")
        if ended.sid:
            await self.store.put(_key(b"sid", ended.sid.encode()), at, self.longest)
        if ended.sub:  # with a `sid`, those of this person's sessions of which we don't know theirs
            whose = _NAMELESS if ended.sid else _ALL
            await self.store.put(_key(whose + b"sub", ended.sub.encode()), at, self.longest)

    async def check(self, person: Person) -> None:
        """Raises AgentError(SESSION_EXPIRED) when *person*'s session is over, or older than any may be."""
        age = self.now() - person.began
        if person.session_id and age >= (longest := await self.lasting.limit(person.began)):
            raise AgentError(
                Code.SESSION_EXPIRED, f"began {age:.0f} s ago, want at most {longest:.0f}", ends_session=True
            )
        if person.session_id and await self.store.get(_key(b"session", person.session_id)) is not None:
            raise _over("logged out, or replaced by a new login")
        if person.sid and await self.store.get(_key(b"sid", person.sid.encode())) is not None:
            raise _over("the authorization server has ended its session")
        if person.sub:
            for whose in (_ALL,) if person.sid else (_ALL, _NAMELESS):
                at = await self.store.get(_key(whose + b"sub", person.sub.encode()))
                if at is not None and person.began <= float(at) + _APART:
                    raise _over("the authorization server has ended the user's sessions")


def _over(detail: str) -> AgentError:
    return AgentError(Code.SESSION_EXPIRED, detail, ends_session=True)


def _key(kind: bytes, name: bytes) -> bytes:
    return sha256(kind + b"\0" + name).digest()
