"""RFC 7519 §4.1, RFC 9068 §4, RFC 8725 §3.11-12: what a JWT must say to be one kind of token and no other.

Rule: rules are a list of named checks, each with one reason to refuse, run in order on what was signed. A kind of
token is an own list: what passes as an access token can't pass as an ID token, a logout token or a proof, and vice
versa. Every check says what it found and what it wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.nouns import dataclass
from phantomgate.core.pattern import pattern
from phantomgate.oauth.claims import check_unbound, read_time
from phantomgate.oauth.jose_header import Header, media_type
from phantomgate.oauth.quoting import listed, shown

AT_JWT = "at+jwt"
ABSENT = ""
"""In a list of accepted types: a token without `typ`."""
BASIC = ("iss", "aud", "exp", "sub")
RFC_9068 = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
"""What an access token must have by RFC 9068 §2.2."""


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What one issuer's tokens of one kind must be. `clock_skew` is in seconds.

    `types` are media types as `jose_header.media_type` gives them; `tolerated` are those of `jwk`, `jku`, `x5u` and
    `x5c` that this issuer puts into its headers, to be ignored instead of refused.
    """

    issuer: str
    audiences: frozenset[str]
    types: frozenset[str]
    required: tuple[str, ...]
    checks: tuple[Check, ...]
    clock_skew: float = 5.0
    tolerated: frozenset[str] = frozenset()


Check: TypeAlias = Callable[[Header, Mapping[str, Any], Rules, float], None]
"""(header, claims, rules, Unix time), or raise Refused."""


def access_token_rules(
    issuer: str,
    audiences: Iterable[str],
    *,
    types: Iterable[str] = (AT_JWT,),
    required: Sequence[str] = BASIC,
    clock_skew: float = 5.0,
    tolerated: Iterable[str] = (),
) -> Rules:
    """The rules for access tokens of *issuer* for one of *audiences*; `required=RFC_9068` is the strict profile.

    *types* are the accepted `typ`, with `ABSENT` for tokens without one. Raises ValueError when the issuer, the
    audiences or the types are empty, or when a type is another kind of token's.
    """
    names, accepted = frozenset(audiences), frozenset(map(media_type, types))
    if not issuer:
        raise ValueError("an issuer without a name, want what its tokens have as iss")
    if not names or "" in names:
        raise ValueError("an issuer without audiences, want what its tokens have as aud")
    if not accepted:
        raise ValueError(f"an issuer without accepted types, want {AT_JWT}")
    if accepted & _OTHER_TYPES:
        raise ValueError(f"{listed(accepted & _OTHER_TYPES)} is never the type of an access token")
    return Rules(
        issuer, names, accepted, tuple(required), ACCESS_TOKEN, clock_skew=clock_skew, tolerated=frozenset(tolerated)
    )


def check_type(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`typ` is one of the accepted ones and no other (RFC 9068 §4, RFC 8725 §3.11)."""
    if header.typ not in rules.types:
        raise _refused(f"typ is {shown(header.typ or None)}, want one of {listed(t or 'none' for t in rules.types)}")


def check_type_of_no_other(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`typ`, which may be anything else, is not that of another kind of token (RFC 8725 §3.12)."""
    if header.typ in _OTHER_TYPES:
        raise _refused(f"typ is {shown(header.typ)}, which is never an access token's")


def check_own_keys(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """The header brings no key and no address of one, unless this issuer's do (RFC 8725 §3.10). None is ever used."""
    if not header.own_keys <= rules.tolerated:
        raise _refused(f"the header has {listed(header.own_keys - rules.tolerated)}: a token doesn't bring its key")


def check_kind(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """Nothing says that this is no access token, as servers that give all their tokens one `typ` let us find out."""
    if not _MARKS.isdisjoint(claims):
        _check_marks(claims)
    sub = claims.get("sub")
    if sub is not None and sub == claims.get("iss"):
        raise _refused("iss and sub are the same, as in a client assertion (RFC 7523 section 3) or entity statement")


def check_required(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """Every required claim is there (RFC 9068 §2.2)."""
    for name in rules.required:
        if name not in claims:
            raise _refused(f"{name} is missing")


def check_names(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`sub`, `client_id` and `jti` are text, if they are there (RFC 7519 §4.1, RFC 8693 §4.3)."""
    for name in ("sub", "client_id", "jti"):
        value = claims.get(name, "-")
        if not isinstance(value, str) or not value:
            raise _refused(f"{name} is {shown(value)}, want a string")


def check_issuer(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`iss` is the issuer, compared as plain strings (RFC 9068 §4, RFC 8414 §3.3)."""
    if claims.get("iss") != rules.issuer:
        raise Refused(Reason.WRONG_ISSUER, f"iss is {shown(claims.get('iss'))}, want {shown(rules.issuer)}")


def check_audience(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`aud` is, or has among others, one of our names (RFC 7519 §4.1.3)."""
    aud = claims.get("aud")
    if isinstance(aud, str):
        if aud in rules.audiences:
            return
    elif not isinstance(aud, list) or not all(isinstance(name, str) for name in aud):
        raise _refused(f"aud is {shown(aud)}, want a string or an array of strings")
    elif not rules.audiences.isdisjoint(aud):
        return
    raise Refused(Reason.WRONG_AUDIENCE, f"aud is {shown(aud)}, want one of {listed(rules.audiences)}")


def check_expiry(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`now < exp`, without leeway (RFC 7519 §4.1.4)."""
    if "exp" not in claims:
        raise _refused("exp is missing")
    expires_at = read_time(claims, "exp")
    if not now < expires_at:
        raise Refused(Reason.EXPIRED, f"exp was {now - expires_at:.0f} s ago")


def check_begun(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`nbf` and `iat`, if they are there, are not in the future beyond the clock skew (RFC 7519 §4.1.5-6)."""
    for name in ("nbf", "iat"):
        if name in claims:
            ahead = read_time(claims, name) - now
            if ahead > rules.clock_skew:
                raise _refused(f"{name} is {ahead:.0f} s in the future, want at most {rules.clock_skew:g}")


def check_scope(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`scope` or `scp`, if it is text, is words with one space between (RFC 6749 §3.3), or empty."""
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str) and not _is_scope(value):
            raise _refused(f"{name} is {shown(value)}, want words with one space between")


def check_bearer(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """The token is not bound to a key: it came as Bearer (RFC 9449 §7.2)."""
    check_unbound(claims)


ACCESS_TOKEN: tuple[Check, ...] = (
    check_type,
    check_own_keys,
    check_kind,
    check_required,
    check_names,
    check_issuer,
    check_audience,
    check_expiry,
    check_begun,
    check_scope,
    check_bearer,
)

_SCOPE = pattern(r"(?:[!#-\[\]-~]+(?: [!#-\[\]-~]+)*)?")
# Types of tokens that are for somebody else or say something else (RFC 8725 §3.12)
_OTHER_TYPES = frozenset(
    (
        "client-authentication+jwt",
        "dpop+jwt",
        "entity-statement+jwt",
        "id_token+jwt",
        "jwk-set+jwt",
        "kb+jwt",
        "logout+jwt",
        "oauth-authz-req+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
    )
)
_FOREIGN = {
    "at_hash": "an ID token",  # OpenID Connect Core §3.1.3.6
    "c_hash": "an ID token",
    "nonce": "an ID token",
    "events": "a logout token or security event",  # RFC 8417 §2.2
    "token_introspection": "an introspection response",  # RFC 9701 §5
    "htm": "a DPoP proof",  # RFC 9449 §4.2
    "htu": "a DPoP proof",
}
# How servers that give every token the same `typ` tell them apart: Keycloak's claim `typ`, Cognito's `token_use`,
# Curity's `purpose`
_KINDS = {
    "typ": frozenset(("id", "logout", "offline", "refresh", "serialized-id", "setup")),
    "token_use": frozenset(("id", "refresh")),
    "purpose": frozenset(("id", "id_token", "refresh", "refresh_token")),
}
_MARKS = frozenset(_FOREIGN) | frozenset(_KINDS)


@lru_cache(maxsize=256)  # an issuer's tokens have few different scopes; only what it has signed comes here
def _is_scope(text: str) -> bool:
    return _SCOPE.fullmatch(text) is not None


def _check_marks(claims: Mapping[str, Any]) -> None:
    for name in sorted(_MARKS.intersection(claims)):
        value = claims[name]
        if name in _FOREIGN:
            raise _refused(f"it has {name}, as {_FOREIGN[name]} has, and is no access token")
        if not isinstance(value, str) or value.lower() in _KINDS[name]:
            raise _refused(f"{name} is {shown(value)}, which is no access token's")


def _refused(detail: str) -> Refused:
    return Refused(Reason.INVALID_TOKEN, detail)
