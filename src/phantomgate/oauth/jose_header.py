"""RFC 7515 §4: the header of a compact JWS, read before anybody is trusted.

Rule: what would change how the rest is read (`crit`, `b64`, `zip`) is refused, and what would name a key of the
sender's own is only noted: no key and no address in a header is ever used.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from phantomgate.core.base64url import base64url
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.nouns import dataclass, field
from phantomgate.oauth.quoting import shown, why
from phantomgate.oauth.strict_json import read_object

MAX_KID = 512
_REFUSED = {
    "crit": "extensions that must be understood, and we understand none (RFC 7515 section 4.1.11)",
    "b64": "another encoding of the payload, which no JWT may have (RFC 7797 section 7)",
    "zip": "compression, which a signed JWT doesn't have (RFC 7516 section 4.1.3)",
}
_OWN_KEYS = frozenset(("jwk", "jku", "x5u", "x5c"))


@dataclass(frozen=True, slots=True)
class Header:
    """A header that can be acted upon."""

    values: Mapping[str, Any] = field(repr=False)
    alg: str
    kid: str | None
    typ: str
    """The media type, in lower case and without `application/` (RFC 7515 §4.1.9); empty when the header has none."""
    own_keys: frozenset[str]
    """Which of `jwk`, `jku`, `x5u` and `x5c` the sender put in. They are never used."""


def read_header(segment: bytes) -> Header:
    """The header in the first *segment* of a compact JWS. Raises Refused(INVALID_TOKEN)."""
    try:
        values = read_object(base64url(segment))
    except ValueError as error:
        raise Refused(Reason.INVALID_TOKEN, f"the header can't be read: {why(error)}") from None
    for name, meaning in _REFUSED.items():
        if name in values:
            raise Refused(Reason.INVALID_TOKEN, f"the header has {name}: {meaning}")
    alg = values.get("alg")
    if not isinstance(alg, str):
        raise Refused(Reason.INVALID_TOKEN, f"alg is {shown(alg)}, want a string")
    kid = values.get("kid")
    if "kid" in values and not (isinstance(kid, str) and len(kid) <= MAX_KID):
        raise Refused(Reason.INVALID_TOKEN, f"kid is {shown(kid)}, want a string of at most {MAX_KID} characters")
    if media_type(values.get("cty")) == "jwt":
        raise Refused(Reason.INVALID_TOKEN, "cty is JWT: one token inside another is not an access token")
    typ = media_type(values.get("typ"))
    if "typ" in values and not (typ and typ.isascii()):
        raise Refused(Reason.INVALID_TOKEN, f"typ is {shown(values['typ'])}, want a media type")
    return Header(MappingProxyType(values), alg, kid, typ, _OWN_KEYS & values.keys())


def media_type(typ: object) -> str:
    """The media type that *typ* stands for, without case and `application/`; empty when it is not text."""
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else ""
