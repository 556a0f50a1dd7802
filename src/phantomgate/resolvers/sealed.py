"""The token of a session as its cookie sealed it: nobody is asked, and it goes upstream as it is.

Rule: the API that gets it is who verifies it. So nothing that it claims is believed here, and no policy can be met by
it; its times alone are read, since they can only shorten its life. Whatever was not sealed by us is for *bearer*, and
where there is none, refused.
"""

from __future__ import annotations

from math import inf

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Route, Source, Token
from phantomgate.core.ports import Resolver
from phantomgate.oauth.claims import read_time
from phantomgate.oauth.unverified import read_unverified
from phantomgate.resolvers.marks import Marks

_OF_ID_TOKENS = ("nonce", "at_hash")  # OpenID Connect Core §2: what no access token has
_TIMES = ("exp", "nbf")


class AsSealed:
    """Resolves what a session's cookie sealed to itself, unless it was purged (*marks*), and all else by *bearer*."""

    def __init__(self, bearer: Resolver | None, marks: Marks | None = None) -> None:
        self.bearer = bearer
        self.marks = marks

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """The token of a session. Raises Refused(INVALID_TOKEN) for a JWT without `exp`, an ID token, and a bearer
        token where nobody can be asked."""
        if credential.sealed:
            token = _as_it_is(credential.value)
            if self.marks is not None:
                self.marks.check(token)
            return token
        if self.bearer is None:
            raise Refused(Reason.INVALID_TOKEN, "a bearer token, and nobody to ask what it means")
        return await self.bearer.resolve(credential, route)


def _as_it_is(value: str) -> Token:
    claims = {}
    if value.count(".") == 2:
        try:
            claims = read_unverified(value).claims
        except ValueError:
            pass  # dots alone make no JWT
        else:
            if any(name in claims for name in _OF_ID_TOKENS):  # format v1 doesn't tell one cookie from another
                raise Refused(Reason.INVALID_TOKEN, "the session cookie holds an ID token, want an access token")
            if "exp" not in claims:
                raise Refused(Reason.INVALID_TOKEN, "a JWT without exp")
    times = {name: claims[name] for name in _TIMES if name in claims}
    expires_at = read_time(times, "exp") if times else inf
    return Token(value, times, frozenset(), expires_at, -inf, source=Source.SEALED, presented=value)
