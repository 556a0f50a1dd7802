"""The nouns: what a request, a credential, a token and a decision are. No behaviour beyond looking things up.

Frozen, slotted, and secrets never print. Times are seconds: `expires_at` on the wall clock (Unix time, as `exp`),
`fresh_until` on the monotonic clock, so that a clock that is set back can't prolong what we remember.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from math import inf
from typing import Any, Literal, TypeAlias

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.nouns import dataclass, field


class Headers:
    """Header fields by lower-case name, with every repetition kept, so that no reader can pick the wrong one.

    Not a dataclass: the listener fills `fields` and `repeated` itself, one call a field, on the hot path.
    """

    __slots__ = ("fields", "repeated")

    def __init__(
        self, fields: dict[bytes, bytes] | None = None, repeated: dict[bytes, list[bytes]] | None = None
    ) -> None:
        self.fields: dict[bytes, bytes] = {} if fields is None else fields
        """The first value of each field."""
        self.repeated: dict[bytes, list[bytes]] = {} if repeated is None else repeated
        """All values, in order, of fields that came more than once."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[bytes | str, bytes | str]]) -> Headers:
        """Headers from (name, value) pairs; text is read as Latin-1, which loses nothing that HTTP can carry."""
        headers = cls()
        for name, value in pairs:
            headers.add(_bytes(name), _bytes(value))
        return headers

    def add(self, name: bytes, value: bytes) -> None:
        """One more field, in the order of arrival."""
        name = name.lower()
        fields = self.fields
        if name in fields:
            self.repeated.setdefault(name, [fields[name]]).append(value)
        else:
            fields[name] = value

    def one(self, name: bytes) -> bytes | None:
        """The only value of *name*, or None. Raises Refused when it came more than once."""
        if name in self.repeated:
            raise Refused(
                Reason.MALFORMED_REQUEST,
                f"{len(self.repeated[name])} {name.decode('latin-1')} fields, want one",
            )
        return self.fields.get(name)

    def all(self, name: bytes) -> list[bytes]:
        """Every value of *name*, in order."""
        if name in self.repeated:
            return self.repeated[name]
        return [self.fields[name]] if name in self.fields else []

    def __contains__(self, name: bytes) -> bool:
        return name in self.fields

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        for name in self.fields:
            for value in self.all(name):
                yield name, value

    def __repr__(self) -> str:
        return f"Headers({', '.join(sorted(name.decode('latin-1') for name in self.fields))})"  # never values


def _bytes(text: bytes | str) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


@dataclass(slots=True, eq=False)
class Request:
    """The request to be judged, in the same words whatever gateway sent it.

    `path` is as the client sent it, percent-encoding kept, without the query. `problem` is the refusal of a
    request that could not be read (two sources that contradict each other, say), raised before anything else. Not
    frozen only because a frozen dataclass costs twice as much to make; nobody may change one.
    """

    method: str
    path: str
    headers: Headers
    query: str = field(default="", repr=False)
    peer: str = ""
    host: str = ""
    scheme: str = ""
    problem: Refused | None = None
    note: str = ""
    """What an operator should know although it changes nothing: fields of an untrusted peer were ignored, say."""
    routed: bool = True
    """False when the caller named no method and path (`/exchange` without them): `[policy]` alone rules."""
    answerable: bool = False
    """Whether the client hears an `Answer` as it is. Where a gateway would take one for a yes, it is never given."""


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """What was found in the request: the access token as presented. Compared by identity, so it can key a memo."""

    value: str = field(repr=False)
    sealed: bool = False
    """Whether a session's cookie sealed it: by us or an OAuth agent of ours, and not by whoever sent it."""


class Source(Enum):
    """Where a token's facts came from this time."""

    NETWORK = "network"
    MEMORY = "memory"
    REDIS = "redis"
    """Another process asked, and shared what it was told."""
    SIGNATURE = "signature"
    """Verified here, with the issuer's keys."""
    STALE = "stale"
    """From memory past its time, since the authorization server can't be asked, where the route allows that."""
    SEALED = "sealed"
    """Nobody was asked: what a cookie sealed goes upstream as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """The authorization server's verified facts about a credential, and the JWT that goes upstream.

    `claims` is what policies judge; `jwt` is what is forwarded; `issuer` is the configured issuer's name, never the
    claim. `expires_at` is `exp`; `fresh_until` is how long anybody may remember these facts (monotonic clock).
    """

    jwt: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    scopes: frozenset[str]
    expires_at: float
    fresh_until: float
    issuer: str = ""
    source: Source = Source.NETWORK
    presented: str = field(default="", repr=False)
    """The token as the client presented it, which [exchange] may need."""
    made: str = ""
    """How `jwt` came to be, where it was made for upstream; empty: it came with the facts."""
    heard: int = 0
    """How many purges had been heard of when these facts were asked for."""
    private: bool = False
    """Whether the server allows only whoever asked to remember this (RFC 9111 §5.2.2.7)."""

    def lifetime(self, now: float, ticks: float) -> int:
        """How many whole seconds a gateway may keep an answer made from this token; 0 means not at all.

        *now* is Unix time, *ticks* the monotonic clock that `fresh_until` was read from.
        """
        left = self.expires_at - now
        fresh = self.fresh_until - ticks
        if fresh < left:
            left = fresh
        return int(left) if left > 0 else 0


Fields: TypeAlias = tuple[tuple[str, str], ...]
"""Header fields as an answer has them: names and values, in order."""

ScopeStrategy: TypeAlias = Literal["exact", "hierarchic", "wildcard"]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """The rules that apply to a request: what `match` found and every later verb may look at."""

    name: str
    """For logs and `explain`: "POST /orders/**", or "policy"."""
    scopes: frozenset[str] = frozenset()
    """All of these are needed."""
    any_scopes: frozenset[str] = frozenset()
    """At least one of these is needed, when there are any."""
    issuers: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    issuer: str = ""
    """The configured issuer whose tokens alone are for this route; empty: any."""
    upstream_audience: str = ""
    """Whom the JWT that we mint or exchange for here is for; empty: whom [mint] or [exchange] names."""
    allow_stale: bool = False
    """Whether facts may be used a little past their time while the authorization server can't be asked."""
    of_table: bool = False
    """Whether another method or path could have found another route, so that what is decided here holds here only."""


@dataclass(frozen=True, slots=True, eq=False)
class HeaderChange:
    """What happens to the request's headers on the way upstream.

    `set` always replaces; values are ASCII without control characters. `owned` are the names, in the form of
    `plain_name`, that a client may not send: whatever it sent under them or a look-alike is dropped.
    """

    set: tuple[tuple[str, str], ...] = field(repr=False)
    owned: frozenset[str]
    jwt: str = field(default="", repr=False)
    """The JWT that goes upstream, for callers who want it by itself."""
    expires_at: float = inf
    """When that JWT expires (Unix time): one that was made for upstream may end before the token does."""
    made: str = ""
    """How that JWT came to be, for `explain`; empty: it is the one that came with the token."""
    cookies: Callable[[Headers], bytes] | None = field(default=None, repr=False)
    """The Cookie field that may go upstream instead of the client's, or empty; None leaves the client's alone."""

    def drops(self, name: str) -> bool:
        """Whether the client's field *name* must not reach the API."""
        return plain_name(name) in self.owned


def plain_name(name: str) -> str:
    """*name* as a careless server may read it: X_User, X.User and x-user are one header to CGI and its kin."""
    return name.lower().replace("_", "-").replace(".", "-")


@dataclass(slots=True, eq=False)
class Allow:
    """The request may go on, with these changes. Built on one line of `Gateway.decide`, nowhere else.

    Not frozen for the same reason as `Request`, and nobody may change one either.
    """

    token: Token
    route: Route
    upstream: HeaderChange
    client: Fields = ()
    """What the client's answer carries besides (CORS)."""

    def lifetime(self, now: float, ticks: float) -> int:
        """How many whole seconds a gateway may keep this answer: no longer than the token nor what goes upstream.

        Not at all where cookies and what comes with them had a say: a gateway would remember it by the token alone.
        *now* and *ticks* as in `Token.lifetime`.
        """
        if self.upstream.cookies is not None:
            return 0
        seconds = self.token.lifetime(now, ticks)
        left = self.upstream.expires_at - now
        return seconds if seconds <= left else max(int(left), 0)


@dataclass(frozen=True, slots=True, eq=False)
class Refuse:
    """The request may not go on. `id` finds the log line; `detail` and `cause` are for that line only."""

    reason: Reason
    id: str
    detail: str = field(default="", repr=False)
    scope: str = ""
    retry_after: int | None = None
    cause: BaseException | None = field(default=None, repr=False)
    client: Fields = ()
    """What the client's answer carries besides (CORS)."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The request ends here, with this answer, and the API never hears of it: a CORS preflight."""

    status: int
    headers: Fields = ()


Decision: TypeAlias = Allow | Refuse | Answer
