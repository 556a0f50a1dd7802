"""Remember facts, never verdicts: what the authorization server said, for as long as it, `exp` and we allow.

Rule: a hit gives back exactly what a fresh answer gave, and every policy runs on it again. Keys are an HMAC over
everything the answer depends on, so no two questions share an entry, and no store ever sees a token. `exp` is compared
with the wall clock at each use; our own time runs on the monotonic clock, which nobody can set back.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Source, Token
from phantomgate.core.nouns import dataclass, replace
from phantomgate.core.ports import Cache, Clock, Once, Resolver
from phantomgate.resolvers.marks import Marks
from phantomgate.resolvers.records import pack, unpack

HOT_TOKENS = 4096
NEGATIVE_TOKENS = 4096
ATTEMPTS = 3
"""How often one request asks, when each time a purge comes before the answer."""


@dataclass(slots=True)
class Counts:
    """How often the memory knew (hits), knew of a refusal (negatives), or had to ask (misses)."""

    hits: int = 0
    misses: int = 0
    negatives: int = 0

    def hit(self) -> None:
        """What was known was used once more."""
        self.hits += 1

    def results(self) -> dict[str, int]:
        """Each result of a look-up, and how often it came."""
        return {"hit": self.hits, "miss": self.misses, "negative": self.negatives}


class Cached:
    """A resolver around *inner* that asks it once per token and freshness.

    Its state: parsed tokens for the credentials seen lately (`hot`, bounded), and tokens that the server called
    inactive (`negative`, bounded, at most *negative_seconds* each, 5 at the most). *secret* keys the HMAC; *context*
    is what else the answer depends on: issuer, endpoint, client, answer format, or the rules it was verified by.
    *issuer* is the configured issuer's name; *counts* and *marks*, of what was purged, may be shared with others.
    """

    def __init__(
        self,
        inner: Resolver,
        cache: Cache,
        once: Once,
        *,
        secret: bytes,
        context: tuple[str, ...],
        now: Clock,
        ticks: Clock,
        negative_seconds: float = 5.0,
        issuer: str = "",
        counts: Counts | None = None,
        marks: Marks | None = None,
    ) -> None:
        self.inner = inner
        self.cache = cache
        self.once = once
        self.now = now
        self.ticks = ticks
        self.negative_seconds = min(negative_seconds, 5.0)
        self.issuer = issuer
        self.counts = Counts() if counts is None else counts
        self.marks = Marks(ticks=ticks) if marks is None else marks
        self._secret = secret
        self._context = b"".join(measured(part.encode("utf-8")) for part in context)
        self._generation = 0
        self._prefix = self._context + bytes(8)
        self._hot: OrderedDict[Credential, Token] = OrderedDict()
        self._negative: dict[bytes, float] = {}

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """The facts about *credential*, remembered or fresh. Raises Refused as *inner* does."""
        token, marks = self._hot.get(credential), self.marks
        if (
            token is not None
            and self.ticks() < token.fresh_until
            and self.now() < token.expires_at
            and (not marks.live or marks.clears(token))
        ):
            self.counts.hits += 1
            return token
        for again in range(ATTEMPTS):
            generation = self._generation
            token = await self._resolve(credential, route, again=again > 0)
            if marks.live and not marks.clears(token):
                if marks.denies(token):
                    marks.check(token)
                continue  # it was asked for before somebody purged it
            if self.ticks() < token.fresh_until and generation == self._generation:
                self._keep_hot(credential, token)
            return token
        raise Unavailable(f"purged {ATTEMPTS} times while it was asked for", retry_after=1)

    async def _resolve(self, credential: Credential, route: Route, *, again: bool) -> Token:
        """The facts about *credential*, which nobody has looked at yet; *again*: not those that are remembered."""
        key = self._key(credential)
        if self.ticks() < self._negative.get(key, 0.0):
            self.counts.negatives += 1
            raise Refused(Reason.INACTIVE, "the authorization server said lately that the token is not active")
        token = None if again else await self._remembered(key)
        if token is None:
            self.counts.misses += 1
            token = await self.once(key, self._fill(key, credential, route))
        else:
            self.counts.hits += 1
        return replace(token, presented=credential.value)  # whoever shares the answer presented the same

    def forget(self) -> None:
        """Find nothing again that is remembered now, nor what is on its way: a key that proved it was taken back."""
        self._generation += 1
        self._prefix = self._context + self._generation.to_bytes(8, "big")
        self._hot.clear()

    def _key(self, credential: Credential) -> bytes:
        # Every part is preceded by its length, so ("ab", "c") and ("a", "bc") are two questions.
        return hmac.digest(self._secret, self._prefix + measured(credential.value.encode("ascii")), "sha256")

    async def _remembered(self, key: bytes) -> Token | None:
        found = await self.cache.get(key)
        if found is None:
            return None
        record, seconds = found
        try:
            token = unpack(record, fresh_until=self.ticks() + seconds, issuer=self.issuer, source=Source.MEMORY)
        except (ValueError, Refused):
            return None  # whatever this is, it is not what we wrote; ask again
        return token if self.now() < token.expires_at else None

    def _fill(self, key: bytes, credential: Credential, route: Route) -> Callable[[], Awaitable[Token]]:
        async def fill() -> Token:
            heard = self.marks.heard
            try:
                token = await self.inner.resolve(credential, route)
            except Refused as no:
                if no.reason is Reason.INACTIVE and self.negative_seconds > 0:
                    self._remember_inactive(key)
                raise
            if heard and token.source is not Source.REDIS:  # who knows when that was asked for
                token = replace(token, heard=heard)
            seconds = min(token.fresh_until - self.ticks(), token.expires_at - self.now())
            if seconds > 0:
                await self.cache.put(key, pack(token), seconds)
            return token

        return fill

    def _remember_inactive(self, key: bytes) -> None:
        # Bounded by starting anew: whoever floods us with random tokens pushes out other refusals, never a good token.
        if len(self._negative) >= NEGATIVE_TOKENS:
            self._negative.clear()
        self._negative[key] = self.ticks() + self.negative_seconds

    def _keep_hot(self, credential: Credential, token: Token) -> None:
        if len(self._hot) >= HOT_TOKENS:
            self._hot.popitem(last=False)
        self._hot[credential] = token if token.source is Source.MEMORY else replace(token, source=Source.MEMORY)


def measured(part: bytes) -> bytes:
    """*part* behind its length, so that no two sequences of parts are one."""
    return len(part).to_bytes(8, "big") + part
