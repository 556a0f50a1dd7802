"""Warnings: what works and is probably not meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phantomgate.config.advice import warnings
from phantomgate.config.settings import (
    Exchange,
    Introspection,
    IssuerRule,
    Policy,
    Revocation,
    RouteRule,
    Serve,
    Settings,
    SplitTokens,
)

GOOD = Settings(
    introspection=Introspection(endpoint="https://as.example/", client_id="gateway", client_secret="env:SECRET"),
    policy=Policy(scopes=("read",)),
)


def warned(**sections: object) -> list[str]:
    return [warning.setting for warning in warnings(replace(GOOD, **sections))]


def test_settings_as_in_the_readme_have_no_warnings():
    assert warned() == []


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("serve.source", {"routes": (RouteRule("/**"),)}),
        ("serve.nginx", {"serve": Serve(source="original")}),
        ("serve.allow_any_caller", {"serve": Serve(listen="0.0.0.0:9090", allow_any_caller=True)}),
        ("serve.upstream", {"serve": Serve(upstream="http://api.example")}),
        (
            "introspection.allow_insecure_http",
            {"introspection": replace(GOOD.introspection, endpoint="http://as.example/", allow_insecure_http=True)},
        ),
        ("policy.scopes", {"policy": Policy()}),
        ("revocation.listen", {"revocation": Revocation(secret="env:PURGE", listen="0.0.0.0:9093")}),
        (
            "exchange.allow_insecure_http",
            {"exchange": Exchange("http://as.example/token", "gateway", "env:SECRET", allow_insecure_http=True)},
        ),
    ],
)
def test_each_thing_to_think_about_is_one_warning(name, sections):
    assert warned(**sections) == [name]


@pytest.mark.parametrize(
    "sections",
    [
        {"serve": Serve(source="forwarded"), "routes": (RouteRule("/**"),)},
        {"serve": Serve(source="original", nginx=True)},
        {"serve": Serve(allow_any_caller=True)},
        {"serve": Serve(upstream="http://127.0.0.1:8080")},
        {"serve": Serve(upstream="https://api.example")},
        {"introspection": replace(GOOD.introspection, endpoint="http://127.0.0.1/", allow_insecure_http=True)},
        {"policy": Policy(audiences=("api",))},
        {"policy": Policy(any_scopes=("a", "b"))},
    ],
)
def test_the_remedy_ends_the_warning(sections):
    assert warned(**sections) == []


def test_routes_that_let_every_token_in_are_named():
    serve = Serve(source="path")
    routes = (RouteRule("/a", scopes=("a",)), RouteRule("/b"), RouteRule("/c", audiences=("c",)))
    assert warned(serve=serve, policy=Policy(), routes=routes) == ["routes[2].scopes"]


def test_routes_that_never_apply_are_named():
    serve = Serve(source="path")
    routes = (
        RouteRule("/a"),
        RouteRule("/a", ("POST",)),
        RouteRule("/b", ("GET",)),
        RouteRule("/b"),
        RouteRule("/b", ("GET",)),
    )
    assert warned(serve=serve, routes=routes) == ["routes[2].path", "routes[5].path"]


def test_a_warning_knows_where_its_setting_was_read():
    [warning] = warnings(replace(GOOD, policy=Policy(), origins={"policy.scopes": "gate.toml"}))
    assert warning.origin == "gate.toml"


def test_pushes_from_elsewhere_are_to_come_through_tls():
    one = IssuerRule("main", "https://as.example", "split", audiences=("api",), algorithms=("ES256",))
    found = {"introspection": Introspection(), "issuers": (one,)}

    assert warned(**found, split_tokens=SplitTokens("env:PUSH", "0.0.0.0:9092")) == ["split_tokens.listen"]
    assert warned(**found, split_tokens=SplitTokens("env:PUSH")) == []
