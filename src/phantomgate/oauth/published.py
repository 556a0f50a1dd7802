"""What we publish for everybody: protected-resource metadata (RFC 9728), and the keys that we sign with (RFC 7517).

Rule: made from settings at start and from nothing else, least of all from a request: what `Host` says would be an
attacker's way to send clients to an authorization server of his own (RFC 9728 §7.3).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.urls import split_url

WELL_KNOWN = "/.well-known/oauth-protected-resource"
KEYS_PATH = "/.well-known/jwks.json"


class Published(NamedTuple):
    """A document that anybody may read: the fields of its answer, and its body."""

    fields: tuple[tuple[str, str], ...]
    body: bytes


def metadata_path(resource: str) -> str:
    """Where the metadata of *resource* is: the well-known path before its own (RFC 9728 §3.1)."""
    path = split_url(resource)[1]
    return WELL_KNOWN + ("" if path == "/" else path)


def metadata_url(resource: str) -> str:
    """The same as a URL, for the `resource_metadata` of a challenge (RFC 9728 §5.1)."""
    scheme, _, rest = resource.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}{metadata_path(resource)}"


def resource_metadata(
    resource: str,
    authorization_servers: Sequence[str],
    scopes: Sequence[str] = (),
    *,
    name: str = "",
    documentation: str = "",
) -> Published:
    """The metadata of *resource* (RFC 9728 §2), for browsers of any origin too. What there is none of is left out."""
    said: dict[str, Any] = {
        "resource": resource,  # §3.3: identical to what the client asked for, so letter by letter
        "authorization_servers": list(authorization_servers),
        "scopes_supported": list(scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": name,
        "resource_documentation": documentation,
    }
    body = json.dumps({member: value for member, value in said.items() if value}).encode("ascii")
    # a public document without credentials, which clients in browsers need
    anyone = ("Access-Control-Allow-Origin", "*")
    return Published((("Content-Type", "application/json"), ("Cache-Control", "public, max-age=300"), anyone), body)


def key_set(jwks: bytes) -> Published:
    """Our public keys; an API may go by them for five minutes, which is what a rotation waits for."""
    return Published((("Content-Type", "application/jwk-set+json"), ("Cache-Control", "public, max-age=300")), jwks)
