"""Find the access token of a browser session: what its cookie seals, for requests that our own pages send.

Rule: a cookie is sent by the browser, whoever asked it to. So before it is opened the request must come from a page
that we trust, on every request, and must show it where it may change something (RFC 9110 §9.2.1). In this order, each
with its own refusal: the credential is there, the origin, the CSRF token, what the cookie holds.

What is remembered is parsing: the same sealed characters hold the same thing. Nothing about a request is, and no check
of one is passed over because its cookie is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from phantomgate.core.errors import Reason, Refused, Unreadable
from phantomgate.core.model import Credential, Headers, Request
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Find
from phantomgate.core.typed import NamedTuple, hiding
from phantomgate.gateway.remembering import remembering
from phantomgate.oauth.bearer import is_token
from phantomgate.session.cookies import CookieNames, read_cookies, read_value
from phantomgate.session.csrf import SAFE_METHODS, SessionToken, check_repeated, check_same_session, open_token
from phantomgate.session.keys import KeyRing

T = TypeVar("T")

_OF_OUR_SITE = frozenset((b"same-origin", b"same-site", b"none"))


@dataclass(frozen=True, slots=True)
class SessionRules:
    """Which cookies are sessions, and which pages may use them. `origins` as a browser writes them."""

    names: CookieNames
    keys: KeyRing
    issuer: str
    """Whom the cookies are sealed for."""
    origins: frozenset[bytes]
    cors: bool = False
    """Whether pages are of other origins than the API, so that browsers name one on every request."""
    legacy: bool = True
    """Whether format v1 is read."""
    allow_cross_site: bool = False
    """Let a browser's cross-site requests pass when their origin is trusted or none is needed."""
    safe: frozenset[str] = SAFE_METHODS
    """Methods that change nothing: they need neither an Origin nor the CSRF token."""


@hiding("at", "csrf")
class _Cookies(NamedTuple):
    """What the Cookie fields of a request hold of ours, sealed."""

    at: str | None
    csrf: str | None


@hiding("session_id")
class _Session(NamedTuple):
    credential: Credential
    session_id: bytes


def find_session(rules: SessionRules, bearer: Find) -> Find:
    """Finds the token that a session cookie seals, or else what *bearer* finds. Both together are malformed."""
    names = rules.names
    csrf_header = names.csrf_header.encode()
    read_one: Callable[[bytes], _Cookies] = remembering(lambda field: _read([field], names))
    open_session: Callable[[str], _Session] = remembering(lambda sealed: _session(_opened(rules, names.at, sealed)))
    open_csrf: Callable[[str], SessionToken] = remembering(lambda sealed: _opened(rules, names.csrf, sealed))

    def find(request: Request) -> Credential:
        headers = request.headers
        field = headers.fields.get(b"cookie")
        if field is None:
            return bearer(request)
        repeated = headers.repeated.get(b"cookie")
        sealed, sealed_csrf = read_one(field) if repeated is None else _read(repeated, names)
        if sealed is None:
            return bearer(request)
        if b"authorization" in headers.fields:  # whose request would it be?
            raise Refused(Reason.MALFORMED_REQUEST, "an Authorization field and a session cookie, want one of them")
        if not request.routed:
            raise Refused(Reason.MALFORMED_REQUEST, "a session cookie without the method that it is for")
        unsafe = request.method not in rules.safe
        _check_origin(rules, headers, unsafe=unsafe)
        if not unsafe:
            return _or_unreadable(open_session, sealed, Reason.UNREADABLE_SESSION).credential
        if not sealed_csrf:
            raise Refused(Reason.FORGED_REQUEST, "no CSRF cookie")
        csrf = _or_unreadable(open_csrf, sealed_csrf, Reason.FORGED_REQUEST)
        check_repeated(headers.one(csrf_header), csrf)
        session = _or_unreadable(open_session, sealed, Reason.UNREADABLE_SESSION)
        check_same_session(csrf, session.session_id)
        return session.credential

    return find


def _read(fields: Sequence[bytes], names: CookieNames) -> _Cookies:
    cookies = read_cookies(fields, names)
    return _Cookies(read_value(cookies, names.at), read_value(cookies, names.csrf))


def _check_origin(rules: SessionRules, headers: Headers, *, unsafe: bool) -> None:
    """Whether a page that we trust may have sent this (RFC 6454 §7.3; Fetch Metadata)."""
    origins = headers.all(b"origin")
    if len(origins) > 1 or (origins and origins[0] not in rules.origins):  # `null` is nobody's
        raise Refused(Reason.FORGED_REQUEST, "an origin that is not one of trusted_web_origins")
    if not origins and (unsafe or rules.cors):
        raise Refused(Reason.FORGED_REQUEST, "no Origin field")
    sites = headers.all(b"sec-fetch-site")
    if sites and not rules.allow_cross_site and not (len(sites) == 1 and sites[0] in _OF_OUR_SITE):
        raise Refused(Reason.FORGED_REQUEST, "a request from another site, by its Sec-Fetch-Site")


def _opened(rules: SessionRules, name: str, sealed: str) -> SessionToken:
    return open_token(rules.keys, name, rules.issuer, sealed, legacy=rules.legacy)


def _session(token: SessionToken) -> _Session:
    if not is_token(token.value):  # format v1 doesn't know which cookie it was made for
        raise Unreadable("what it holds is no access token")
    return _Session(Credential(token.value, sealed=True), token.session_id)


def _or_unreadable(act: Callable[[str], T], sealed: str, reason: Reason) -> T:
    try:
        return act(sealed)
    except Unreadable as no:
        cookie = "CSRF cookie" if reason is Reason.FORGED_REQUEST else "session cookie"
        raise Refused(reason, f"{cookie}: {no}") from None
