"""What two settings say together: each check stops what it is for, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phantomgate.config.agent_checks import problems_of_agent
from phantomgate.config.checks import _OF_SERVE, problems_between
from phantomgate.config.exchange_checks import problems_of_exchange
from phantomgate.config.published import problems_of_resource
from phantomgate.config.revoking import REVOCATION_CHECKS
from phantomgate.config.session_checks import SESSION_CHECKS
from phantomgate.config.settings import (
    Cache,
    Introspection,
    IssuerRule,
    Policy,
    Revocation,
    RouteRule,
    Serve,
    Settings,
    SplitTokens,
)
from phantomgate.config.settings_agent import Agent
from phantomgate.config.settings_aws import Aws
from phantomgate.config.sharing_checks import SHARING_CHECKS
from phantomgate.config.splitting import problems_of_splitting

GOOD = Settings(
    introspection=Introspection(endpoint="https://as.example/", client_id="gateway", client_secret="env:SECRET")
)


def told(serve: dict | None = None, introspection: dict | None = None, **sections: object) -> dict[str, str]:
    settings = replace(
        GOOD,
        serve=Serve(**(serve or {})),
        introspection=replace(GOOD.introspection, **(introspection or {})),
        **sections,
    )
    return dict(problems_between(settings))


def test_good_settings_have_no_problems():
    assert told() == {}


def test_a_section_that_says_nothing_has_no_problem():
    """So nobody has to look at it, nor to import what would."""
    checks = (*SESSION_CHECKS, *SHARING_CHECKS, *REVOCATION_CHECKS, *_OF_SERVE)
    of_sections = (problems_of_exchange, problems_of_agent, problems_of_splitting, problems_of_resource)

    assert [] == [text for _, _, check in checks for text in [check(GOOD)] if text]
    assert [] == [problem for problems in of_sections for problem in problems(GOOD)]


@pytest.mark.parametrize("name", ["endpoint", "client_id", "client_secret"])
def test_what_is_needed_must_be_there(name):
    assert "is missing" in told(introspection={name: ""})[f"introspection.{name}"]


def test_http_beyond_this_machine_is_a_problem():
    said = told(introspection={"endpoint": "http://as.example/"})
    assert "write https://" in said["introspection.endpoint"]


@pytest.mark.parametrize(
    "fine",
    [
        {"endpoint": "http://127.0.0.1:8080/"},
        {"endpoint": "http://[::1]:8080/"},
        {"endpoint": "http://localhost/"},
        {"endpoint": "http://as.example/", "allow_insecure_http": True},
    ],
)
def test_http_on_this_machine_or_allowed_by_a_frightening_name_is_none(fine):
    assert told(introspection=fine) == {}


@pytest.mark.parametrize("listen", ["0.0.0.0:9090", "[::]:9090", "192.0.2.7:9090", "gate.example:9090"])
def test_a_listener_that_others_can_reach_must_name_its_callers(listen):
    assert "names nobody beyond this machine" in told(serve={"listen": listen})["serve.listen"]


@pytest.mark.parametrize("nobody", [(), ("127.0.0.0/8",), ("::1/128", "127.0.0.1/32")])
def test_naming_only_this_machine_names_nobody(nobody):
    assert list(told(serve={"listen": "0.0.0.0:9090", "trusted_proxies": nobody})) == ["serve.listen"]


@pytest.mark.parametrize(
    "fine",
    [
        {"listen": "0.0.0.0:9090", "trusted_proxies": ("10.0.0.0/8",)},
        {"listen": "0.0.0.0:9090", "trusted_proxies": ("127.0.0.0/8", "fd00::/8")},
        {"listen": "0.0.0.0:9090", "allow_any_caller": True},
        {"listen": "127.0.0.1:9090"},
        {"listen": "[::1]:9090"},
        {"listen": "unix:/run/gate.sock"},
    ],
)
def test_a_listener_that_names_its_callers_or_that_nobody_else_can_reach_is_fine(fine):
    assert told(serve=fine) == {}


@pytest.mark.parametrize("address", ["127.0.0.1:9090", "unix:/run/gate.sock"])
def test_two_listeners_on_one_address_are_a_problem(address):
    assert "is the address of serve.listen too" in told(serve={"listen": address, "manage": address})["serve.manage"]


def test_two_listeners_on_any_free_port_are_two():
    assert told(serve={"listen": "127.0.0.1:0", "manage": "127.0.0.1:0"}) == {}


def test_every_path_template_is_read_by_who_will_match_it():
    said = told(routes=(RouteRule("/a"), RouteRule("/a/**/b/**"), RouteRule("/a;b")))
    assert list(said) == ["routes[2].path", "routes[3].path"]


def test_nothing_is_concluded_from_what_could_not_be_read():
    settings = replace(
        GOOD, serve=Serve(listen="0.0.0.0:9090"), introspection=Introspection(), routes=(RouteRule("a"),)
    )
    unread = {
        "serve.trusted_proxies",
        "introspection.endpoint",
        "introspection.client_id",
        "introspection.client_secret",
        "routes[1].path",
    }
    assert dict(problems_between(settings, unread)) == {}


def test_what_proxies_speaks_http_alone():
    assert told({"protocol": "spop"}) == {}
    both = told({"protocol": "spop", "upstream": "http://127.0.0.1:8000"})
    assert "leave one of them out" in both["serve.protocol"]


def test_grpc_listens_on_an_address_and_serves_checks_alone():
    assert told({"protocol": "grpc"}) == {}
    for also in ({"listen": "unix:/run/x.sock"}, {"upstream": "http://127.0.0.1:8000"}):
        assert "grpc" in told({"protocol": "grpc", **also})["serve.protocol"]
        assert "serve.protocol" not in told(also)
    split = (IssuerRule(name="a", issuer="https://as.example", mode="split"),)
    assert "split tokens" in told({"protocol": "grpc"}, issuers=split)["serve.protocol"]


def test_what_is_stale_must_be_allowed_somewhere_and_for_some_time():
    lenient = RouteRule(path="/news/**", allow_stale=True)
    strict = RouteRule(path="/**")

    def blamed(cache, policy=None, routes=()):
        made = replace(GOOD, cache=cache, policy=policy or Policy(), routes=routes)
        return [name for name, _ in problems_between(made)]

    assert ["cache.stale_if_error"] == blamed(Cache(stale_if_error=30.0), routes=(strict,))
    assert ["cache.stale_if_error"] == blamed(Cache(stale_if_error=30.0))
    assert ["routes[1].allow_stale"] == blamed(Cache(), routes=(lenient, strict))
    assert ["policy.allow_stale"] == blamed(Cache(), Policy(allow_stale=True))
    assert [] == blamed(Cache(stale_if_error=30.0), routes=(lenient, strict))
    assert [] == blamed(Cache(stale_if_error=30.0), Policy(allow_stale=True))
    of_policy = blamed(Cache(stale_if_error=30.0), Policy(allow_stale=True), routes=(strict,))
    assert ["cache.stale_if_error"] == of_policy  # what no rule is for is refused, so nothing would be stale


def test_what_cant_be_meant_on_aws_is_told_of_settings_that_nobody_has_read_from_a_file():
    """Settings that an application makes by itself have no origins."""
    told_ = told(aws=Aws(keys="https://as.example/jwks"))
    assert "keep one" in told_["aws.keys"]


@pytest.mark.parametrize("name", ["split_tokens.listen", "revocation.listen"])
def test_an_agent_listens_where_nobody_else_does(name):
    both = {
        "agent": Agent(listen="127.0.0.1:9099"),
        "issuers": (IssuerRule(name="a", issuer="https://as.example", mode="split"),),
        "split_tokens": SplitTokens(listen="127.0.0.1:9099" if "split" in name else "127.0.0.1:9092"),
        "revocation": Revocation(secret="env:S", listen="127.0.0.1:9099" if "revo" in name else "127.0.0.1:9093"),
    }
    assert f"is the address of {name} too; choose another" == told(**both)["agent.listen"]
