"""Deny marks: whose tokens were purged lately, so that nothing that was known before is believed, nor on its way.

Rule: a mark outlives all facts that were known before it, so nobody has to find and delete those: they are not believed
while it lasts, and over when it ends. While no mark is live, nothing is looked at; while one is, each token is
looked at once for all of them.

    a token, a session          refused, whatever anybody says meanwhile
    a person, a client, an      what was asked before the mark is asked again, and what was issued clearly before it is
    issuer                      refused: a new login gets in
"""

from __future__ import annotations

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import HeaderChange, Route, Token
from phantomgate.core.ports import Clock, Forward
from phantomgate.core.purge import KINDS, Kind, Mark, digest_of, named_by

MOST = 100_000
CLEARED = 8192
MOST_SECRETS = 8
"""Of how many secrets digests are read: those of the last so many settings."""
ISSUED_WITHIN = 5.0
"""Seconds by which the server's clock may differ from that of whoever purged: a token that was issued in this time
before the mark is asked about again instead of refused, since it may be a new login's."""


class Marks:
    """What was purged. Its state: the marks by kind, how many were *heard* of, and the tokens that none is about.

    *secret* is that of the digests, those of *others* are read too; `know` tells of another, and what was purged under
    the older ones stays so. More than *most* marks: the oldest become one that has everything asked again.
    """

    def __init__(self, *, ticks: Clock, secret: bytes = b"", others: tuple[bytes, ...] = (), most: int = MOST) -> None:
        self.live = False
        """Whether there are any; nothing else need be looked at when there are not."""
        self.unheard = False
        """Whether there may be others, of before we started, that we could not be told of yet."""
        self.heard = 0
        self._ticks = ticks
        self._secrets = (*others, secret)
        self._most = most
        self._kinds: dict[Kind, dict[bytes, tuple[int, float, float]]] = {kind: {} for kind in KINDS}
        self._all = (0, 0.0)
        self._until = 0.0
        self._cleared: set[Token] = set()

    @property
    def secret(self) -> bytes:
        """What the digests in new marks are made with."""
        return self._secrets[-1]

    @property
    def others(self) -> tuple[bytes, ...]:
        """What those in other marks are made with."""
        return self._secrets[:-1]

    def know(self, secret: bytes) -> None:
        """Read the digests of *secret* too."""
        others = tuple(one for one in self._secrets if one != secret)
        self._secrets = (*others[1 - MOST_SECRETS :], secret)
        self._cleared = set()

    def put(self, mark: Mark) -> None:
        """Believe nothing that *mark* is about from now on. Hearing of it twice makes it no older."""
        now = self._ticks()
        self._sweep(now)
        self.heard += 1
        kept = self._kinds[mark.kind]
        _, at, until = kept.pop(mark.digest, (0, 0.0, 0.0))
        kept[mark.digest] = self.heard, max(at, mark.at), max(until, now + mark.seconds)
        self._until = max(self._until, now + mark.seconds)
        self.live = True
        self._cleared = set()

    def denies(self, token: Token) -> bool:
        """Whether *token* is refused, whoever says it is active."""
        now = self._ticks()
        iat = token.claims.get("iat")
        issued = iat if isinstance(iat, (int, float)) else float("inf")
        for kind, (_, at, until) in self._about(token):
            if now < until and (kind in ("token", "sid") or issued < at - ISSUED_WITHIN):
                return True
        return False

    def clears(self, token: Token) -> bool:
        """Whether *token* was asked about after every mark that is about it, and may be believed."""
        cleared = self._cleared  # a mark that another thread puts meanwhile takes another set's place
        if token in cleared:
            return True
        now = self._ticks()
        if now >= self._until:
            self._forget_all()
            return True
        serial, until = self._all
        if now < until and token.heard < serial:
            return False
        for _, (serial, _, until) in self._about(token):
            if now < until and token.heard < serial:
                return False
        if self.denies(token):
            return False
        if len(cleared) >= CLEARED:
            cleared.clear()
        cleared.add(token)
        return True

    def check(self, token: Token) -> None:
        """Raises Refused(INACTIVE) for a token that is not to be let in any more."""
        if self.live and not self.clears(token):
            raise Refused(Reason.INACTIVE, "was purged, or logged out, a moment ago")

    def _about(self, token: Token) -> list[tuple[Kind, tuple[int, float, float]]]:
        found = []
        for kind, kept in self._kinds.items():
            if kept:
                value = token.presented if kind == "token" else named_by(token.claims, kind)
                issuer = "" if kind == "token" else token.issuer
                if kind == "issuer":
                    value = token.issuer
                for secret in self._secrets if value else ():
                    mark = kept.get(digest_of(secret, kind, issuer, value))
                    if mark is not None:
                        found.append((kind, mark))
        return found

    def _sweep(self, now: float) -> None:
        """Make room: of what is over, and then of the oldest."""
        if sum(map(len, self._kinds.values())) < self._most:
            return
        for kind, kept in self._kinds.items():
            self._kinds[kind] = {name: mark for name, mark in list(kept.items()) if now < mark[2]}
        if sum(map(len, self._kinds.values())) >= self._most:
            for kept in self._kinds.values():
                kept.clear()
            self.heard += 1
            self._all = self.heard, self._until

    def _forget_all(self) -> None:
        for kept in self._kinds.values():
            kept.clear()
        self._all = 0, 0.0
        self.live = False
        self._cleared = set()


def still_good(marks: Marks, forward: Forward) -> Forward:
    """*forward*, which waits, and after which a token that was purged meanwhile goes nowhere."""

    async def forwarded(route: Route, token: Token) -> HeaderChange:
        change = await forward(route, token)
        marks.check(token)
        return change

    return forwarded
