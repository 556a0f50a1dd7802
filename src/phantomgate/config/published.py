"""What anybody may read, from the settings: the metadata of the API, and our public keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from phantomgate.config.settings import Settings
from phantomgate.oauth.urls import insecure

if TYPE_CHECKING:
    from phantomgate.backends.jose import SigningKey
    from phantomgate.oauth.published import Published


def published(settings: Settings, keys: Sequence[SigningKey]) -> Mapping[str, Published]:
    """Every document by its path; *keys* are those that we sign with."""
    documents: dict[str, Published] = {}
    resource = settings.resource
    if resource.identifier:
        from phantomgate.oauth.published import metadata_path, resource_metadata

        documents[metadata_path(resource.identifier)] = resource_metadata(
            resource.identifier,
            servers_of(settings),
            resource.scopes or scopes_of(settings),
            name=resource.name,
            documentation=resource.documentation,
        )
    if keys:
        from phantomgate.backends import jose
        from phantomgate.oauth.published import KEYS_PATH, key_set

        documents[KEYS_PATH] = key_set(jose.key_set(keys))
    return documents


def challenged_with(settings: Settings) -> str:
    """The URL of the metadata, for challenges, or empty."""
    if not settings.resource.identifier:
        return ""
    from phantomgate.oauth.published import metadata_url

    return metadata_url(settings.resource.identifier)


def servers_of(settings: Settings) -> tuple[str, ...]:
    """Who gives tokens for the API: who is named, or else every issuer that we know by its name."""
    known = (settings.introspection.issuer, *(one.issuer for one in settings.issuers))
    return settings.resource.authorization_servers or tuple(dict.fromkeys(name for name in known if name))


def scopes_of(settings: Settings) -> tuple[str, ...]:
    """Every scope that the rules name, in their order."""
    policy = settings.policy
    named = [policy.scopes, policy.any_scopes, *(rule.scopes + rule.any_scopes for rule in settings.routes)]
    return tuple(dict.fromkeys(scope for scopes in named for scope in scopes))


def problems_of_resource(settings: Settings) -> Iterator[tuple[str, str]]:
    """(setting, what is wrong with it and how to mend it)."""
    resource = settings.resource
    if not resource.identifier:
        if resource != type(resource)():
            text = 'is missing, so nothing would be published; write identifier = "https://api.example/mcp"'
            yield "resource.identifier", f"{text} under [resource], or leave [resource] out"
        return
    if insecure(resource.identifier):  # RFC 9728 §1.2
        yield "resource.identifier", "is http, and clients accept metadata over https only; write https://"
    if not servers_of(settings):
        text = 'is missing, and no issuer is named elsewhere; write authorization_servers = ["https://as.example"]'
        yield "resource.authorization_servers", text
