"""Who calls, for the application's own code: what was judged about the token, to be read and asked for more.

Rule: the application gets copies. What we remember of a token is shared by every request that brings it.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from phantomgate.core.model import Headers, Request, Route, Token
from phantomgate.core.ports import Policy

_ANYTHING = Request("", "", Headers())


class Caller:
    """The caller of one request that was allowed. Its state: a copy of the claims, made when first asked for."""

    __slots__ = ("_claims", "_judge", "_token")

    def __init__(self, token: Token, judge: Policy) -> None:
        """*judge* is the policy about scopes, by the strategy of the settings."""
        self._token = token
        self._judge = judge
        self._claims: dict[str, Any] | None = None

    @property
    def claims(self) -> dict[str, Any]:
        """What the authorization server says of the token, or the JWT of itself; yours to change."""
        if self._claims is None:
            self._claims = deepcopy(dict(self._token.claims))
        return self._claims

    @property
    def subject(self) -> str:
        """`sub`: whose token it is; empty when nobody says."""
        said = self._token.claims.get("sub")
        return said if isinstance(said, str) else ""

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that were granted."""
        return self._token.scopes

    @property
    def issuer(self) -> str:
        """The name of the issuer in the settings, empty for the only one."""
        return self._token.issuer

    @property
    def expires_at(self) -> float:
        """When the token expires (Unix time, seconds)."""
        return self._token.expires_at

    def require(self, *scopes: str) -> None:
        """Raises Refused (INSUFFICIENT_SCOPE) unless all *scopes* are granted, by `policy.scope_strategy`."""
        self._judge(_ANYTHING, Route("the application", frozenset(scopes)), self._token)

    def __repr__(self) -> str:
        return f"Caller(issuer={self.issuer!r}, scopes={sorted(self.scopes)!r})"  # never who it is, nor the claims
