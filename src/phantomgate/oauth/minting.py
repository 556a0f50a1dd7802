"""RFC 9068: the access token that we make ourselves, for servers that state facts and give no JWT. Pure: claims out.

Rule: nothing is said that the server's facts don't say, and only what the rules list; the token never outlives its
source. Whoever judges has judged the facts before; here nothing is judged again, and nothing forwarded as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.nouns import dataclass

AT_JWT = "at+jwt"
# What we say ourselves, and what would make it another kind of token: bound to a key, an ID token, a logout token, a
# proof, a statement about a token (RFC 8725 §3.12)
NEVER_COPIED = frozenset(
    (
        *("iss", "aud", "exp", "iat", "nbf", "jti", "sub", "client_id", "scope"),
        *("active", "jwt", "phantom_token", "token_type", "token_introspection", "cnf"),
        *("typ", "token_use", "purpose", "nonce", "at_hash", "c_hash", "events", "htm", "htu"),
    )
)
"""Claims that can't be on a list of claims to copy."""


@dataclass(frozen=True, slots=True)
class MintRules:
    """What our tokens say. *max_age* is in seconds; *claims* are copied where the facts have them.

    *subject* names the claim that says whose token it is: `sub` (RFC 7662 §2.2), or `username` where a server has only
    that.
    """

    issuer: str
    audience: str
    max_age: float
    claims: tuple[str, ...] = ()
    subject: str = "sub"


def minted_claims(
    rules: MintRules,
    facts: Mapping[str, Any],
    *,
    audience: str,
    scopes: frozenset[str],
    expires_at: float,
    now: float,
    jti: str,
) -> dict[str, Any]:
    """The claims (RFC 9068 §2.2) of a token for *audience*, made from *facts* that hold until *expires_at*, Unix time.

    Raises Refused: EXPIRED when less than a second of the source is left, BAD_ANSWER when the facts don't say whose
    token it is.
    """
    exp = int(min(expires_at, now + rules.max_age))  # whole seconds, rounded down: never later than the source
    if not now < exp:
        raise Refused(Reason.EXPIRED, "less than a second is left of the token")
    claims = {name: facts[name] for name in rules.claims if name in facts and name not in NEVER_COPIED}
    claims |= {"iss": rules.issuer, "aud": audience, "exp": exp, "iat": int(now), "jti": jti}
    claims["sub"] = _subject(rules, facts)
    if "client_id" in facts:
        claims["client_id"] = _text(facts, "client_id")
    if scopes:
        claims["scope"] = " ".join(sorted(scopes))
    return claims


def _subject(rules: MintRules, facts: Mapping[str, Any]) -> str:
    if rules.subject in facts:
        return _text(facts, rules.subject)
    # RFC 9068 §2.2: without a resource owner the subject is the client. A `username` says that there is an owner, and
    # calling him by the name of his client would give every user of it the same rights.
    if "sub" in facts or "username" in facts or "client_id" not in facts:
        raise Refused(Reason.BAD_ANSWER, f"the facts don't say whose token it is: {rules.subject} is missing")
    return _text(facts, "client_id")


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts[name]
    if not isinstance(value, str) or not value:
        raise Refused(Reason.BAD_ANSWER, f"{name} is not a text, so no token can be made of the facts")
    return value
