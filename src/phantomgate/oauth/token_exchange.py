"""RFC 8693: exchange one token for another, made for the API behind us. Pure: a call out, a reply in.

Rule: what comes back is used only when it is a JWT that says when it ends and is bound to nothing. Whatever is wrong
with it is the server's fault (502). Who was judged is the source's business: the claims in here are never judged.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.core.typed import NamedTuple, hiding
from phantomgate.oauth.claims import check_unbound, read_time
from phantomgate.oauth.client_auth import ClientAuth
from phantomgate.oauth.replies import bad_answer, read_jwt
from phantomgate.oauth.token_endpoint import TokenRefused, read_token_reply, token_request

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPES = {
    "access_token": "urn:ietf:params:oauth:token-type:access_token",
    "jwt": "urn:ietf:params:oauth:token-type:jwt",
}
"""RFC 8693 §3, by the names that we use."""
TokenType: TypeAlias = Literal["access_token", "jwt"]
_TOKENS_REFUSED = frozenset(("invalid_request", "invalid_grant", "interaction_required", "login_required"))
"""RFC 8693 §2.2.2: an invalid subject token is `invalid_request`; others say `invalid_grant`, or want the user."""


@dataclass(frozen=True, slots=True)
class ExchangeRules:
    """What is asked for. *audience* and *resource* say for whom; one that is given with a call takes the place of
    *audience*, or of *resource* where only that is there."""

    audience: str = ""
    resource: str = ""
    scope: tuple[str, ...] = ()
    subject_type: TokenType = "access_token"
    requested_type: TokenType = "access_token"

    def target(self, audience: str) -> tuple[tuple[str, str], ...]:
        """For whom (RFC 8693 §2.1), if *audience* is the route's, or empty."""
        named, placed = self.audience, self.resource
        if audience and (named or not placed):
            named = audience
        elif audience:
            placed = audience
        return tuple((name, value) for name, value in (("resource", placed), ("audience", named)) if value)


@hiding("jwt")
class Exchanged(NamedTuple):
    """The JWT that goes upstream, and until when (Unix time)."""

    jwt: str
    expires_at: float


def exchange_request(
    endpoint: str, client: ClientAuth, rules: ExchangeRules, subject_token: str, audience: str, *, timeout: float
) -> HttpCall:
    """The request (RFC 8693 §2.1) to exchange *subject_token*; *audience* is the route's, or empty.

    It may be repeated: exchanging the same access token twice uses nothing up.
    """
    params = [
        ("grant_type", GRANT),
        ("subject_token", subject_token),
        ("subject_token_type", TYPES[rules.subject_type]),
        ("requested_token_type", TYPES[rules.requested_type]),
        *rules.target(audience),
    ]
    if rules.scope:
        params.append(("scope", " ".join(rules.scope)))
    return token_request(endpoint, client, params, timeout=timeout, repeat=True)


def read_exchange(reply: HttpReply, *, now: float, clock_skew: float = 5.0) -> Exchanged:
    """The JWT in *reply*, at the Unix time *now*. Raises TokenRefused and Refused as `read_token_reply`.

    A refresh token that comes with it is not kept: the source is the only way to another JWT.
    """
    said = read_token_reply(reply, types=("bearer", "n_a"))
    kinds = {urn: name for name, urn in TYPES.items()}
    kind = kinds.get(said.issued_token_type or "")
    if kind is None:
        bad_answer("issued_token_type is neither access_token nor jwt")
    if said.token_type == "n_a" and kind == "access_token":  # noqa: S105 - kinds of tokens
        # RFC 8693 §2.2.1: "N_A" is for what is no access token
        bad_answer("token_type is N_A for an access token")
    claims = read_jwt(said.access_token)
    try:
        check_unbound(claims)
        ends = [read_time(claims, "exp")] if "exp" in claims else []
        if "nbf" in claims and read_time(claims, "nbf") > now + clock_skew:
            bad_answer("the JWT that was exchanged for is not yet valid")
    except Refused as no:
        raise Refused(Reason.BAD_ANSWER, f"the JWT that was exchanged for can't be used: {no.detail}") from None
    if not ends:
        bad_answer("the JWT that was exchanged for has no exp")
    if said.expires_in is not None:
        ends.append(now + said.expires_in)
    if not now < min(ends):
        bad_answer("the JWT that was exchanged for has expired")
    return Exchanged(said.access_token, min(ends))


def refusal(no: TokenRefused, rules: ExchangeRules, granted: frozenset[str]) -> Refused:
    """What it means that the server refused to exchange a token to which *granted* scopes were granted.

    The token itself: 401. A scope that we ask for and it lacks: 403. All else is between us and the server: 502.
    """
    detail = f"the authorization server would not exchange the token: {no.error}"
    if no.error in _TOKENS_REFUSED:
        return Refused(Reason.INVALID_TOKEN, detail)
    if no.error == "invalid_scope" and not granted.issuperset(rules.scope):
        return Refused(Reason.INSUFFICIENT_SCOPE, detail, scope=" ".join(rules.scope))
    return Refused(Reason.CLIENT_REFUSED, detail)
