"""OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6: the server tells us that a session is over. Pure.

Rule: whoever could forge one could log everybody out, and whoever could pass one off as an ID token could log in: so it
has its own type, must have what only it has, and must not have what an ID token has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.purge import Purge
from phantomgate.core.typed import NamedTuple, hiding
from phantomgate.oauth.claims import read_time
from phantomgate.oauth.jose_header import Header
from phantomgate.oauth.jwt_rules import (
    Rules,
    check_audience,
    check_begun,
    check_expiry,
    check_issuer,
    check_names,
    check_own_keys,
    check_required,
    check_type,
)
from phantomgate.oauth.quoting import shown

TYP = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
MAX_BYTES = 16384
MAX_AGE = 300.0
"""Seconds: how old a logout token may be, and so for how long its `jti` must be remembered at least."""


@hiding("sub", "sid", "jti")
class Ended(NamedTuple):
    """Whose session is over: that of the server's session `sid`, else all of `sub` that began before `at`."""

    sub: str
    sid: str
    at: float
    """Unix time."""
    jti: str


def logout_token_rules(issuer: str, client_id: str, clock_skew: float = 5.0) -> Rules:
    """The rules for logout tokens of *issuer* for us, its client *client_id*; *clock_skew* in seconds."""
    return Rules(
        issuer,
        frozenset((client_id,)),
        frozenset((TYP,)),
        ("iss", "aud", "iat", "exp", "jti", "events"),
        (
            check_type,
            check_own_keys,
            check_required,
            check_no_nonce,
            check_names,
            check_issuer,
            check_audience,
            check_expiry,
            check_begun,
            check_recent,
            check_event,
            check_whose,
        ),
        clock_skew=clock_skew,
    )


def check_no_nonce(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """§2.4: "A nonce Claim MUST NOT be present", which tells it from an ID token."""
    if "nonce" in claims:
        raise _refused("it has a nonce, as an ID token has, and is no logout token")


def check_recent(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """`iat` is not long ago, so that a replay can be known by remembering `jti` for a bounded time (§2.6)."""
    age = now - read_time(claims, "iat")
    if age > MAX_AGE:
        raise _refused(f"iat was {age:.0f} s ago, want at most {MAX_AGE:.0f}")


def check_event(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """§2.4: `events` is an object whose member for back-channel logout is an object."""
    events = claims["events"]
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise _refused("events has no back-channel logout in it")


def check_whose(header: Header, claims: Mapping[str, Any], rules: Rules, now: float) -> None:
    """§2.4: there is a `sub`, a `sid`, or both."""
    sid = claims.get("sid", "-")
    if not isinstance(sid, str) or not sid:
        raise _refused(f"sid is {shown(sid)}, want a string")
    if "sub" not in claims and "sid" not in claims:
        raise _refused("it has neither sub nor sid")


def read_ended(claims: Mapping[str, Any]) -> Ended:
    """Whose session a verified logout token ends."""
    return Ended(claims.get("sub", ""), claims.get("sid", ""), read_time(claims, "iat"), claims["jti"])


def purges_of(ended: Ended, issuer: str) -> list[Purge]:
    """Whose tokens of *issuer* are over (§2.7): those of the session, or all of the person.

    A token may not say of which session it is. Then it is over too: whoever has another session refreshes.
    """
    if not ended.sid:
        return [Purge("sub", ended.sub, issuer, ended.at)]
    found = [Purge("sid", ended.sid, issuer, ended.at)]
    return [*found, Purge("nameless", ended.sub, issuer, ended.at)] if ended.sub else found


def _refused(detail: str) -> Refused:
    return Refused(Reason.INVALID_TOKEN, detail)
