"""The whole outside world, as the decision path sees it. Protocols and the two values that cross them.

Everything here is `async def` in one colour: a back end that blocks simply never suspends, and is driven by one
`send(None)`; one that waits is awaited on an event loop. Nothing in this file imports either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from phantomgate.core.model import Answer, Credential, Decision, Fields, HeaderChange, Headers, Request, Route, Token
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.typed import NamedTuple, Protocol, hiding

T = TypeVar("T")

Clock: TypeAlias = Callable[[], float]
"""Seconds. `now` is Unix time, to compare with claims; `ticks` is monotonic, to measure how long we remember."""
Random: TypeAlias = Callable[[int], bytes]
"""That many unpredictable bytes."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One HTTP request to the authorization server. `timeout` is the total, in seconds; body and headers are secret."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout: float = 2.0
    max_bytes: int = 65536
    """A longer response body is a malformed answer."""
    repeat: bool = True
    """Whether it may be sent once more when a kept connection ends under it, as idle ones do. False: at most once."""
    retry: bool = False
    """Whether it may be asked again after a failure: it changes nothing, and nothing in it is good only once."""
    held: bool = False
    """Whether what it fetches is held and fetched again at distances of its own, as keys and metadata are."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole HTTP response, its body as sent (never decompressed) and no longer than the call allowed."""

    status: int
    headers: Headers
    body: bytes = field(default=b"", repr=False)


class Http(Protocol):
    """Sends a call: TLS verified, no redirects, no proxies from the environment, one deadline for all of it.

    Raises Unavailable when no answer came (connection, TLS, timeout) and Refused(BAD_ANSWER) when what came is not
    HTTP, is too long, or is encoded although we asked for `identity`.
    """

    async def send(self, call: HttpCall) -> HttpReply:
        """The reply to *call*."""


class Cache(Protocol):
    """Remembers packed facts under a digest. Losing an entry is allowed; returning a stale or wrong one is not."""

    async def get(self, key: bytes) -> tuple[bytes, float] | None:
        """The record under *key* and for how many more seconds it may be used; None when its time is up."""

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        """Keep *record* for at most *seconds*."""


class Store(Cache, Protocol):
    """A cache that can be told to forget."""

    async def forget(self, key: bytes) -> None:
        """What is under *key*, if anything, is not returned any more."""


class SharedStore(Cache, Protocol):
    """A cache that several machines share. It may be down, slow, emptied or written by others: each of that is a miss.

    Nothing here raises for what the store does, and nothing waits for it long.
    """

    async def claim(self, key: bytes, seconds: float) -> bool:
        """Whether nobody has claimed *key* in the last *seconds*, or nobody can know."""

    async def release(self, key: bytes) -> None:
        """Others may claim *key* again."""


class Notes(Protocol):
    """What machines tell each other: notes in one order, each with a name that is newer than those before."""

    async def tell(self, note: bytes) -> str | None:
        """The name under which others can read *note*; None when they can't."""

    async def news(self, since: str, *, patient: bool = False) -> list[tuple[str, bytes]] | None:
        """The notes newer than *since* ("0" for all that are kept), oldest first; None when nobody can know.

        *patient*: no request waits for it.
        """


class SharedFacts(Protocol):
    """Packed facts that several machines share, found by nobody who doesn't hold the *question*, token and all."""

    async def find(self, question: bytes) -> tuple[bytes, float] | None:
        """The record that answers *question* and for how many more seconds it may be used; None when there is none."""

    async def keep(self, question: bytes, record: bytes, seconds: float) -> None:
        """Let others find *record* for at most *seconds*."""

    async def claim(self, question: bytes, seconds: float) -> bool:
        """Whether it is ours to ask *question*: nobody has claimed it in the last *seconds*, or nobody can know."""

    async def release(self, question: bytes) -> None:
        """We have asked, whatever came of it."""


class Once(Protocol):
    """Single-flight: concurrent fills of one key are one. The first caller's end is nobody else's."""

    async def __call__(self, key: bytes, fill: Callable[[], Awaitable[T]]) -> T:
        """What *fill* gave, run once for everybody who asks for *key* meanwhile."""


class Sign(Protocol):
    """Signs with one key of ours, which never leaves it. May wait, as a key in a vault would make it."""

    async def __call__(self, typ: str, claims: Mapping[str, Any]) -> str:
        """*claims* as a signed compact JWT whose header says *typ*."""


@hiding("jwt")
class UpstreamJwt(NamedTuple):
    """A JWT made for an API out of a token that was judged. Times are Unix seconds.

    *renew_at* is when to make another, while the source lasts; *made* says how it came to be, for `explain`.
    """

    jwt: str
    expires_at: float
    renew_at: float
    made: str


class MakeJwt(Protocol):
    """Makes the JWT that goes upstream: signs one, or exchanges the token for one. May wait."""

    async def __call__(self, token: Token, audience: str) -> UpstreamJwt:
        """One made of *token* for *audience*, the route's, or empty. Raises Refused."""


class Later(Protocol):
    """Background work. Absent where nothing can run in the background; what is due is then done at once."""

    def __call__(self, act: Callable[[], Awaitable[None]]) -> None:
        """Run *act* soon, and wait for nothing. What it raises is nobody's answer."""


Pause: TypeAlias = Callable[[float], Awaitable[None]]
"""Lets that many seconds pass."""


class Turns(Protocol):
    """Bounds how many calls are under way at a time."""

    async def take(self, seconds: float) -> None:
        """Wait for a turn, *seconds* at most. Raises Unavailable (OVERLOADED) when there is none by then."""

    def give_back(self) -> None:
        """A turn that was taken is over."""


class Resolver(Protocol):
    """Turns a credential into a token, or raises Refused. The only verb that may wait, besides `forward`."""

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """The facts about *credential*."""


Respond: TypeAlias = Callable[[Request], tuple[Fields, Answer | None]]
"""What the client's answer carries whatever it is, and the whole answer where no decision is asked for. Pure."""
Match: TypeAlias = Callable[[Request], Route]
"""Which rules apply; raises Refused when none does. Pure."""
Find: TypeAlias = Callable[[Request], Credential]
"""The one credential of a request; raises Refused. Pure."""
Policy: TypeAlias = Callable[[Request, Route, Token], None]
"""Raises Refused unless the token may be used for this request. Pure, and run on every request, cached or not."""
Forward: TypeAlias = Callable[[Route, Token], Awaitable[HeaderChange]]
"""What goes upstream; waits only to mint or exchange."""
Observer: TypeAlias = Callable[[Request, Decision], None]
"""Counts and logs a decision."""
