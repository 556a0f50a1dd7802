"""Whose page may talk to the agent: the Origin check, and what CORS lets a page read.

Rule: an unsafe method needs an Origin that is exactly one of the trusted ones, login among them, since whoever can
start or end a login in a stranger's browser can log that browser into an account of his own. A safe one may lack it,
as browsers leave it out within one origin, unless they say that it comes from another. `null` is nobody's origin.
"""

from __future__ import annotations

from collections.abc import Collection

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers
from phantomgate.oauth.quoting import shown
from phantomgate.session.csrf import SAFE_METHODS

_WITHIN = (b"same-origin", b"none")
_OF_OUR_SITE = (*_WITHIN, b"same-site")
PREFLIGHT_SECONDS = 600


def check_origin(method: str, headers: Headers, trusted: Collection[str], *, cross_site: bool = False) -> None:
    """Raises Refused(FORGED_REQUEST) unless the request is of a page of *trusted*, or is harmless and of no other.

    *cross_site*: whether a trusted page may be of another site, as the browser sees it.
    """
    origin, site = headers.one(b"origin"), headers.one(b"sec-fetch-site")
    if origin is not None:
        if origin.decode("latin-1") not in trusted:
            raise Refused(Reason.FORGED_REQUEST, f"Origin is {shown(origin.decode('latin-1'))}, which is not trusted")
        if site is not None and site not in _OF_OUR_SITE and not cross_site:
            raise Refused(Reason.FORGED_REQUEST, f"Sec-Fetch-Site is {shown(site.decode('latin-1'))}")
        return
    if method not in SAFE_METHODS:
        raise Refused(Reason.FORGED_REQUEST, f"{method} without an Origin")
    if site is not None and site not in _WITHIN:
        raise Refused(Reason.FORGED_REQUEST, f"no Origin, and Sec-Fetch-Site is {shown(site.decode('latin-1'))}")


def cors_headers(headers: Headers, trusted: Collection[str]) -> tuple[tuple[str, str], ...]:
    """What lets a page of *trusted* read the answer, errors included; others are told nothing but that it varies."""
    said = headers.all(b"origin")
    vary = (("Vary", "Origin"),)
    if len(said) != 1 or said[0].decode("latin-1") not in trusted:
        return vary
    origin = said[0].decode("latin-1")
    return (*vary, ("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"))


def preflight_headers(headers: Headers, trusted: Collection[str], csrf_header: str) -> tuple[tuple[str, str], ...]:
    """The answer to a CORS preflight (Fetch §3.3.2): for a page of *trusted* what it may send, for others nothing."""
    said = cors_headers(headers, trusted)
    if len(said) == 1:
        return said
    return (
        *said,
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Access-Control-Allow-Headers", f"content-type, {csrf_header}"),
        ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
    )
