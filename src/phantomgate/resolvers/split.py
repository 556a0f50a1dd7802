"""Split tokens: the signature in, the whole JWT verified. What is held is never believed, only found.

Rule: nothing is let in because it is held here. Whatever is found is joined with what the client presented and goes to
the verifier around which the memory is. What is not held, never pushed, deleted, over or forgotten, is a refusal. It is
looked up for every request, so that a deletion counts at once.
"""

from __future__ import annotations

from collections import OrderedDict

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Route, Token
from phantomgate.core.ports import Cache, Resolver
from phantomgate.core.typed import Protocol
from phantomgate.oauth.split_token import joined, key_of

REMEMBERED = 4096


class Found(Protocol):
    """Where look-ups are counted: `Counts` of `cached`."""

    hits: int
    misses: int


class Split:
    """A resolver around *verified*, which gets whole JWTs. Its state: those that were joined lately, bounded."""

    def __init__(self, verified: Resolver, halves: Cache, counts: Found) -> None:
        self.verified = verified
        self.halves = halves
        self.counts = counts
        self._joined: OrderedDict[Credential, tuple[bytes, Credential]] = OrderedDict()

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """What the issuer has signed. Raises Refused: INACTIVE for what is not held, else as the verifier."""
        key = key_of(credential.value)
        found = None if key is None else await self.halves.get(key)
        if found is None:
            self.counts.misses += 1
            raise Refused(Reason.INACTIVE, "no part of a split token is held for what was presented")
        self.counts.hits += 1
        return await self.verified.resolve(self._whole(credential, found[0]), route)

    def _whole(self, credential: Credential, half: bytes) -> Credential:
        known = self._joined.get(credential)
        if known is not None and known[0] == half:
            return known[1]
        whole = Credential(joined(half, credential.value))
        if len(self._joined) >= REMEMBERED:
            self._joined.popitem(last=False)
        self._joined[credential] = half, whole
        return whole
