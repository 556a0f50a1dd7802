"""RFC 6749 §4.1.2, RFC 9207: what the browser brings back from the authorization server. Pure.

Rule: it is the word of whoever could make the browser open an address. A parameter of the protocol that comes twice is
refused (RFC 6749 §3.1), texts of an error are not even read, and nothing is believed before the caller has found
`state` among the logins of this very browser.
"""

from __future__ import annotations

import re

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.nouns import dataclass, field
from phantomgate.oauth.form import form_pairs
from phantomgate.oauth.quoting import shown

MAX_QUERY = 16384
_ONCE = frozenset(("code", "state", "iss", "error", "error_description", "error_uri", "response", "session_state"))
_VSCHARS = re.compile(r"[ -~]{1,4096}").fullmatch  # RFC 6749 appendix A.5, A.11


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """An answer to a login: a code, or the code of an error; `iss` is None where the server names no issuer."""

    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    error: str = ""
    iss: str | None = None


def read_authorization_response(query: str) -> AuthorizationResponse | None:
    """The answer in *query* (without "?"); None when it is a page's own query: no `state`, or neither code nor error.

    Raises Refused(MALFORMED_REQUEST) for an answer that two readers could read in two ways.
    """
    if len(query) > MAX_QUERY:
        raise _malformed(f"a query of {len(query)} characters, want at most {MAX_QUERY}")
    try:
        pairs = form_pairs(query)
    except ValueError as no:
        raise _malformed(str(no)) from None
    said: dict[str, str] = {}
    for name, value in pairs:
        if name not in _ONCE:
            continue
        if name in said:
            raise _malformed(f"{name} came more than once")
        said[name] = value
    if "state" not in said or not ("code" in said or "error" in said):
        return None
    if "code" in said and "error" in said:
        raise _malformed("code and error came together")
    for name in ("state", "code", "error", "iss"):
        if name in said and not _VSCHARS(said[name]):
            raise _malformed(f"{name} is empty, too long or holds a character that it can't")
    return AuthorizationResponse(said["state"], said.get("code", ""), said.get("error", ""), said.get("iss"))


def check_iss(response: AuthorizationResponse, issuer: str, *, required: bool) -> None:
    """RFC 9207 §2.4: the answer is of the server that was asked; *required* where that server says it always tells."""
    if response.iss is None and required:
        raise _malformed("iss is missing, and the authorization server says that it always sends it")
    if response.iss not in (None, issuer):  # plain strings: no normalisation
        raise _malformed(f"iss is {shown(response.iss)}, want {shown(issuer)}")


def _malformed(detail: str) -> Refused:
    return Refused(Reason.MALFORMED_REQUEST, f"authorization response: {detail}")
