"""Words of HTTP and OAuth as settings: scopes, methods, header names, claims, secret references.

Rule: a word that HTTP or OAuth couldn't carry is refused here, so that no later code has to quote or escape one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from phantomgate.config.kinds import Kind, choice, found, from_json, list_of, printed, words
from phantomgate.config.network import ADDRESS
from phantomgate.core.model import plain_name
from phantomgate.core.pattern import pattern
from phantomgate.oauth.algorithms import ALGORITHMS

TEXT = words("text", r"[!-~]([ -~]*[!-~])?", "printable ASCII text", optional=False)
TEXTS = list_of(TEXT, want='["api"]')

CLIENT_ID = printed("text", 'the name under which the authorization server knows us, such as "api-gateway"')
"""RFC 6749 appendix A.1: printable ASCII."""

REALM = printed("text", "printable ASCII text without quotes and backslashes", but='"\\', optional=False)
"""RFC 9110 §11.5: a quoted-string, here one that needs no escapes."""

ISSUER = printed("text", 'the issuer exactly as the server writes it, such as "https://as.example"', but=" ")

NAME = words("name", r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", 'a short name such as "main"')

ALGORITHMS_USED = list_of(
    choice(*sorted(ALGORITHMS)),
    want='["RS256"]',
)
"""RFC 7518 §3.1, RFC 8037 §3.1, and no others: what is signed with a shared secret, or not at all, has no name here."""

TYPES = list_of(
    words("type", r"[!#$&^_.+/0-9A-Za-z-]+", 'a media type such as "at+jwt", or "none"', optional=False),
    want='["at+jwt"]',
)
"""RFC 7515 §4.1.9: `typ`."""

PREFIX_OF_TOKENS = words("text", r"[A-Za-z0-9._~+/-]+", 'the characters that its tokens begin with, such as "main_"')
"""RFC 6750 §2.1: b64token."""

FORMS = list_of(choice("oauth", "openid"), want='["oauth", "openid"]')

OWN_KEYS = list_of(choice("jku", "jwk", "x5u", "x5c"), want='["jku"]')

SCOPES = list_of(
    printed("scope", "one scope, without spaces, quotes and backslashes", but=' "\\', optional=False),
    want='["read", "orders:write"]',
)
"""RFC 6749 §3.3: scope-token."""

METHODS = list_of(
    words("method", r"[!#$%&'*+.^_`|~0-9A-Z-]+", 'an HTTP method in capitals, such as "POST"', optional=False),
    want='["GET", "POST"]',
)
"""RFC 9110 §9.1: methods are tokens and case-sensitive, so "post" would never match."""

PATH = words("path", r"/[!-~]*", 'a path such as "/orders/**"')

FILE = words("file", r"[^\0]+", "the name of a file")

COOKIE_PREFIX = words(
    "name",
    r"[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?",
    'letters, digits and "-", such as "example"',
    optional=False,
)

DOMAIN = words("domain", r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", 'a domain such as "example.com"')

HEADER_NAMES = list_of(
    words("header", r"[!#$%&'+.^_`|~0-9A-Za-z-]+", 'the name of a header, such as "X-Request-Id"', optional=False),
    want='["X-Request-Id"]',
)
"""RFC 9110 §5.6.2, without `*`, by which Fetch may mean all of them."""

RESERVED = frozenset(
    {"authorization", "cookie", "set-cookie", "www-authenticate", "host", "expect", "forwarded", "cache-control"}
    | {"content-length", "content-type", "content-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"}
    | {"proxy-authenticate", "proxy-authorization", "proxy-connection", "transfer-encoding"}
)
"""Headers that HTTP (RFC 9110 §7.6.1), the gateway or we give a meaning of their own, as `plain_name` writes them."""
_RESERVED_PREFIXES = ("x-forwarded-", "x-original-", "x-accel-")


def _claims(value: object) -> Mapping[str, str]:
    """Header name -> claim."""
    want = 'want a table of header = claim, such as { "X-User" = "sub" }'
    if not isinstance(value, dict):
        raise ValueError(f"is {found(value)}; {want}")
    wrong: list[str] = []
    seen: dict[str, str] = {}
    for header, claim in value.items():
        plain = plain_name(header)
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", header):  # RFC 9110 §5.6.2: token
            wrong.append(f"{found(header)} can't be the name of a header")
        elif plain in RESERVED or plain.startswith(_RESERVED_PREFIXES):
            wrong.append(f'{found(header)} has a meaning of its own; choose another name, such as "X-User"')
        elif plain in seen:
            wrong.append(f"{found(header)} and {found(seen[plain])} are one header to many servers; keep one")
        if not isinstance(claim, str) or not re.fullmatch(r"[!-~]([ -~]*[!-~])?", claim):
            wrong.append(f"{found(header)} = {found(claim)}; {want}")
        seen.setdefault(plain, header)
    if wrong:
        raise ValueError("; ".join(wrong))
    return dict(value)


CLAIMS = Kind(
    "table of header = claim",
    _claims,
    {"type": "object", "additionalProperties": {"type": "string"}},
    from_json,
)


def _key_set(value: object) -> str:
    """A key set written as a table, kept as JSON text; what is in its keys is looked at together with `algorithms`."""
    if value == "":
        return ""
    if not isinstance(value, dict) or not isinstance(value.get("keys"), (list, tuple)):
        raise ValueError(f"is {found(value)}; want a key set (RFC 7517 §5), such as {{ keys = [{{ kty = ... }}] }}")
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("holds what no JSON can; want a key set as the server publishes it") from None


KEY_SET = Kind("table", _key_set, {"type": "object"}, from_json)

_KEPT = 'keep the secret elsewhere and write where: "env:NAME" or "file:/run/secrets/NAME"'


_OF_AWS = pattern(r"aws-sm:[A-Za-z0-9/_+=.@:-]{1,2048}(?:#[^#\x00-\x1f]{1,256})?|aws-ssm:[A-Za-z0-9/_.:-]{1,2048}")


def _is_reference(text: str) -> bool:
    kind, _, place = text.partition(":")
    if kind == "env":
        return place.isascii() and place.isidentifier()
    return bool(place) and "\0" not in place if kind == "file" else _OF_AWS.fullmatch(text) is not None


def _secret(value: object) -> str:
    """A reference to a secret; whatever else is there is never repeated."""
    if not isinstance(value, str):
        raise ValueError(f"is not text; {_KEPT}")
    if value and not _is_reference(value):
        raise ValueError(
            f"is not a reference, perhaps the secret itself, which belongs in no setting or its variable; {_KEPT}"
        )
    return value


CLAIM = words("claim", r"[!-~]([ -~]*[!-~])?", 'the name of a claim, such as "tenant"', optional=False)


def _copied(value: object) -> str:
    """A claim that may be copied into a token of ours."""
    from phantomgate.oauth.minting import NEVER_COPIED  # only for a claim that somebody has written

    name = CLAIM.read(value)
    if name in NEVER_COPIED:
        raise ValueError(f"is {found(name)}, which is said by us, or would make it another kind of token; leave it out")
    return name


def page_parameter() -> Kind[str]:
    """A parameter of an authorization request that a page may set (RFC 6749 §8.2)."""
    word = words("parameter", r"[A-Za-z0-9._-]{1,64}", 'the name of a parameter such as "prompt"', optional=False)

    def read(value: object) -> str:
        from phantomgate.oauth.authorization import OURS  # only for a parameter that somebody has written

        name = word.read(value)
        if name in OURS:
            raise ValueError(f"is {found(name)}, which a login is protected by and no page may set; leave it out")
        return name

    return Kind("parameter", read, {"type": "string"})


RETURN_TO = list_of(
    words(
        "path or URL",
        r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?|https?://[!-\[\]-~]+",
        'a path such as "/account/", or a URL such as "https://www.example.com/welcome"',
        optional=False,
    ),
    want='["/"]',
)

COPIED_CLAIMS = list_of(Kind("claim", _copied, {"type": "string"}), want='["tenant", "acr"]')

NODES = list_of(ADDRESS, want='["10.0.0.7:6379"]')

SECRET = Kind("secret reference", _secret, {"type": "string", "pattern": "^(env|file|aws-sm|aws-ssm):.+$"})
SECRETS = list_of(SECRET, want='["file:/etc/phantomgate/mint.pem"]')
