"""The section about the API itself, as OAuth clients get to know it; one of `settings`, and told like them."""

from __future__ import annotations

from phantomgate.config.kinds import list_of, setting, words
from phantomgate.config.network import url
from phantomgate.config.vocabulary import ISSUER, SCOPES
from phantomgate.core.nouns import dataclass

_IDENTIFIER = url(query=False, want='a URL such as "https://api.example/mcp"')
_DOCUMENTATION = url(query=True, want='a URL such as "https://api.example/docs"')
_NAME = words("text", r"[ -~]+", 'printable ASCII text such as "Orders"')
_SERVERS = list_of(ISSUER, want='["https://as.example"]')


@dataclass(frozen=True, slots=True)
class Resource:
    """The API as a protected resource (RFC 9728), for clients that look up where to get a token, as those of the Model
    Context Protocol do. With `identifier`, every challenge has `resource_metadata` with the URL of its metadata:
    `/.well-known/oauth-protected-resource` followed by the identifier's own path. The decision listener, the proxy and
    the ASGI and WSGI middlewares publish it there; a gateway must pass that path on to us without asking for a token.
    With `serve.protocol` "spop" or "grpc", and in Kong's Python plugin, nothing of ours speaks HTTP, and the gateway
    must answer it."""

    identifier: str = setting(_IDENTIFIER, "")
    """The API's URL, exactly as clients use it: https, or http on loopback. Empty: nothing is published."""
    authorization_servers: tuple[str, ...] = setting(_SERVERS, [])
    """The issuers that give tokens for it. Empty: `introspection.issuer` and that of each of `[[issuers]]`."""
    scopes: tuple[str, ...] = setting(SCOPES, [])
    """The scopes that clients may ask for. Empty: those that `[policy]` and `[[routes]]` name."""
    name: str = setting(_NAME, "")
    """What people call it."""
    documentation: str = setting(_DOCUMENTATION, "")
    """Where developers read about it."""
