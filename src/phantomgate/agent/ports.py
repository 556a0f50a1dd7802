"""What the agent needs of the outside world, besides HTTP and the clocks.

What it must remember is little and short-lived, but unlike a cache it may not be lost: a login that was used would work
twice, a refresh would be done twice, and a session that was ended elsewhere would live on. Whoever serves the agent in
several processes needs one `SharedStore` for all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from phantomgate.agent.model import AgentReply, AgentRequest
from phantomgate.core.purge import Purge
from phantomgate.oauth.client_auth import ClientAuth
from phantomgate.oauth.discovery import Metadata
from phantomgate.oauth.jwt import Verified
from phantomgate.oauth.jwt_rules import Rules


class Store(Protocol):
    """Remembers records under a digest until their time is up. Raises Unavailable when it can't."""

    async def get(self, key: bytes) -> bytes | None:
        """The record under *key*, while it lasts."""
        ...

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        """Keep *record* for *seconds*."""
        ...

    async def first(self, key: bytes, seconds: float) -> bool:
        """Whether nobody has come with *key* in the last *seconds*; of several who come at once, one is told yes."""
        ...


class Claims(Protocol):
    """Lets one at a time of all processes do a thing. Raises Unavailable when nobody can know."""

    async def claim(self, key: bytes, mark: bytes, seconds: float) -> bool:
        """Whether *key* is ours for *seconds*, by our *mark*: nobody else has claimed it, or his time is up."""
        ...

    async def release(self, key: bytes, mark: bytes) -> None:
        """Others may claim *key*, if it is still claimed by *mark*."""
        ...


class SharedStore(Store, Claims, Protocol):
    """What several processes remember together: they see at once what one of them has written."""

    async def ask(self) -> None:
        """Raises Unavailable when it isn't there, or doesn't keep what it is told."""
        ...


Authenticate: TypeAlias = Callable[[], Awaitable[ClientAuth]]
"""What one call needs so that the server knows us."""
Endpoints: TypeAlias = Callable[[], Awaitable[Metadata]]
"""Where the server's endpoints are. Raises Refused or Unavailable."""
Verify: TypeAlias = Callable[[str, Rules], Awaitable[Verified]]
"""Verifies a JWT of the server by its keys. Raises Refused, or Unavailable when its keys can't be had."""
Gateways: TypeAlias = Callable[[Sequence[Purge]], Awaitable[bool]]
"""Tells gateways that tokens are over, with issuers as they call themselves; whether all have heard it, or will."""
Observe: TypeAlias = Callable[[AgentRequest, AgentReply], None]
"""Counts and logs an answer."""


async def no_gateways(purges: Sequence[Purge]) -> bool:  # noqa: ARG001 - the port's shape
    """The `Gateways` where there are none to be told."""
    return True
