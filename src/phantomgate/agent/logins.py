"""Logins under way: what binds an authorization response to the browser that asked for it (RFC 6749 §10.12).

They lie in that browser's own sealed cookie and nowhere else, so an answer that somebody else began is nobody's here.
Rule: at most five at a time, the oldest goes; none is good for longer than ten minutes, or twice.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from phantomgate.core.base64url import base64url_text
from phantomgate.oauth.strict_json import read_object
from phantomgate.session.sealing import Random

MOST = 5
SECONDS = 600
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Login:
    """One login: what only this browser and we know of it, since when (Unix time), and where it leads in the end."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    began: float
    return_to: str = ""


def new_login(now: float, return_to: str, random: Random) -> Login:
    """A login with 256 random bits in each of its parts (RFC 7636 §7.1)."""
    state, nonce, verifier = (base64url_text(random(_BYTES)) for _ in range(3))
    return Login(state, nonce, verifier, now, return_to)


def read_logins(plaintext: bytes, now: float) -> tuple[Login, ...]:
    """The logins in *plaintext*, oldest first, that are still good at Unix time *now*; none if we didn't write it."""
    try:
        logins = tuple(_login(one) for one in read_object(plaintext)["logins"]) if plaintext else ()
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(one for one in logins if 0 <= now - one.began < SECONDS)


def pack_logins(logins: tuple[Login, ...]) -> bytes:
    """The newest *logins*, as `read_logins` reads them; empty without any."""
    if not logins:
        return b""
    said = [[one.state, one.nonce, one.code_verifier, one.began, one.return_to] for one in logins[-MOST:]]
    return json.dumps({"logins": said}, separators=(",", ":")).encode("ascii")


def find_login(logins: tuple[Login, ...], state: str) -> Login | None:
    """The login that *state* belongs to. Each is compared, in constant time."""
    found = None
    for one in logins:
        if hmac.compare_digest(one.state.encode("ascii"), state.encode("utf-8")):
            found = one
    return found


def _login(said: Any) -> Login:
    state, nonce, code_verifier, began, return_to = said
    return Login(state, nonce, code_verifier, float(began), return_to)
