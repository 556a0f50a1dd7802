"""What is sealed into a session's cookies, and the double submit that shows that a request is the page's own.

Rule (OWASP, signed double submit): the page repeats in a header the token that its `-csrf` cookie seals, which another
site can't read; and that cookie is of the same session as the access token beside it, so that nobody can bring his own
pair of cookie and header along. Format v1 has no session id, so there only the first half holds.

    v2 plaintext   session id 16 | value in UTF-8
    v1 plaintext   value in UTF-8
"""

from __future__ import annotations

import hmac

from phantomgate.core.errors import Reason, Refused, Unreadable
from phantomgate.core.nouns import dataclass, field
from phantomgate.session.keys import KeyRing
from phantomgate.session.sealing import Random, open_sealed, seal

SESSION_ID_BYTES = 16

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
"""RFC 9110 §9.2.1, without TRACE, which nobody forwards. All others need the double submit."""


@dataclass(frozen=True, slots=True)
class SessionToken:
    """One value of a session: an access, refresh or ID token, or the CSRF token.

    `session_id` is random, made at login and the same in all cookies of a session; empty in format v1. `newest` is
    whether sealing it now would give the same format under the same key.
    """

    session_id: bytes = field(repr=False)
    value: str = field(repr=False)
    newest: bool = field(default=True, compare=False)


def seal_token(ring: KeyRing, name: str, issuer: str, token: SessionToken, *, random: Random) -> str:
    """*token* sealed for the cookie *name* (format v2)."""
    if len(token.session_id) != SESSION_ID_BYTES:
        raise ValueError(f"a session id of {len(token.session_id)} bytes, want {SESSION_ID_BYTES}")
    return seal(ring, name, issuer, token.session_id + token.value.encode("utf-8"), random=random)


def open_token(ring: KeyRing, name: str, issuer: str, text: str, *, legacy: bool) -> SessionToken:
    """The token in *text*, the value of the cookie *name*. Raises Unreadable."""
    opened = open_sealed(ring, name, issuer, text, legacy=legacy)
    start = 0 if opened.version == 1 else SESSION_ID_BYTES
    if len(opened.plaintext) <= start:
        raise Unreadable(f"{len(opened.plaintext)} bytes inside, want more than {start}")
    try:
        value = opened.plaintext[start:].decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8 inside") from None
    return SessionToken(opened.plaintext[:start], value, opened.newest)


def check_double_submit(header: bytes | None, csrf: SessionToken, session_id: bytes) -> None:
    """The *header* repeats the token of the *csrf* cookie, which is of the session *session_id*.

    Raises Refused(FORGED_REQUEST).
    """
    check_repeated(header, csrf)
    check_same_session(csrf, session_id)


def check_repeated(header: bytes | None, csrf: SessionToken) -> None:
    """The *header* is the token of the *csrf* cookie, compared in constant time. Raises Refused(FORGED_REQUEST)."""
    if not header:
        raise Refused(Reason.FORGED_REQUEST, "no CSRF header")
    if not hmac.compare_digest(header, csrf.value.encode("utf-8")):
        raise Refused(Reason.FORGED_REQUEST, "the CSRF header is not what the CSRF cookie holds")


def check_same_session(csrf: SessionToken, session_id: bytes) -> None:
    """The *csrf* cookie is of the session *session_id*, compared in constant time. Raises Refused(FORGED_REQUEST)."""
    if not hmac.compare_digest(session_id, csrf.session_id):
        raise Refused(Reason.FORGED_REQUEST, "the CSRF cookie is of another session than the access token")
