"""The JWT that goes upstream, signed by us, from the facts that were judged. Nothing here decides."""

from __future__ import annotations

from collections.abc import Callable

from phantomgate.core.model import Token
from phantomgate.core.ports import Clock, MakeJwt, Sign, UpstreamJwt
from phantomgate.oauth.minting import AT_JWT, MintRules, minted_claims


def minted(rules: MintRules, sign: Sign, *, now: Clock, new_id: Callable[[], str]) -> MakeJwt:
    """Signs by *sign*, for the audience that is given or else the rules'. *new_id* gives the `jti`.

    A minted JWT is used until half its time is over, so that what goes upstream is never about to expire, unless the
    source ends as soon.
    """

    async def make(token: Token, audience: str) -> UpstreamJwt:
        time = now()
        claims = minted_claims(
            rules,
            token.claims,
            audience=audience or rules.audience,
            scopes=token.scopes,
            expires_at=token.expires_at,
            now=time,
            jti=new_id(),
        )
        exp = claims["exp"]
        renew_at = exp if exp >= int(token.expires_at) else time + (exp - time) / 2
        return UpstreamJwt(await sign(AT_JWT, claims), exp, renew_at, f"for {claims['aud']}, signed by us")

    return make
