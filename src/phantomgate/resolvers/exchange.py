"""A token in, a JWT for one API out: ask the authorization server to exchange it (RFC 8693), and remember what it gave.

Rule: what is remembered is an answer of the server, under an HMAC over everything it depends on: the server, who we are
there, what was asked for, the token, the facts that were judged, and for whom. Other facts of the same token are
another question, so a JWT never says more than they do. Refusals of the token are remembered for a few seconds, trouble
is not.
"""

from __future__ import annotations

import hmac
import json
import struct
from collections.abc import Awaitable, Callable

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Token
from phantomgate.core.ports import Cache, Clock, Http, Once, UpstreamJwt
from phantomgate.core.typed import NamedTuple, Protocol, hiding
from phantomgate.oauth.client_auth import ClientAuth
from phantomgate.oauth.token_endpoint import TokenRefused
from phantomgate.oauth.token_exchange import Exchanged, ExchangeRules, exchange_request, read_exchange, refusal
from phantomgate.resolvers.client import Authenticate

REFUSED_TOKENS = 4096
RENEW = 0.8
"""The part of a JWT's time after which another is asked for."""
PAUSE = 5.0
"""Seconds for which one that should be renewed is used further, while the server can't be asked."""
_TIMES = struct.Struct("!Bdd")  # version, when it ends, when to renew it (Unix seconds)
_VERSION = 0x45


class Tally(Protocol):
    """Where the memory counts: `Counts` of `cached`."""

    hits: int
    misses: int
    negatives: int


class Exchange:
    """Exchanges at one token endpoint as one client. State: the tokens that were refused lately, bounded.

    *endpoint* is its URL, or what finds it; *of_jwt*: it is the JWT got by introspection that is exchanged, not what
    the client presented. *timeout*, *max_age*, *refused_seconds* and *clock_skew* are in seconds; *secret* keys the
    HMAC over *context*, which names the server and us, and the rest.
    """

    def __init__(
        self,
        http: Http,
        endpoint: str | Callable[[], Awaitable[str]],
        client: ClientAuth | Authenticate,
        rules: ExchangeRules,
        cache: Cache,
        once: Once,
        *,
        secret: bytes,
        context: tuple[str, ...],
        counts: Tally,
        now: Clock,
        ticks: Clock,
        of_jwt: bool = False,
        timeout: float = 2.0,
        max_age: float = 300.0,
        refused_seconds: float = 5.0,
        clock_skew: float = 5.0,
    ) -> None:
        self.http = http
        self.endpoint = endpoint
        self.client = client
        self.rules = rules
        self.cache = cache
        self.once = once
        self.counts = counts
        self.now = now
        self.ticks = ticks
        self.of_jwt = of_jwt
        self.timeout = timeout
        self.max_age = max_age
        self.refused_seconds = refused_seconds
        self.clock_skew = clock_skew
        self._secret = secret
        self._context = (*context, str(of_jwt), *map(repr, (rules, max_age)))
        self._refused: dict[bytes, tuple[float, Refused]] = {}

    async def __call__(self, token: Token, audience: str) -> UpstreamJwt:
        """The JWT for *audience*, or else for whom the rules say. Raises Refused as `read_exchange` and `refusal`."""
        subject = token.jwt if self.of_jwt else token.presented
        if not subject:
            raise Refused(Reason.BAD_ANSWER, "there is no JWT to exchange")
        key = self._key(token, subject, audience)
        until, no = self._refused.get(key, (0.0, None))
        if no is not None and self.ticks() < until:
            self.counts.negatives += 1
            raise no.again()
        kept = await self._remembered(key)
        how = f"for {audience or self.rules.audience or self.rules.resource}, which the token was exchanged for"
        if kept is not None and self.now() < kept.renew_at:
            self.counts.hits += 1
            return UpstreamJwt(*kept, how)
        self.counts.misses += 1
        made: _Kept = await self.once(key, self._fill(key, token, subject, audience, kept))
        return UpstreamJwt(*made, how)

    def _key(self, token: Token, subject: str, audience: str) -> bytes:
        facts = json.dumps(dict(token.claims), sort_keys=True, separators=(",", ":"))
        parts = [part.encode() for part in (*self._context, token.issuer, subject, facts, audience)]
        # Every part is preceded by its length, so ("ab", "c") and ("a", "bc") are two questions.
        return hmac.digest(self._secret, b"".join(len(part).to_bytes(8, "big") + part for part in parts), "sha256")

    async def _remembered(self, key: bytes) -> _Kept | None:
        found = await self.cache.get(key)
        if found is None or len(found[0]) <= _TIMES.size or found[0][0] != _VERSION:
            return None
        _, expires_at, renew_at = _TIMES.unpack_from(found[0])
        return _Kept(found[0][_TIMES.size :].decode("ascii"), expires_at, renew_at) if self.now() < expires_at else None

    def _fill(
        self, key: bytes, token: Token, subject: str, audience: str, kept: _Kept | None
    ) -> Callable[[], Awaitable[_Kept]]:
        async def fill() -> _Kept:
            try:
                made = self._dated(await self.ask(subject, audience))
            except TokenRefused as said:
                no = refusal(said, self.rules, token.scopes)
                if no.reason.status < 500:
                    self._remember_refused(key, no)
                raise no from None
            except Unavailable:
                if kept is None or not self.now() < kept.expires_at:
                    raise
                # It is good still: nobody is refused for a renewal that comes to nothing
                made = kept._replace(renew_at=min(self.now() + PAUSE, kept.expires_at))
            record = _TIMES.pack(_VERSION, made.expires_at, made.renew_at) + made.jwt.encode("ascii")
            await self.cache.put(key, record, made.expires_at - self.now())
            return made

        return fill

    async def ask(self, subject: str, audience: str) -> Exchanged:
        """What the server gives for *subject*, every time. Raises TokenRefused and Refused as `read_exchange`."""
        endpoint = self.endpoint if isinstance(self.endpoint, str) else await self.endpoint()
        client = self.client if isinstance(self.client, ClientAuth) else await self.client()
        asked_at = self.now()  # what it lasts counts from the question
        call = exchange_request(endpoint, client, self.rules, subject, audience, timeout=self.timeout)
        return read_exchange(await self.http.send(call), now=asked_at, clock_skew=self.clock_skew)

    def _dated(self, made: Exchanged) -> _Kept:
        now = self.now()
        expires_at = min(made.expires_at, now + self.max_age)
        return _Kept(made.jwt, expires_at, now + RENEW * max(expires_at - now, 0.0))

    def _remember_refused(self, key: bytes, no: Refused) -> None:
        # Bounded by starting anew: whoever floods us with tokens pushes out other refusals, never a good JWT.
        if len(self._refused) >= REFUSED_TOKENS:
            self._refused.clear()
        self._refused[key] = self.ticks() + self.refused_seconds, no


@hiding("jwt")
class _Kept(NamedTuple):
    """A JWT as it is kept; times are Unix seconds."""

    jwt: str
    expires_at: float
    renew_at: float
