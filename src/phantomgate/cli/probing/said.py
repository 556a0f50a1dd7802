"""RFC 8414 §2: what a server says of itself, to be shown. Pure.

Rule: the document is anybody's words. What is malformed is left out, what is long is cut, only printable ASCII is kept,
and an endpoint says why we won't call it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from phantomgate.core.errors import Refused
from phantomgate.oauth.discovery import read_endpoint

_ENDPOINTS = {
    "introspection": "introspection_endpoint",
    "keys": "jwks_uri",
    "token": "token_endpoint",
    "authorization": "authorization_endpoint",
    "revocation": "revocation_endpoint",
    "PAR": "pushed_authorization_request_endpoint",
}
_LISTS = {
    "clients by": "token_endpoint_auth_methods_supported",
    "introspection by": "introspection_endpoint_auth_methods_supported",
    "signed answers by": "introspection_signing_alg_values_supported",
    "encrypted answers by": "introspection_encryption_alg_values_supported",
    "grants": "grant_types_supported",
}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_MOST, _LONGEST = 24, 80
_WORD = re.compile(r"[!-~]{1,80}").fullmatch
_URL = re.compile(r"[!-~]{1,2048}").fullmatch


class Endpoint(NamedTuple):
    """One endpoint: what it is *for*, where, and why we won't call it, if so."""

    purpose: str
    url: str
    why_not: Refused | None = None


class Said(NamedTuple):
    """What a document says. Lists that are missing in it are missing here."""

    endpoints: tuple[Endpoint, ...] = ()
    lists: Mapping[str, tuple[str, ...]] = {}
    supports: Mapping[str, bool] = {}
    certificate_endpoint: str = ""
    """Where introspection is for clients that show a certificate (RFC 8705 §5)."""

    def url(self, purpose: str) -> str:
        """Where to call for *purpose*; empty when we can't."""
        return next((one.url for one in self.endpoints if one.purpose == purpose and one.why_not is None), "")

    @property
    def whole(self) -> bool:
        """Whether `oauth.discovery` would use the document for keys and introspection as it is."""
        return not any(one.why_not for one in self.endpoints if one.purpose in ("introspection", "keys"))

    @property
    def methods(self) -> tuple[str, ...]:
        """How clients may show who they are at introspection; empty when that isn't said."""
        return self.lists.get("introspection by") or self.lists.get("clients by", ())


def read_said(document: Mapping[str, Any], places: Collection[str], *, allow_insecure_http: bool = False) -> Said:
    """What *document* says; its endpoints may be at the origins of the URLs *places*. Never raises."""
    endpoints = [
        _endpoint(document, purpose, name, places, allow_insecure_http)
        for purpose, name in _ENDPOINTS.items()
        if name in document
    ]
    lists = {name: found for name, member in _LISTS.items() if (found := _words(document.get(member)))}
    aliases = document.get("mtls_endpoint_aliases")
    alias = None
    if isinstance(aliases, dict) and "introspection_endpoint" in aliases:
        alias = _endpoint(aliases, "", "introspection_endpoint", places, allow_insecure_http)
    return Said(
        tuple(endpoints),
        lists,
        {
            "token exchange (RFC 8693)": EXCHANGE in lists.get("grants", ()),
            "pushed requests (PAR, RFC 9126)": any(one.purpose == "PAR" for one in endpoints),
            "signed introspection (RFC 9701)": "signed answers by" in lists,
        },
        alias.url if alias and alias.why_not is None else "",
    )


def _endpoint(
    document: Mapping[str, Any], purpose: str, name: str, places: Collection[str], allow_insecure_http: bool
) -> Endpoint:
    value = document[name]
    url = value if isinstance(value, str) and _URL(value) else "(not a URL)"
    try:
        return Endpoint(purpose, read_endpoint(document, name, places, allow_insecure_http=allow_insecure_http))
    except Refused as no:
        return Endpoint(purpose, url, no)


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(dict.fromkeys(one for one in value if isinstance(one, str) and _WORD(one)))[:_MOST]
