"""RFC 7662: ask the authorization server about a token, and read what it says. Pure: a call out, a reply in.

Two dialects of one question. With `jwt` we ask for `application/jwt`: the answer *is* the access token as a JWT, and
204 means inactive. With `json` we ask for RFC 7662 JSON that carries the JWT in a member `phantom_token` or `jwt`.
A server that answers the first question in JSON is understood too. Whatever else comes back is not an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NoReturn, TypeAlias

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.core.typed import NamedTuple, hiding
from phantomgate.oauth.claims import check_unbound, read_time
from phantomgate.oauth.client_auth import ClientAuth, form_call
from phantomgate.oauth.freshness import read_freshness
from phantomgate.oauth.replies import (
    bad_answer,
    check_up,
    json_object,
    media_type,
    read_jwt,
    refuse_client,
    shown_media_type,
)

Answer: TypeAlias = Literal["jwt", "json", "signed"]
SIGNED = "application/token-introspection+jwt"
"""RFC 9701 §4; read in `signed_introspection`."""
_ACCEPT: Mapping[str, str] = {"jwt": "application/jwt", "json": "application/json", "signed": SIGNED}
_JWT_MEMBERS = frozenset(("phantom_token", "jwt"))


@hiding("jwt", "claims", "stated")
class Introspected(NamedTuple):
    """What the server said of an active token. `freshness` is in seconds, None when it did not say.

    `jwt` is empty where the facts came without one and the caller had said that he can do without.
    """

    jwt: str
    claims: dict[str, Any]
    expires_at: float
    freshness: float | None
    stated: Mapping[str, Any] = MappingProxyType({})
    """What the answer states beside the JWT."""


def introspection_request(endpoint: str, client: ClientAuth, token: str, answer: Answer, timeout: float) -> HttpCall:
    """The question about *token* (RFC 7662 §2.1): always POST, always form-encoded, the token never in a URL."""
    params = (("token", token), ("token_type_hint", "access_token"))
    again = all(name != "client_assertion" for name, _ in client.params)  # RFC 7523 §3: its `jti` is used once
    return form_call(endpoint, client, params, timeout, accept=_ACCEPT[answer], retry=again)


def read_introspection(
    reply: HttpReply,
    *,
    asked: Answer,
    now: float,
    issuer: str = "",
    clock_skew: float = 5.0,
    without_jwt: float | None = None,
) -> Introspected:
    """The facts about an active token; *issuer*, if given, is whom an `iss` in the answer must name.

    *without_jwt*, where the caller can do without a JWT (he mints), is for how many seconds facts hold that came
    without one and have no `exp`, which RFC 7662 §2.2 leaves optional; None: such an answer is unusable.

    Raises Refused: INACTIVE when the server says so; EXPIRED, INVALID_TOKEN or BOUND_TOKEN when its own facts say the
    token can't be used; CLIENT_REFUSED when it will not talk to us; BAD_ANSWER when this is no answer to our
    question. Raises Unavailable for 429 and 5xx. Nothing of the answer's text is quoted.
    """
    check_status(reply, asked)
    content_type = media_type(reply)
    said: dict[str, Any] = {}
    if content_type == b"application/jwt":
        jwt = one_line(reply.body)
        claims = read_jwt(jwt)
    elif content_type == b"application/json":
        said = json_object(reply.body)
        if said.get("active") is not True:
            _not_active(said)
        _check_facts(said, now, clock_skew, issuer)  # the statement itself may know more than a JWT in it
        if without_jwt is not None and not _JWT_MEMBERS & said.keys():
            return _facts_alone(said, now, without_jwt, read_freshness(reply.headers))
        jwt = _embedded_jwt(said)
        claims = read_jwt(jwt)
    else:
        bad_answer(f"Content-Type is {shown_media_type(content_type)}, want {_ACCEPT[asked]}")
    _check_facts(claims, now, clock_skew, issuer)
    expires_at = min(_expiry(facts, now) for facts in (claims, said) if facts is claims or "exp" in facts)
    return Introspected(jwt, claims, expires_at, read_freshness(reply.headers), said)


def read_facts(
    said: Mapping[str, Any],
    *,
    now: float,
    without_jwt: float,
    freshness: float | None,
    issuer: str = "",
    clock_skew: float = 5.0,
) -> Introspected:
    """The facts in *said*, the members of an answer that was authenticated elsewhere; as `read_introspection`."""
    if said.get("active") is not True:
        _not_active(said)
    _check_facts(said, now, clock_skew, issuer)
    return _facts_alone(said, now, without_jwt, freshness)


def _facts_alone(said: Mapping[str, Any], now: float, seconds: float, freshness: float | None) -> Introspected:
    facts = {name: value for name, value in said.items() if name != "active" and name not in _JWT_MEMBERS}
    return Introspected("", facts, _expiry(said, now) if "exp" in said else now + seconds, freshness)


def check_status(reply: HttpReply, asked: Answer) -> None:
    """Refuses every status but 200, each for its reason, as `read_introspection` says."""
    status = reply.status
    if status == 200:
        return
    if status == 204 and asked == "jwt":  # how a server that was asked for a JWT says that there is none
        raise Refused(Reason.INACTIVE, "the authorization server says the token is not active (204)")
    if status in (401, 403):  # RFC 7662 §2.3: about our credentials, not about the token
        refuse_client(reply)
    check_up(reply)
    bad_answer(f"status {status}, want 200")


def one_line(body: bytes) -> str:
    """*body* as the one token that it should be."""
    # Some servers end the body with a line break. Anything else around the JWT is not a JWT.
    body = body.removesuffix(b"\r\n") if body.endswith(b"\r\n") else body.removesuffix(b"\n")
    try:
        return body.decode("ascii")
    except UnicodeDecodeError:
        bad_answer("the JWT is not ASCII")


def _not_active(said: Mapping[str, Any]) -> NoReturn:
    if said.get("active") is False:  # RFC 7662 §2.2: inactive says nothing else, and if it does we don't listen
        raise Refused(Reason.INACTIVE, "the authorization server says the token is not active")
    bad_answer("`active` is not a boolean")


def _embedded_jwt(said: Mapping[str, Any]) -> str:
    names = _JWT_MEMBERS & said.keys()
    if not names:
        bad_answer("the token is active, but the answer holds no JWT (no phantom_token or jwt member)")
    values = {said[name] if isinstance(said[name], str) else None for name in names}
    jwt = values.pop()
    if values or not isinstance(jwt, str):
        bad_answer("phantom_token and jwt are not one JWT")
    return jwt


def _check_facts(claims: Mapping[str, Any], now: float, clock_skew: float, issuer: str) -> None:
    if issuer and claims.get("iss", issuer) != issuer:  # the wrong server's answer is not the token's fault
        bad_answer("`iss` is not the configured issuer")
    for name in ("nbf", "iat"):
        if name in claims and read_time(claims, name) > now + clock_skew:
            raise Refused(Reason.INVALID_TOKEN, f"{name} is in the future")
    if "exp" in claims:
        _expiry(claims, now)
    check_unbound(claims)


def _expiry(claims: Mapping[str, Any], now: float) -> float:
    if "exp" not in claims:
        raise Refused(Reason.EXPIRED, "exp is missing")
    expires_at = read_time(claims, "exp")
    if not now < expires_at:  # RFC 7519 §4.1.4, without leeway
        raise Refused(Reason.EXPIRED, f"exp was {now - expires_at:.0f} s ago")
    return expires_at
