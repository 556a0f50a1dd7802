"""Who comes: known tokens, new ones, and every kind of token that must not pass, in proportions of a bad week.

Rule: a credential is made here with all that is true of it, and what becomes true later (revoked, purged, key taken
back) is told to it by whoever does that. Which comes next is the seed's choice.
"""

from __future__ import annotations

import base64
import hmac
import json
import random
import time
from collections.abc import Callable
from math import inf
from typing import Any

from chaos.facts import AUDIENCE, JWT_ISSUER, new_key, opaque, read_key
from chaos.oracle import Presented
from chaos.realm import Realm

MAX_AGE = 60
"""The fleet's `cache.max_age`, seconds."""
BRIEF = 5
"""Seconds for which answers about some tokens may be kept."""
HOUR = 3600
RETIRED = 35.0
"""How old, in seconds, a known token gets before another takes its place: nobody has to ask about it again by then."""
KNOWN, KNOWN_JWTS, DOOMED = 40, 12, 24

WEIGHTS = {
    "known": 30,
    "known jwt": 8,
    "new": 10,
    "new jwt": 4,
    "brief": 5,
    "purged": 8,
    "purged jwt": 6,
    "revoked": 5,
    "expiring": 4,
    "expiring jwt": 3,
    "wrong audience": 3,
    "wrong audience jwt": 2,
    "missing scope": 3,
    "missing scope jwt": 1,
    "forged jwt": 7,
    "unknown": 3,
    "malformed": 2,
    "nothing": 2,
}
AVAILABLE = {"known": "known", "known jwt": "known", "new": "new", "new jwt": "new"}
"""Which kinds somebody should be let in with, and by which of the two promises."""


class Population:
    """Its state: the pools of those that come again."""

    def __init__(self, seed: random.Random, realm: Realm) -> None:
        self.seed = seed
        self.realm = realm
        self.pools: dict[str, list[Presented]] = {kind: [] for kind in WEIGHTS}
        self.calm = True
        """Whether known tokens may be replaced: not while nobody could be asked about their successors."""
        self._number = 0
        self._kinds, self._weights = list(WEIGHTS), list(WEIGHTS.values())
        self._stolen: list[dict[str, Any]] = []

    def next(self) -> Presented:
        """Whoever comes next."""
        (kind,) = self.seed.choices(self._kinds, self._weights)
        return self._makers()[kind](kind)

    def renew(self) -> None:
        """Nothing that was known counts as known any more."""
        self.pools["known"].clear()
        self.pools["known jwt"].clear()

    def doomed(self, kind: str) -> Presented | None:
        """One of *kind* that has been let in for a moment and isn't over yet, so that it can be ended now."""
        now = time.monotonic()
        alive = [one for one in self.pools[kind] if one.known and one.revoked == inf and one.purging == inf]
        return self.seed.choice(alive) if alive and now - alive[0].born > 2.0 else None

    def steal(self, jwk: dict[str, Any]) -> None:
        """From now on somebody signs with a key that the issuer has taken back."""
        self._stolen.append(jwk)

    def _makers(self) -> dict[str, Callable[[str], Presented]]:
        fixed = self._forever
        return {
            "known": lambda kind: self._known(kind, KNOWN, self._opaque),
            "known jwt": lambda kind: self._known(kind, KNOWN_JWTS, self._jwt),
            "new": self._opaque,
            "new jwt": self._jwt,
            "brief": lambda kind: self._pooled(kind, 6, lambda: self._opaque(kind, keep=BRIEF)),
            "purged": lambda kind: self._pooled(kind, DOOMED, lambda: self._opaque(kind)),
            "purged jwt": lambda kind: self._pooled(kind, DOOMED, lambda: self._jwt(kind, issued=-60)),
            "revoked": lambda kind: self._pooled(kind, DOOMED, lambda: self._opaque(kind, keep=BRIEF)),
            "expiring": lambda kind: self._pooled(kind, 12, lambda: self._opaque(kind, seconds=4)),
            "expiring jwt": lambda kind: self._pooled(kind, 12, lambda: self._jwt(kind, seconds=4)),
            "wrong audience": lambda kind: fixed(kind, lambda: self._opaque(kind, good=False, aud="other")),
            "wrong audience jwt": lambda kind: fixed(kind, lambda: self._jwt(kind, good=False, aud="other")),
            "missing scope": lambda kind: fixed(kind, lambda: self._opaque(kind, good=False, scope="write")),
            "missing scope jwt": lambda kind: fixed(kind, lambda: self._jwt(kind, good=False, scope="write")),
            "forged jwt": self._forged,
            "unknown": lambda kind: Presented(kind, f"Bearer {self.seed.randbytes(30).hex()}"),
            "malformed": lambda kind: Presented(
                kind, self.seed.choice(["Bearer", "Bearer a b", "Basic YTpi", "Bearer é"])
            ),
            "nothing": lambda kind: Presented(kind, None),
        }

    def _known(self, kind: str, most: int, make: Callable[[str], Presented]) -> Presented:
        """One of those that are known; or else a new one, which the first answer makes known."""
        pool, now = self.pools[kind], time.monotonic()
        if self.calm:
            pool[:] = [one for one in pool if now - one.born < RETIRED and one.kid not in self.realm.taken_back]
            if len(pool) < most:
                return self._newcomer(kind, make)
        return self.seed.choice(pool) if pool else self._newcomer(kind, make)

    def _newcomer(self, kind: str, make: Callable[[str], Presented]) -> Presented:
        """Comes as new, and joins the known when it was let in: whoever judges says so by `admit`."""
        return make(kind.replace("known", "new"))

    def admit(self, one: Presented) -> None:
        """*one* was let in."""
        one.known = True
        kind = one.kind.replace("new", "known")
        most = KNOWN if kind == "known" else KNOWN_JWTS
        if (
            one.kind in ("new", "new jwt")
            and self.calm
            and len(self.pools[kind]) < most
            and one not in self.pools[kind]
        ):
            one.kind = kind
            self.pools[kind].append(one)

    def _pooled(self, kind: str, most: int, make: Callable[[], Presented]) -> Presented:
        """One that comes again, before its end and long after it; the oldest makes room for a new one now and then."""
        pool = self.pools[kind]
        if len(pool) < most or self.seed.random() < 0.05:
            pool.append(make())
            ended = [one for one in pool if min(one.until, one.revoked, one.purged) < time.monotonic()]
            if len(pool) > 3 * most:
                pool.remove(ended[0] if ended else pool[0])
        return self.seed.choice(pool)

    def _forever(self, kind: str, make: Callable[[], Presented]) -> Presented:
        return self._pooled(kind, 3, make)

    def _claims(self, seconds: int, issued: int, **more: Any) -> dict[str, Any]:
        self._number += 1
        now, name = int(time.time()), f"{self.seed.getrandbits(32):08x}-{self._number}"
        return {
            "number": self._number,
            "sub": f"user-{name}",
            "sid": f"session-{name}",
            "client_id": "web",
            "aud": AUDIENCE,
            "scope": "read",
            "iat": now + issued,
            "exp": now + seconds,
            **more,
        }

    def _opaque(
        self, kind: str, *, seconds: int = HOUR, keep: int = MAX_AGE, good: bool = True, **more: Any
    ) -> Presented:
        claims = self._claims(seconds, 0, **more)
        return self._presented(kind, opaque(claims, keep=keep), claims, good=good, kept=keep)

    def _jwt(self, kind: str, *, seconds: int = HOUR, issued: int = 0, good: bool = True, **more: Any) -> Presented:
        claims = self._claims(seconds, issued, **more)
        key = self.realm.facts.signing_key()
        token = key.sign({"iss": JWT_ISSUER, "jti": str(claims["number"]), **claims})
        one = self._presented(kind, token, claims, good=good, kept=MAX_AGE, asked=False)
        one.kid = self.realm.facts.signs
        return one

    def _presented(self, kind: str, token: str, claims: dict[str, Any], **more: Any) -> Presented:
        now = time.monotonic()
        return Presented(
            kind,
            f"Bearer {token}",
            claims["number"],
            subject=claims["sub"],
            until=now + claims["exp"] - time.time(),
            born=now,
            **more,
        )

    def _forged(self, kind: str) -> Presented:
        """A JWT that the issuer has not signed, or not with a key that it stands by."""
        claims = {"iss": JWT_ISSUER, "jti": "1", **self._claims(HOUR, 0)}
        good = {"typ": "at+jwt", "alg": "ES256", "kid": self.realm.facts.signs}
        if self._stolen and self.seed.random() < 0.4:
            jwk = self.seed.choice(self._stolen)
            one = self._presented(kind, read_key(jwk).sign(claims), claims, good=True, kept=MAX_AGE, asked=False)
            one.kid = jwk["kid"]
            return one
        how = self.seed.randrange(7)
        own = new_key(self.realm.facts.signs if how else "nobody-knows")
        token = read_key(own).sign(claims)  # 0: an unknown key; 1: another key by the issuer's name for its own
        if how == 2:
            token = f"{_segment({**good, 'alg': 'none'})}.{_segment(claims)}."
        elif how == 3:
            signed = f"{_segment({**good, 'alg': 'HS256'})}.{_segment(claims)}"
            secret = json.dumps(self.realm.facts.public()["keys"][0]).encode()
            token = f"{signed}.{_base64(hmac.digest(secret, signed.encode(), 'sha256'))}"
        elif how == 4:
            public = {name: value for name, value in own.items() if name != "d"}
            token = f"{_segment({**good, 'jwk': public})}.{token.partition('.')[2]}"
        elif how == 5:
            head, _, signature = self.realm.facts.signing_key().sign(claims).split(".")
            token = f"{head}.{_segment({**claims, 'sub': 'root'})}.{signature}"
        elif how == 6:
            token = self.realm.facts.signing_key().sign({**claims, "iss": "https://other.example"})
        return Presented(kind, f"Bearer {token}", claims["number"])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _segment(value: object) -> str:
    return _base64(json.dumps(value).encode())
