"""Security Event Tokens (RFC 8417), pushed (RFC 8935): the issuer tells us that sessions or tokens are over. Pure.

Rule: it has its own type, so that no other JWT passes for one; whom it names is read from the places that the profiles
have (RFC 9493 `sub_id`, an event's `subject`, the claims `sub` and `sid`), and an event that we don't know does
nothing. A token that comes again does no more than it did, since it is about what was issued before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from phantomgate.core.purge import Kind
from phantomgate.oauth.claims import read_time
from phantomgate.oauth.jwt_rules import (
    Rules,
    check_audience,
    check_begun,
    check_issuer,
    check_names,
    check_own_keys,
    check_required,
    check_type,
)

TYP = "secevent+jwt"
_CAEP, _RISC = "https://schemas.openid.net/secevent/caep/", "https://schemas.openid.net/secevent/risc/"
OVER = frozenset(
    (
        f"{_CAEP}event-type/session-revoked",
        f"{_RISC}event-type/sessions-revoked",
        f"{_RISC}event-type/account-disabled",
        f"{_RISC}event-type/account-purged",
    )
)
"""The events after which whom they name has no session."""


def security_event_rules(issuer: str, audiences: frozenset[str], clock_skew: float = 5.0) -> Rules:
    """The rules for events of *issuer* for *audiences*; *clock_skew* in seconds."""
    return Rules(
        issuer,
        audiences,
        frozenset((TYP,)),
        ("iss", "aud", "iat", "jti", "events"),  # RFC 8417 §2.2; `exp` isn't recommended there
        (check_type, check_own_keys, check_required, check_names, check_issuer, check_audience, check_begun),
        clock_skew=clock_skew,
    )


def read_event(claims: Mapping[str, Any]) -> list[tuple[Kind, str, float]]:
    """What the verified *claims* end: (kind, value, Unix time); nothing for events that are none of ours.

    Raises ValueError when an event is one of ours and names nobody that we know by name.
    """
    events = claims["events"]
    if not isinstance(events, dict) or not events:
        raise ValueError("events is not an object with an event in it")
    at = read_time(claims, "iat")
    ended: list[tuple[Kind, str, float]] = []
    for uri, event in events.items():
        if uri not in OVER:
            continue
        told = event if isinstance(event, dict) else {}
        named = dict(_named(claims.get("sub_id") or told.get("subject") or claims))
        kind: Kind = "sid" if named.get("sid") else "sub"
        if not named.get(kind):
            raise ValueError("the event names no subject by iss_sub, and no session")
        ended.append((kind, named[kind], at))
    return ended


def _named(subject: Any) -> Iterator[tuple[str, str]]:
    """Names in *subject*: RFC 9493 §3.2.2 (iss_sub), and the complex ones of the Shared Signals Framework."""
    if not isinstance(subject, dict):
        return
    yield from ((name, subject[name]) for name in ("sub", "sid") if isinstance(subject.get(name), str))
    yield from ((name, value) for name, value in _named(subject.get("user")) if name == "sub")
    session = subject.get("session")
    if isinstance(session, dict) and isinstance(session.get("id"), str):
        yield "sid", session["id"]
