"""What is purged: the noun that a receiver makes of a logout token, a security event or an operator's word.

Rule: a purge names whose tokens are over; a mark is what is left of it, without names, for whoever has to know.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from phantomgate.core.nouns import dataclass, field
from phantomgate.core.typed import NamedTuple

Kind: TypeAlias = Literal["token", "sid", "sub", "client_id", "issuer", "nameless"]
"""`nameless` is a person (`sub`) in tokens that don't say of which session (`sid`) they are."""
KINDS: tuple[Kind, ...] = get_args(Kind)
ASKED_AGAIN = 1.0
"""The `at` of a purge that has everything it names asked again, and refuses nothing for when it was issued."""


@dataclass(frozen=True, slots=True)
class Purge:
    """One token, or all of a session, a person, a client or an issuer that were issued before *at* (Unix time).

    *issuer* is the configured issuer's name; for `kind = "issuer"` the *value* is that name, for a token it is empty.
    """

    kind: Kind
    value: str = field(repr=False)
    issuer: str
    at: float


class Mark(NamedTuple):
    """What is remembered of a purge: a digest of what it names, *at* what time it was asked for, and for how long."""

    kind: Kind
    digest: bytes
    at: float
    seconds: float


def digest_of(secret: bytes, kind: Kind, issuer: str, value: str) -> bytes:
    """What tells one name from every other; nobody without *secret* can try names by it."""
    parts = [part.encode("utf-8", "surrogatepass") for part in (kind, issuer, value)]
    measured = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(secret or b"phantomgate", measured, "sha256")[:16]


def mark_of(purge: Purge, secret: bytes, seconds: float) -> Mark:
    """The mark that *purge* leaves for *seconds*."""
    return Mark(purge.kind, digest_of(secret, purge.kind, purge.issuer, purge.value), purge.at, seconds)


def write_mark(mark: Mark) -> list[Any]:
    """*mark* as JSON carries it between processes."""
    return [mark.kind, mark.digest.hex(), mark.at, mark.seconds]


def read_mark(said: Any) -> Mark:
    """The mark in *said*. Raises ValueError for what `write_mark` didn't write."""
    try:
        kind, digest, at, seconds = said
        if kind in KINDS and all(type(number) in (int, float) and 0 < number < 1e12 for number in (at, seconds)):
            return Mark(kind, bytes.fromhex(digest), float(at), float(seconds))
    except (TypeError, ValueError):
        pass
    raise ValueError("not a mark")


def write_purge(purge: Purge) -> list[Any]:
    """*purge* as JSON carries it between processes of one machine."""
    return [purge.kind, purge.value, purge.issuer, purge.at]


def read_purge(said: Any) -> Purge:
    """The purge in *said*. Raises ValueError for what `write_purge` didn't write."""
    try:
        kind, value, issuer, at = said
        if kind in KINDS and isinstance(value, str) and isinstance(issuer, str) and type(at) in (int, float):
            return Purge(kind, value, issuer, float(at))
    except (TypeError, ValueError):
        pass
    raise ValueError("not a purge")


def named_by(claims: Mapping[str, Any], kind: Kind) -> str:
    """Whom *claims* name by *kind*; empty for nobody. A client is `client_id`, or `azp` where there is no other."""
    value = claims.get(kind)
    if kind == "client_id" and not value:
        value = claims.get("azp")
    if kind == "nameless":
        value = claims.get("sub") if not claims.get("sid") else ""
    return value if isinstance(value, str) else ""


def write_note(marks: Sequence[Mark], secret: bytes) -> bytes:
    """*marks* for other machines, which know by *secret* that one of us wrote it."""
    body = json.dumps([write_mark(mark) for mark in marks]).encode()
    return hmac.digest(secret, b"note" + body, "sha256") + body


def read_note(note: bytes, *secrets: bytes) -> list[Mark]:
    """The marks in *note*, by one of *secrets*. Raises ValueError for one that none of us wrote."""
    ours = [hmac.compare_digest(note[:32], hmac.digest(secret, b"note" + note[32:], "sha256")) for secret in secrets]
    if not any(ours):
        raise ValueError("a note that none of us wrote")
    return [read_mark(one) for one in json.loads(note[32:])]
