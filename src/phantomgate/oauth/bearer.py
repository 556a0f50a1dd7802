"""RFC 6750: read the Authorization field, write the WWW-Authenticate challenge. Strict, on bytes, in one pass.

Rule: exactly one Bearer credential or a refusal. Nothing is trimmed, guessed, searched for or repaired: the readers in
front of us and behind us must see the same token that we saw.
"""

from __future__ import annotations

from phantomgate.core.characters import B64TOKEN, only_bytes
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Refuse
from phantomgate.core.pattern import pattern

MAX_TOKEN_BYTES = 8192

_STARTS_AS_BEARER = pattern(rb"(?i:bearer)(?![!#$%&'*+\-.^_`|~0-9A-Za-z])")  # the whole word, not a prefix of one
_HIDES_A_BEARER = pattern(rb"(?i),[ \t]*bearer(?:[ \t,]|\Z)")  # two fields that somebody joined


def read_authorization(value: bytes | None) -> str:
    """The access token of the only Authorization field.

    Raises Refused: MISSING_CREDENTIAL for no field, an empty one, or another scheme; MALFORMED_REQUEST for a Bearer
    credential outside the grammar of RFC 6750 §2.1, one over 8192 bytes, or several joined by commas.
    """
    if not value:
        raise Refused(Reason.MISSING_CREDENTIAL, "no Authorization field")
    # The longest thing that can be good: the scheme, a sane number of spaces, the token.
    if len(value) > MAX_TOKEN_BYTES + 64:
        raise Refused(Reason.MALFORMED_REQUEST, f"Authorization has {len(value)} bytes, want at most {MAX_TOKEN_BYTES}")
    # RFC 6750 §2.1: credentials = "Bearer" 1*SP b64token; RFC 9110 §11.1: the scheme is case-insensitive
    scheme, space, rest = value.partition(b" ")
    token = rest.lstrip(b" ")
    if space and scheme.lower() == b"bearer" and _is_b64token(token):
        if len(token) > MAX_TOKEN_BYTES:
            raise Refused(Reason.MALFORMED_REQUEST, f"the token has {len(token)} bytes, want at most {MAX_TOKEN_BYTES}")
        return token.decode("ascii")
    if _STARTS_AS_BEARER.match(value):
        raise Refused(Reason.MALFORMED_REQUEST, "Authorization is Bearer but not `Bearer` SP b64token")
    if _HIDES_A_BEARER.search(value):
        raise Refused(Reason.MALFORMED_REQUEST, "Authorization joins several credentials by commas")
    raise Refused(Reason.MISSING_CREDENTIAL, "Authorization uses another scheme than Bearer")


def is_token(text: str) -> bool:
    """Whether *text*, which came some other way, could be sent as a Bearer token."""
    return len(text) <= MAX_TOKEN_BYTES and is_b64token(text)


def is_b64token(text: str) -> bool:
    """The same, however long it is."""
    return text.isascii() and _is_b64token(text.encode("ascii"))


def _is_b64token(data: bytes) -> bool:
    """RFC 6750 §2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" ."""
    body = data.rstrip(b"=")
    return bool(body) and only_bytes(body, B64TOKEN)


def challenge(refuse: Refuse, realm: str, resource_metadata: str = "") -> str:
    """The WWW-Authenticate value for *refuse* (RFC 6750 §3).

    Without `error` when the request carried no credential (§3.1). *resource_metadata* is the URL of RFC 9728 §5.1, or
    empty. It, *realm* and the scope are of the charset that settings were checked for, so nothing needs quoting.
    """
    parts = [f'Bearer realm="{realm}"']
    if refuse.reason is not Reason.MISSING_CREDENTIAL:
        parts.append(f'error="{refuse.reason.error}"')
        parts.append(f'error_description="{refuse.reason.description}"')
    if refuse.scope:
        parts.append(f'scope="{refuse.scope}"')
    if resource_metadata:
        parts.append(f'resource_metadata="{resource_metadata}"')
    return ", ".join(parts)
