"""What the authorization server of the fleet knows, and how it misbehaves now: one file, read again when it changed.

Rule: an opaque token says itself what it was issued for, sealed by the server, so that a server that is killed has
forgotten nobody; what can change (revocations, keys, secrets, its mood) is in the file, and whoever changes it replaces
the file. To everybody else a token is noise.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from joserfc.jwk import ECKey

from phantomgate.demo.tokens import SigningKey

Mood = Literal["well", "slow", "down", "failing", "garbage", "wrong signature", "refusing us"]
ISSUER = "https://as.chaos.example"
"""Of opaque tokens, about which it is asked."""
JWT_ISSUER = "https://jwt.as.chaos.example"
"""Of JWTs, about which nobody is asked."""
AUDIENCE = "api"
CLIENT_ID = "gateway"
KEYS_MAX_AGE, ANSWER_KEYS_MAX_AGE = 60, 3600
"""Seconds for which the key set of JWTs may be kept, and the one of answers: what these have proved ends with them."""
_SEAL = b"only the authorization server of the fault run knows this"


@dataclass
class Facts:
    """All of it. `keys` are private JWKs, of which `signs` is the `kid` of the one in use; `age` is for how many
    seconds answers about a token may be kept, by the token's number."""

    mood: Mood = "well"
    secrets: list[str] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    signs: str = ""
    revoked: list[int] = field(default_factory=list)

    def write(self, place: Path) -> None:
        """Replace the file at *place*: whoever asks from now on is told so."""
        other = place.with_suffix(".new")
        other.write_text(json.dumps(asdict(self)))
        other.replace(place)

    def signing_key(self) -> SigningKey:
        """What tokens and answers are signed with."""
        (jwk,) = (one for one in self.keys if one["kid"] == self.signs)
        return read_key(jwk)

    def public(self) -> dict[str, Any]:
        """The JWK set."""
        return {"keys": [{name: value for name, value in one.items() if name != "d"} for one in self.keys]}


def read(place: Path) -> Facts:
    """What `write` wrote."""
    return Facts(**json.loads(place.read_text()))


def new_key(kid: str) -> dict[str, Any]:
    """A private key."""
    return dict(ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": kid}).as_dict(private=True))


def read_key(jwk: dict[str, Any]) -> SigningKey:
    """*jwk*, to sign with."""
    return SigningKey("ES256", ECKey.import_key(jwk))


def opaque(claims: dict[str, Any], *, keep: int, seal: bytes = _SEAL) -> str:
    """A token for *claims*, answers about which may be kept for *keep* seconds."""
    body = base64.urlsafe_b64encode(json.dumps([keep, claims]).encode()).rstrip(b"=")
    return f"{body.decode()}~{hmac.digest(seal, body, hashlib.sha256).hex()[:32]}"


def read_opaque(token: str) -> tuple[dict[str, Any], int] | None:
    """The claims of *token*, and for how long answers may be kept; None when we never issued it."""
    body, _, seal = token.partition("~")
    if not hmac.compare_digest(seal.encode(), hmac.digest(_SEAL, body.encode(), hashlib.sha256).hex()[:32].encode()):
        return None
    keep, claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims, keep


class Watched:
    """The facts in a file. Its state: what was read last, and which file that was."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._seen: tuple[int, int] | None = None
        self._facts = Facts()
        self._revoked: frozenset[int] = frozenset()
        self._key: SigningKey | None = None

    def now(self) -> tuple[Facts, frozenset[int], SigningKey]:
        """The facts, the numbers of the revoked tokens, and the key that signs."""
        stat = self._place.stat()
        if self._key is None or (stat.st_ino, stat.st_mtime_ns) != self._seen:
            self._seen = stat.st_ino, stat.st_mtime_ns
            self._facts = read(self._place)
            self._revoked = frozenset(self._facts.revoked)
            self._key = self._facts.signing_key()
        return self._facts, self._revoked, self._key
