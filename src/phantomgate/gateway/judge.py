"""The policies: may this token be used for this request? Each is one check with one reason to refuse.

They see the token's facts and the route, run on every request whether the facts were remembered or not, and remember
nothing themselves. Which issuers, audiences and scopes apply is the route's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Request, Route, ScopeStrategy, Token
from phantomgate.core.ports import Clock, Policy
from phantomgate.oauth.claims import read_audiences, read_time


def not_expired(now: Clock, clock_skew: float = 5.0) -> Policy:
    """`now < exp` without leeway, and `nbf` no more than *clock_skew* seconds in the future (RFC 7519 §4.1.4-5)."""

    def judge(request: Request, route: Route, token: Token) -> None:  # noqa: ARG001 - the port's shape
        time = now()
        if not time < token.expires_at:
            raise Refused(Reason.EXPIRED, f"exp was {time - token.expires_at:.0f} s ago")
        nbf = token.claims.get("nbf", 0)
        if type(nbf) is int and 0 <= nbf <= time:
            return  # the usual case
        if read_time(token.claims, "nbf") > time + clock_skew:
            raise Refused(Reason.INVALID_TOKEN, "nbf is in the future")

    return judge


def issuer() -> Policy:
    """`iss` is one of the route's issuers, compared as plain strings (RFC 9068 §4)."""

    def judge(request: Request, route: Route, token: Token) -> None:  # noqa: ARG001
        said = token.claims.get("iss")
        if route.issuers and not (isinstance(said, str) and said in route.issuers):
            raise Refused(Reason.WRONG_ISSUER, f"iss is not one of {_shown(route.issuers)}")

    return judge


def audience() -> Policy:
    """`aud` names at least one of the route's audiences (RFC 7519 §4.1.3)."""

    def judge(request: Request, route: Route, token: Token) -> None:  # noqa: ARG001
        if route.audiences and not route.audiences & read_audiences(token.claims):
            raise Refused(Reason.WRONG_AUDIENCE, f"aud names none of {_shown(route.audiences)}")

    return judge


def audience_of_issuer(audiences: Mapping[str, frozenset[str]]) -> Policy:
    """`aud` names one of the audiences of the issuer that the token is of; *audiences* are by its configured name.

    An issuer without audiences is not checked; one that isn't there is refused, whatever remembers its tokens.
    """

    def judge(request: Request, route: Route, token: Token) -> None:  # noqa: ARG001
        wanted = audiences.get(token.issuer)
        if wanted is None:
            raise Refused(Reason.WRONG_ISSUER, "the token is of no issuer in the settings")
        if wanted and not wanted & read_audiences(token.claims):
            raise Refused(Reason.WRONG_AUDIENCE, f"aud names none of {_shown(wanted)}")

    return judge


def scopes(strategy: ScopeStrategy = "exact") -> Policy:
    """All of the route's scopes, and one of its any-of scopes, are granted by *strategy*.

    The challenge asks for all that the operation needs (RFC 6750 §3.1); with any-of, for every alternative.
    """
    covers = _STRATEGIES[strategy]

    def judge(request: Request, route: Route, token: Token) -> None:  # noqa: ARG001
        granted = token.scopes
        if route.scopes <= granted and not route.any_scopes:
            return  # the usual case, by every strategy
        missing = [scope for scope in sorted(route.scopes) if not covers(granted, scope)]
        if not missing and (not route.any_scopes or any(covers(granted, scope) for scope in route.any_scopes)):
            return
        wanted = " ".join(sorted(route.scopes | route.any_scopes))
        detail = f"lacks {' '.join(missing)}" if missing else f"has none of {_shown(route.any_scopes)}"
        raise Refused(Reason.INSUFFICIENT_SCOPE, detail, scope=wanted)

    return judge


def _exact(granted: frozenset[str], wanted: str) -> bool:
    return wanted in granted


def _hierarchic(granted: frozenset[str], wanted: str) -> bool:
    """`orders` grants `orders.read` and `orders:read`, and not `ordersheet`."""
    return any(wanted == scope or wanted.startswith((scope + ".", scope + ":")) for scope in granted)


def _wildcard(granted: frozenset[str], wanted: str) -> bool:
    """`orders.*` grants `orders.read` and what is below it; a `*` before the end stands for one segment."""
    return any(wanted == scope or ("*" in scope and _pattern(scope)(wanted) is not None) for scope in granted)


@lru_cache(maxsize=1024)
def _pattern(scope: str) -> Callable[[str], re.Match[str] | None]:
    parts = re.split(r"([.:])", scope)
    # a `*` is a wildcard only as a whole segment, so no two of them ever touch and matching stays linear
    pieces = ["[^.:]+" if part == "*" else re.escape(part) for part in parts]
    if parts[-1] == "*":
        pieces[-1] = r"\S+"
    return re.compile("".join(pieces)).fullmatch


_STRATEGIES: dict[str, Callable[[frozenset[str], str], bool]] = {
    "exact": _exact,
    "hierarchic": _hierarchic,
    "wildcard": _wildcard,
}


def _shown(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
