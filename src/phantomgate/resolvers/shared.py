"""Facts that several machines share, so that in the usual case one of them asks about a new token and the others read.

Rule: what is shared is what was answered, packed as for the memory, and nothing about it is believed for longer than
whoever asked might have. What is wrong with the store, or slow, is a miss: then we ask, as if there were none. Facts
that a key has proved are believed only while we hold every key that whoever asked held, so that a key that is taken
back takes them along.

    found? ──no──▶ ours to ask? ──yes──▶ ask, keep, release
                        │ no: look again for a while, until found, ours, or too long
                        └──▶ ask all the same
"""

from __future__ import annotations

from collections.abc import Sequence

from phantomgate.core.errors import Refused
from phantomgate.core.model import Credential, Route, Source, Token
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Clock, Pause, Resolver, SharedFacts
from phantomgate.resolvers.cached import Counts, measured
from phantomgate.resolvers.keys import Keys
from phantomgate.resolvers.marks import Marks
from phantomgate.resolvers.records import pack, unpack

FIRST_LOOK, LONGEST_LOOK = 0.01, 0.1
"""Seconds between two looks for what another machine asks about: each half as long again as the one before."""
_PROOF = 16


@dataclass(slots=True)
class SharedCounts(Counts):
    """Besides hits and misses: faults of the store, look-ups skipped after one, and values that none of us wrote."""

    faults: int = 0
    skipped: int = 0
    forged: int = 0

    def results(self) -> dict[str, int]:
        """As `Counts.results`."""
        return {
            "hit": self.hits,
            "miss": self.misses,
            "fault": self.faults,
            "skipped": self.skipped,
            "forged": self.forged,
        }


class Shared:
    """A resolver around *inner* that looks at what others were told. It has no state of its own.

    *context* is what the answer depends on besides the token, as for `Cached`; *keys* are those that prove it;
    *patience* is how many seconds we wait for another who asks, and twice that is how long a claim of ours lasts.
    *name* is the issuer's in the settings.
    """

    def __init__(
        self,
        inner: Resolver,
        facts: SharedFacts,
        *,
        context: tuple[str, ...],
        keys: Sequence[Keys] = (),
        patience: float,
        pause: Pause,
        now: Clock,
        ticks: Clock,
        name: str,
        counts: SharedCounts,
        marks: Marks | None = None,
    ) -> None:
        self.inner = inner
        self.facts = facts
        self.keys = tuple(keys)
        self.patience = patience
        self.pause = pause
        self.now = now
        self.ticks = ticks
        self.name = name
        self.counts = counts
        self.marks = Marks(ticks=ticks) if marks is None else marks
        self._context = b"".join(measured(part.encode("utf-8")) for part in context)

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """The facts about *credential*, shared or fresh. Raises Refused as *inner* does."""
        question = self._context + measured(credential.value.encode("ascii"))
        token = await self._found(question, credential)
        ours = False
        if token is None:
            ours = await self.facts.claim(question, 2 * self.patience)
            if not ours:
                token, ours = await self._awaited(question, credential)
        if token is not None:
            self.counts.hits += 1
            return token
        self.counts.misses += 1
        try:
            before = await self._proofs()
            token = await self.inner.resolve(credential, route)
            await self._keep(question, token, before)
        finally:
            if ours:
                await self.facts.release(question)
        return token

    async def _awaited(self, question: bytes, credential: Credential) -> tuple[Token | None, bool]:
        """What another has found meanwhile; and whether the question became ours, since that one found nothing."""
        until, seconds = self.ticks() + self.patience, FIRST_LOOK
        while self.ticks() < until:
            await self.pause(seconds)
            seconds = min(1.5 * seconds, LONGEST_LOOK)
            token = await self._found(question, credential)
            if token is not None:
                return token, False
            if await self.facts.claim(question, 2 * self.patience):
                return None, True
        return None, False

    async def _found(self, question: bytes, credential: Credential) -> Token | None:
        found = await self.facts.find(question)
        if found is None:
            return None
        record, seconds = found
        until = self.ticks() + seconds
        try:
            proofs = {record[at : at + _PROOF] for at in range(1, 1 + _PROOF * record[0], _PROOF)}
            ours = await self._proofs()
            if ours is None or not proofs <= ours:
                return None
            facts, shown = record[1 + _PROOF * record[0] :], credential.value
            token = unpack(facts, fresh_until=until, issuer=self.name, source=Source.REDIS, presented=shown)
        except (ValueError, IndexError, Refused):
            return None  # not what we write today, or its keys can't be had: ask
        if self.now() >= token.expires_at:
            return None
        # What another was told may be from before the purge; we can't know, so while a mark lasts we ask
        return None if self.marks.live and not self.marks.clears(token) else token

    async def _keep(self, question: bytes, token: Token, before: set[bytes] | None) -> None:
        """Share *token*, which a key proved that was there *before* we asked, or is there now."""
        after = await self._proofs()
        seconds = min(token.fresh_until - self.ticks(), token.expires_at - self.now())
        if token.private or seconds <= 0 or before is None or after is None:
            return
        proofs = sorted(before | after)
        if len(proofs) < 256:
            await self.facts.keep(question, b"".join((bytes((len(proofs),)), *proofs, pack(token))), seconds)

    async def _proofs(self) -> set[bytes] | None:
        """What tells the keys that prove answers from all others; None when they can't be had."""
        proofs: set[bytes] = set()
        try:
            for keys in self.keys:
                proofs |= (await keys.get()).value.fingerprints()
        except Refused:
            return None
        return proofs
