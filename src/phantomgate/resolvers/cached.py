"""Remember facts, never verdicts: what the authorization server said, for as long as it, `exp` and we allow.

Rule: a hit gives back exactly what a fresh answer gave, and every policy runs on it again. Keys are an HMAC over
everything the answer depends on, so no two questions share an entry, and no store ever sees a token. `exp` is compared
with the wall clock at each use; our own time runs on the monotonic clock, which nobody can set back.

    filled ────────── due at 80 % ────────── no longer fresh ──────────── stale no more, or `exp`
            hit            │ used again: hit, and        │ asked anew; if that fails,  │ asked anew
                           │ asked anew behind           │ used where the route allows │
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Credential, Route, Source, Token
from phantomgate.core.nouns import dataclass, replace
from phantomgate.core.ports import Clock, Later, Once, Resolver, Store
from phantomgate.resolvers.marks import Marks
from phantomgate.resolvers.records import pack, unpack

HOT_TOKENS = 4096
NEGATIVE_TOKENS = 4096
ATTEMPTS = 3
"""How often one request asks, when each time a purge comes before the answer."""
DUE = 0.8
"""The part of the time that facts are fresh for, after which those that are used again are asked for anew."""
AHEAD_AT_ONCE = 16
"""How many of these calls may be under way: requests that wait come first."""
MOST_STALE = 60.0
"""Seconds, whatever the settings say."""


@dataclass(slots=True)
class Counts:
    """How often the memory knew (hits), knew of a refusal (negatives), or had to ask (misses).

    And how often it gave what was past its time (stale), and asked before anybody had to wait (ahead).
    """

    hits: int = 0
    misses: int = 0
    negatives: int = 0
    stale: int = 0
    ahead: int = 0

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
    *later* asks ahead for what is used much; without it, nobody does. *stale_seconds* is for how long past their time
    facts may be used, never past `exp`, while the server can't be asked, and only on routes that allow it.
    """

    def __init__(
        self,
        inner: Resolver,
        cache: Store,
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
        later: Later | None = None,
        stale_seconds: float = 0.0,
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
        self.later = later
        self.stale_seconds = min(stale_seconds, MOST_STALE)
        self._secret = secret
        self._context = b"".join(measured(part.encode("utf-8")) for part in context)
        self._generation = 0
        self._prefix = self._context + bytes(8)
        self._hot: OrderedDict[Credential, tuple[Token, float]] = OrderedDict()  # and when to look further than here
        self._negative: dict[bytes, float] = {}
        self._ahead: set[bytes] = set()

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """The facts about *credential*, remembered or fresh. Raises Refused as *inner* does."""
        hot, marks = self._hot.get(credential), self.marks
        if (
            hot is not None
            and self.ticks() < hot[1]
            and self.now() < hot[0].expires_at
            and (not marks.live or marks.clears(hot[0]))
        ):
            self.counts.hits += 1
            return hot[0]
        for again in range(ATTEMPTS):
            generation = self._generation
            key = self._key(credential)
            token, ahead = await self._resolve(key, credential, route, None if hot is None else hot[0], again=again > 0)
            if marks.live and not marks.clears(token):
                if token.source is Source.SIGNATURE or marks.denies(token):  # where nobody is asked, nobody says more
                    marks.check(token)
                continue  # it was asked for before somebody purged it
            if self.ticks() < token.fresh_until and generation == self._generation and not self._is_negative(key):
                self._keep_hot(credential, token, asked_ahead=ahead)
            return token
        raise Unavailable(f"purged {ATTEMPTS} times while it was asked for", retry_after=1)

    async def _resolve(
        self, key: bytes, credential: Credential, route: Route, hot: Token | None, *, again: bool
    ) -> tuple[Token, bool]:
        """The facts about *credential*, which nobody has looked at yet, and whether they are being asked for ahead.

        *hot* is what was at hand and is due; *again*: not those that are remembered.
        """
        if self._is_negative(key):
            self.counts.negatives += 1
            raise Refused(Reason.INACTIVE, "the authorization server said lately that the token is not active")
        token = None if again else await self._remembered(key, credential.value)
        ahead = False
        if token is None:
            self.counts.misses += 1
            try:
                token = await self.once(key, self._fill(key, credential, route))
            except Unavailable:
                token = await self._past_its_time(key, credential, route)
                if token is None:
                    raise
                self.counts.stale += 1
        else:
            self.counts.hits += 1
            ahead = hot is not None and token.fresh_until < hot.fresh_until + 1.0  # else somebody has asked since
            if ahead:
                self._ask_ahead(key, credential, route)
        if token.presented != credential.value:  # whoever shares the answer presented the same
            token = replace(token, presented=credential.value)
        return token, ahead

    def forget(self) -> None:
        """Find nothing again that is remembered now, nor what is on its way: a key that proved it was taken back."""
        self._generation += 1
        self._prefix = self._context + self._generation.to_bytes(8, "big")
        self._hot.clear()

    def _key(self, credential: Credential) -> bytes:
        # Every part is preceded by its length, so ("ab", "c") and ("a", "bc") are two questions.
        return hmac.digest(self._secret, self._prefix + measured(credential.value.encode("ascii")), "sha256")

    async def _remembered(self, key: bytes, presented: str) -> Token | None:
        found = await self.cache.get(key)
        if found is None:
            return None
        record, seconds = found
        try:
            until, where = self.ticks() + seconds, Source.MEMORY
            token = unpack(record, fresh_until=until, issuer=self.issuer, source=where, presented=presented)
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
                if no.reason.status < 500 and (self.later is not None or self.stale_seconds > 0):
                    await self.cache.forget(key)  # its word of now counts, whatever it said before
                    await self.cache.forget(self._spare(key))
                raise
            # Who knows when another machine asked; and a signature without a date says nothing of after the purge
            if heard and token.source is not Source.REDIS and not _undated(token):
                token = replace(token, heard=heard)
            left = token.expires_at - self.now()
            fresh = token.fresh_until - self.ticks()
            if min(fresh, left) > 0:
                await self.cache.put(key, pack(token), min(fresh, left))
                if self.stale_seconds > 0:
                    await self.cache.put(self._spare(key), pack(token), min(fresh + self.stale_seconds, left))
            return token

        return fill

    def _spare(self, key: bytes) -> bytes:
        """Where the facts of *key* are kept for as long as they may be used past their time."""
        return hmac.digest(self._secret, b"spare" + key, "sha256")

    async def _past_its_time(self, key: bytes, credential: Credential, route: Route) -> Token | None:
        """The facts that may be used although nobody can be asked; they are fresh for no time at all."""
        if self.stale_seconds <= 0 or not route.allow_stale:
            return None
        token = await self._remembered(self._spare(key), credential.value)
        return None if token is None else replace(token, fresh_until=self.ticks(), source=Source.STALE)

    def _ask_ahead(self, key: bytes, credential: Credential, route: Route) -> None:
        """Ask about *credential* behind, so that nobody has to wait when its facts are no longer fresh."""
        if self.later is None or key in self._ahead or len(self._ahead) >= AHEAD_AT_ONCE:
            return
        generation = self._generation

        async def ask() -> None:
            try:
                newer = await self.once(key, self._fill(key, credential, route))
                self.counts.ahead += 1
                if generation == self._generation and self.ticks() < newer.fresh_until:
                    self._keep_hot(credential, replace(newer, presented=credential.value))
            except Refused as no:
                if no.reason.status < 500:
                    self._hot.pop(credential, None)
            finally:
                self._ahead.discard(key)

        self._ahead.add(key)
        self.later(ask)

    def _is_negative(self, key: bytes) -> bool:
        return self.ticks() < self._negative.get(key, 0.0)

    def _remember_inactive(self, key: bytes) -> None:
        # Bounded by starting anew: whoever floods us with random tokens pushes out other refusals, never a good token.
        if len(self._negative) >= NEGATIVE_TOKENS:
            self._negative.clear()
        self._negative[key] = self.ticks() + self.negative_seconds

    def _keep_hot(self, credential: Credential, token: Token, *, asked_ahead: bool = False) -> None:
        if len(self._hot) >= HOT_TOKENS:
            self._hot.popitem(last=False)
        due = token.fresh_until
        fresh = due - self.ticks()
        if self.later is not None and not asked_ahead and token.expires_at - self.now() > fresh:  # else it ends anyway
            due -= (1.0 - DUE) * fresh
        if token.source is not Source.MEMORY:
            token = replace(token, source=Source.MEMORY)
        self._hot[credential] = token, due


def _undated(token: Token) -> bool:
    """Whether *token* was verified here, where nobody was asked, and doesn't say when it was issued."""
    return token.source is Source.SIGNATURE and type(token.claims.get("iat")) not in (int, float)


def measured(part: bytes) -> bytes:
    """*part* behind its length, so that no two sequences of parts are one."""
    return len(part).to_bytes(8, "big") + part
