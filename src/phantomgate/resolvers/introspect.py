"""Opaque token in, JWT out: ask the authorization server, every time. Remembering is `Cached`'s, around this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from phantomgate.core.model import Credential, Route, Source, Token
from phantomgate.core.ports import Clock, Http, HttpReply
from phantomgate.oauth.claims import read_scopes
from phantomgate.oauth.client_auth import ClientAuth
from phantomgate.oauth.freshness import is_private, read_freshness
from phantomgate.oauth.introspection import (
    Answer,
    Introspected,
    introspection_request,
    read_facts,
    read_introspection,
)
from phantomgate.resolvers.client import Authenticate

if TYPE_CHECKING:
    from phantomgate.resolvers.signatures import Signatures  # and with it the verifier
    from phantomgate.resolvers.statements import Statements


def _untimed(seconds: float) -> None:
    """Nobody measures."""


class Introspect:
    """Asks one endpoint as one client. A class only because these parameters stay together; it has no state.

    *endpoint* is its URL, or what finds it when it is needed. *issuer* is whom an `iss` in the answer must name, *name*
    what the issuer is called in the settings (default: the same).
    *timeout*, *max_age* and *clock_skew* are in seconds; *max_age* caps how long anybody may remember an answer;
    *without_jwt* as in `read_introspection`; *statements* opens signed answers, and only such are then accepted;
    *signatures* checks the JWT in an answer, which must then have one; *timed* is told how many seconds each call took,
    whatever came of it.
    """

    def __init__(
        self,
        http: Http,
        endpoint: str | Callable[[], Awaitable[str]],
        client: ClientAuth | Authenticate,
        *,
        now: Clock,
        ticks: Clock,
        answer: Answer = "jwt",
        timeout: float = 2.0,
        issuer: str = "",
        name: str = "",
        max_age: float = 300.0,
        clock_skew: float = 5.0,
        without_jwt: float | None = None,
        statements: Statements | None = None,
        signatures: Signatures | None = None,
        timed: Callable[[float], None] = _untimed,
    ) -> None:
        self.http = http
        self.endpoint = endpoint
        self.client = client
        self.now = now
        self.ticks = ticks
        self.answer = answer
        self.timeout = timeout
        self.issuer = issuer
        self.name = name or issuer
        self.max_age = max_age
        self.clock_skew = clock_skew
        # Where the JWT is what we verify, facts that come without one are verified by nobody
        self.without_jwt = without_jwt if signatures is None else None
        self.statements = statements
        self.signatures = signatures
        self.timed = timed

    async def resolve(self, credential: Credential, route: Route) -> Token:  # noqa: ARG002 - the port's shape
        """The server's facts about *credential*. Raises Refused as `read_introspection` and `Http.send` do."""
        endpoint = self.endpoint if isinstance(self.endpoint, str) else await self.endpoint()
        client = self.client if isinstance(self.client, ClientAuth) else await self.client()
        call = introspection_request(endpoint, client, credential.value, self.answer, self.timeout)
        asked_at = self.ticks()  # freshness counts from the question: the answer was true no later than that
        try:
            reply = await self.http.send(call)
        finally:
            self.timed(self.ticks() - asked_at)
        said = await self._read(reply)
        until = asked_at + (self.max_age if said.freshness is None else min(said.freshness, self.max_age))
        if self.signatures is not None:
            until = min(until, await self.signatures.check(said))
        return Token(
            said.jwt,
            said.claims,
            read_scopes(said.claims),
            said.expires_at,
            until,
            issuer=self.name,
            source=Source.NETWORK,
            private=is_private(reply.headers),
        )

    async def _read(self, reply: HttpReply) -> Introspected:
        if self.statements is None:
            return read_introspection(
                reply,
                asked=self.answer,
                now=self.now(),
                issuer=self.issuer,
                clock_skew=self.clock_skew,
                without_jwt=self.without_jwt,
            )
        facts = await self.statements.open(reply, self.now())
        return read_facts(
            facts,
            now=self.now(),
            without_jwt=self.without_jwt or 0.0,
            freshness=read_freshness(reply.headers),
            issuer=self.issuer,
            clock_skew=self.clock_skew,
        )
