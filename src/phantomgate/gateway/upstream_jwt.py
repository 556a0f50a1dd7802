"""Forward a JWT that was made for the API instead of the one that came: after judging, from the facts that were judged.

Rule: what is remembered is a rendering of facts, like the header bytes: by `Token` and audience, bounded, the oldest
first to go, and gone with the gateway, so a new signing key or other settings hold for everything at once. How it is
made, minted or exchanged, is `MakeJwt`'s. Nothing here decides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import HeaderChange, Route, Token
from phantomgate.core.nouns import replace
from phantomgate.core.ports import Clock, Forward, MakeJwt
from phantomgate.core.typed import NamedTuple

REMEMBERED_TOKENS = 4096


class _Made(NamedTuple):
    token: Token
    renew_at: float


def _nobody_counts() -> None:
    """Nobody counts."""


def forward_made(make: MakeJwt, inner: Forward, *, now: Clock, reused: Callable[[], None] = _nobody_counts) -> Forward:
    """Forwards by *inner* the token with the JWT that *make* makes of it for the route's audience.

    It never outlives the token. *now* is Unix time; *reused* is called whenever one is used again.
    """
    remembered: OrderedDict[tuple[Token, str], _Made] = OrderedDict()

    async def forward(route: Route, token: Token) -> HeaderChange:
        audience = route.upstream_audience
        found = remembered.get((token, audience))
        if found is None or not now() < found.renew_at:
            jwt, expires_at, renew_at, made = await make(token, audience)
            expires_at = min(expires_at, token.expires_at)
            if not now() < expires_at:  # making it took time, and nobody judges again
                raise Refused(Reason.EXPIRED, "the token expired while a JWT was made of it")
            found = _Made(replace(token, jwt=jwt, expires_at=expires_at, made=made), min(renew_at, expires_at))
            if len(remembered) >= REMEMBERED_TOKENS:
                remembered.popitem(last=False)
            remembered[token, audience] = found
        else:
            reused()
        return await inner(route, found.token)

    return forward
