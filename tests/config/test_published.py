"""[resource]: what is published of the API, and what is wrong with settings about it."""

from __future__ import annotations

import json

import pytest

from phantomgate.adapters.refusal import write_refusal
from phantomgate.config.checks import problems_between
from phantomgate.config.published import challenged_with, published
from phantomgate.config.settings import Introspection, IssuerRule, Policy, Resource, RouteRule, Settings
from phantomgate.core.errors import Reason
from phantomgate.core.model import Refuse
from phantomgate.oauth.published import metadata_path, metadata_url

API = "https://api.example/mcp"
KNOWN = Introspection("https://as.example/i", "gateway", "env:SECRET", issuer="https://as.example")


def said(settings: Settings) -> dict:
    [document] = published(settings, []).values()
    return json.loads(document.body)


PLACES = [
    ("https://api.example", "/.well-known/oauth-protected-resource"),
    ("https://api.example/", "/.well-known/oauth-protected-resource"),
    ("https://api.example/mcp", "/.well-known/oauth-protected-resource/mcp"),
    ("https://api.example:8443/a/b/", "/.well-known/oauth-protected-resource/a/b/"),
]


@pytest.mark.parametrize(("resource", "path"), PLACES)
def test_the_well_known_path_comes_before_the_resources_own(resource, path):
    assert path == metadata_path(resource)
    assert metadata_url(resource) == "/".join(resource.split("/")[:3]) + path


def test_without_a_resource_nothing_is_published_nor_challenged_with():
    assert ({}, "") == (published(Settings(), []), challenged_with(Settings()))


def test_everything_is_said_that_is_known():
    resource = Resource(API, ("https://other.example",), ("a",), "Orders", "https://api.example/docs")

    assert {
        "resource": API,
        "authorization_servers": ["https://other.example"],
        "scopes_supported": ["a"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders",
        "resource_documentation": "https://api.example/docs",
    } == said(Settings(introspection=KNOWN, resource=resource))


def test_issuers_and_scopes_are_found_in_the_rules():
    settings = Settings(
        introspection=KNOWN,
        issuers=(IssuerRule("main", "https://main.example"), IssuerRule("same", "https://as.example")),
        policy=Policy(scopes=("read",)),
        routes=(RouteRule("/a", any_scopes=("x", "read")), RouteRule("/b", scopes=("y",))),
        resource=Resource(API),
    )

    assert ["https://as.example", "https://main.example"] == said(settings)["authorization_servers"]
    assert ["read", "x", "y"] == said(settings)["scopes_supported"]


def test_what_there_is_none_of_is_left_out():
    assert {"resource", "authorization_servers", "bearer_methods_supported"} == set(
        said(Settings(introspection=KNOWN, resource=Resource(API)))
    )


@pytest.mark.parametrize("reason", [Reason.MISSING_CREDENTIAL, Reason.INACTIVE, Reason.INSUFFICIENT_SCOPE])
def test_a_challenge_says_where_the_metadata_is(reason):
    where = challenged_with(Settings(resource=Resource(API)))

    fields = dict(write_refusal(Refuse(reason, "id"), "api", resource_metadata=where).headers)

    assert fields["WWW-Authenticate"].endswith(
        ', resource_metadata="https://api.example/.well-known/oauth-protected-resource/mcp"'
    )


WRONG = [
    (Resource("http://api.example/mcp"), "resource.identifier", "https"),
    (Resource(name="Orders"), "resource.identifier", "leave [resource] out"),
]


@pytest.mark.parametrize(("resource", "name", "word"), WRONG)
def test_what_is_wrong_is_said_with_a_remedy(resource, name, word):
    [(got, text)] = problems_between(Settings(introspection=KNOWN, resource=resource))

    assert name == got
    assert word in text


def test_somebody_must_give_tokens():
    introspection = Introspection("https://as.example/i", "gateway", "env:SECRET")

    [(name, _)] = problems_between(Settings(introspection=introspection, resource=Resource(API)))
    assert "resource.authorization_servers" == name


def test_loopback_is_good_enough_to_try():
    assert [] == list(problems_between(Settings(introspection=KNOWN, resource=Resource("http://127.0.0.1:8000/mcp"))))


@pytest.mark.parametrize("value", ['https://api.example/"', "https://api.example/#x", "https://a:b@api.example", "api"])
def test_an_identifier_that_no_challenge_can_carry_is_no_identifier(value):
    from phantomgate.config.loading import kinds_of

    with pytest.raises(ValueError, match="want"):
        kinds_of(Resource)["identifier"].read(value)
