"""Which issuer a credential is of, before anybody is asked about it.

    a JWT             the issuer that its `iss` names, letter by letter; of nobody when that one is not configured
    an opaque token   the issuer whose prefix it has; else the route's; else each that takes tokens without a prefix,
                      in order, until one knows it

Rule: no credential chooses an address. `iss` is nobody's word yet; it only picks one of the issuers in the settings,
and what that one does proves it or refuses. Whatever is not a JWT by our strict reader is opaque.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, Route, Token
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Resolver
from phantomgate.oauth.quoting import shown
from phantomgate.oauth.unverified import read_unverified

REMEMBERED = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """One issuer of the settings, and who resolves its tokens. An empty *issuer* is the `iss` of no JWT."""

    name: str
    issuer: str
    resolver: Resolver
    takes_opaque: bool
    prefix: str = ""


class ByIssuer:
    """A resolver that hands each credential to its issuer's.

    Its state is what was read lately, bounded: whose a credential can be, which its own text settles; and which of
    several servers knew it, which only says whom to ask first.
    """

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        self.issuers = tuple(issuers)
        self._by_iss = {one.issuer: (one,) for one in issuers if one.issuer}
        self._prefixed = tuple(one for one in issuers if one.takes_opaque and one.prefix)
        self._in_order = tuple(one for one in issuers if one.takes_opaque and not one.prefix)
        self._chosen: dict[Credential, tuple[Issuer, ...]] = {}

    def resolve(self, credential: Credential, route: Route) -> Coroutine[Any, Any, Token]:
        """The facts about *credential*. Raises Refused: WRONG_ISSUER or INVALID_TOKEN when it is nobody's.

        Whose it is, is said before anything is awaited: one coroutine less for every request.
        """
        chosen = self._chosen.get(credential)
        if chosen is None:
            chosen = self._remember(credential, self._choose(credential.value))
        if route.issuer:
            chosen = tuple(one for one in chosen if one.name == route.issuer)
            if not chosen:
                raise Refused(Reason.WRONG_ISSUER, f"the token is not of {route.issuer}, whose tokens this route wants")
        if len(chosen) == 1:
            return chosen[0].resolver.resolve(credential, route)
        return self._first_that_knows(chosen, credential, route)

    def _choose(self, value: str) -> tuple[Issuer, ...]:
        if value.count(".") == 2:
            try:
                iss = read_unverified(value).claims.get("iss")
            except ValueError:
                pass  # dots alone make no JWT
            else:
                if not isinstance(iss, str) or iss not in self._by_iss:
                    raise Refused(Reason.WRONG_ISSUER, f"a JWT whose iss is {shown(iss)}, which is no issuer of ours")
                return self._by_iss[iss]
        for one in self._prefixed:
            if value.startswith(one.prefix):
                return (one,)
        if not self._in_order:
            raise Refused(Reason.INVALID_TOKEN, "no JWT, and no issuer takes opaque tokens like it")
        return self._in_order

    async def _first_that_knows(self, chosen: tuple[Issuer, ...], credential: Credential, route: Route) -> Token:
        """What the first server that knows the token says of it; "not active" is heard from all before it is said."""
        trouble: Refused | None = None
        for one in chosen:
            try:
                token = await one.resolver.resolve(credential, route)
            except Refused as no:
                if no.reason.status < 500 and no.reason is not Reason.INACTIVE:
                    raise  # it knows the token, and says what is wrong with it
                if no.reason is not Reason.INACTIVE:
                    trouble = trouble or no
            else:
                if one is not chosen[0]:  # next time ask this one first
                    self._chosen[credential] = (one, *(other for other in chosen if other is not one))
                return token
        raise trouble or Refused(Reason.INACTIVE, f"none of {len(chosen)} issuers calls the token active")

    def _remember(self, credential: Credential, chosen: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        if len(self._chosen) >= REMEMBERED:
            self._chosen.clear()
        self._chosen[credential] = chosen
        return chosen
