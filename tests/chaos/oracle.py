"""What must be refused, from when on, by what the documentation promises and by nothing else.

Rule: whoever asks gets one moment for a token at a gateway: a request that begins after it and is let in is wrong.
Faults lengthen no window but those that the documentation names, which are these:

    expired                 at once; by a machine whose clock is behind, by so much later
    revoked at the server   as long as its answer may be kept
    purged, acknowledged    one second, or one second after the last machine that could hear nothing can again
    signed by a key that    as long as the key set may be kept, and as long as another try takes where the server
    was taken back          couldn't be asked meanwhile
    through a gateway that  by as long as it was told it may keep a decision, and by the second that nginx counts in
    remembers decisions
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from chaos.facts import KEYS_MAX_AGE

PURGE_SECONDS = 1.0
NGINX_SECOND = 1.0
KEYS_PAUSE = 30.0
"""Between two attempts to have the keys, where the first failed."""


@dataclass(slots=True, eq=False)
class Presented:
    """A credential, and what is true of it. Times are of the monotonic clock.

    *field* is the value of the Authorization field, if there is one; *good*: there is a time at which it may be let in;
    *subject* is whose it is; *until* its `exp`; *kept* for how many seconds answers about it may be kept; *asked*: the
    server is asked about it, which a JWT is not.
    """

    kind: str
    field: str | None
    number: int = 0
    good: bool = False
    subject: str = ""
    until: float = inf
    kept: float = 0.0
    asked: bool = True
    kid: str = ""
    born: float = 0.0
    known: bool = False
    """Whether it has been let in."""
    revoked: float = inf
    """Since when the server says it is not active."""
    purging: float = inf
    """When somebody first tried to purge it."""
    purged: float = inf
    """When that was acknowledged."""


@dataclass
class Oracle:
    """What happened to the fleet, as far as windows hang on it."""

    deaf: list[tuple[float, float]] = field(default_factory=list)
    """From when to when some machine could hear of no purges."""
    behind: list[tuple[float, float, float]] = field(default_factory=list)
    """From when to when a machine's clock was behind, and by how many seconds."""
    unasked: list[tuple[float, float]] = field(default_factory=list)
    """From when to when the authorization server couldn't be asked."""
    taken_back: dict[str, float] = field(default_factory=dict)
    """When a key was taken back, by its `kid`."""

    def over(self, one: Presented, at: float, *, remembers: bool) -> float:
        """From when on *one* must be refused by a gateway that *remembers* decisions or doesn't; *at* is now."""
        if not one.good:
            return -inf
        ends = [one.until + self._slack(at, remembers=remembers)]
        if one.asked:
            ends.append(one.revoked + one.kept)
        ends.append(self.heard(one.purged) + (one.kept if remembers else 0.0))
        if one.kid in self.taken_back:
            ends.append(self._keys_gone(self.taken_back[one.kid]))
        return min(ends) + (NGINX_SECOND if remembers else 0.0)

    def heard(self, purged: float) -> float:
        """When everybody has heard of what was acknowledged at *purged*."""
        heard = purged + PURGE_SECONDS
        for begin, end in sorted(self.deaf):
            if begin <= heard and end >= purged:
                heard = max(heard, end + PURGE_SECONDS)
        return heard

    def certainly_good(self, one: Presented, at: float) -> bool:
        """Whether a refusal that is told at *at* is wrong: not an hour, but a second too early counts."""
        ends = [one.until - 1.0, one.revoked, one.purging, self.taken_back.get(one.kid, inf)]
        return one.good and at < min(ends)

    def _keys_gone(self, taken_back: float) -> float:
        gone = taken_back + KEYS_MAX_AGE
        for begin, end in sorted(self.unasked):
            if begin <= gone and end >= taken_back:
                gone = max(gone, end + KEYS_PAUSE)
        return gone

    def _slack(self, at: float, *, remembers: bool) -> float:
        later = NGINX_SECOND if remembers else 0.0
        return max(
            [0.0, *(by for begin, end, by in self.behind if begin <= at <= end + (by + later if remembers else 0.0))]
        )
