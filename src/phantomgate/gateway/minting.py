"""Forward a JWT of our own instead of the server's: made after judging, from the facts that were judged.

Rule: what is remembered is a rendering of facts, like the header bytes: by `Token` and audience, bounded, the oldest
first to go, and gone with the gateway, so a new signing key signs everything at once. Nothing here decides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from phantomgate.core.model import HeaderChange, Route, Token
from phantomgate.core.nouns import replace
from phantomgate.core.ports import Clock, Forward, Sign
from phantomgate.oauth.minting import AT_JWT, MintRules, minted_claims

REMEMBERED_TOKENS = 4096


class _Minted(NamedTuple):
    token: Token
    renew_at: float


def forward_minted(rules: MintRules, sign: Sign, inner: Forward, *, now: Clock, new_id: Callable[[], str]) -> Forward:
    """Forwards by *inner* the token with a JWT that we sign, for the route's audience or else the rules'.

    A minted JWT is used until half its time is over, so that what goes upstream is never about to expire, unless the
    source ends as soon. *now* is Unix time; *new_id* gives the `jti`.
    """
    remembered: OrderedDict[tuple[Token, str], _Minted] = OrderedDict()

    async def mint(token: Token, audience: str) -> _Minted:
        time = now()
        claims = minted_claims(
            rules,
            token.claims,
            audience=audience,
            scopes=token.scopes,
            expires_at=token.expires_at,
            now=time,
            jti=new_id(),
        )
        exp = claims["exp"]
        ends_with_source = exp >= int(token.expires_at)
        jwt = await sign(AT_JWT, claims)
        return _Minted(replace(token, jwt=jwt, expires_at=exp), exp if ends_with_source else time + (exp - time) / 2)

    async def forward(route: Route, token: Token) -> HeaderChange:
        audience = route.mint_audience or rules.audience
        minted = remembered.get((token, audience))
        if minted is None or not now() < minted.renew_at:
            minted = await mint(token, audience)
            if len(remembered) >= REMEMBERED_TOKENS:
                remembered.popitem(last=False)
            remembered[token, audience] = minted
        return await inner(route, minted.token)

    return forward
