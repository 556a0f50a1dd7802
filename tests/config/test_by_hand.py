"""Settings that an application makes by itself are held to what a file's are held to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phantomgate.config.by_hand import problems_by_hand
from phantomgate.config.loading import Sources, load
from phantomgate.config.settings import (
    Cache,
    ForwardRule,
    Introspection,
    IssuerRule,
    Policy,
    RouteRule,
    Serve,
    Settings,
)
from phantomgate.config.wiring import wire
from phantomgate.core.errors import SettingsError

GOOD = Settings(
    introspection=Introspection(endpoint="https://as.example/", client_id="gateway", client_secret="env:SECRET")
)
ENVIRON = {"SECRET": "canary-3f1d"}


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        ({"policy": Policy(audiences="api")}, "policy.audiences", 'is "api"; want a tuple'),
        ({"policy": Policy(scopes=["read"])}, "policy.scopes", "is a list; want a tuple"),
        ({"policy": Policy(scope_strategy="hierarchical")}, "policy.scope_strategy", '"hierarchic"'),
        ({"policy": Policy(clock_skew="5s")}, "policy.clock_skew", "want seconds"),
        ({"introspection": replace(GOOD.introspection, answer="Signed")}, "introspection.answer", '"signed"'),
        ({"introspection": replace(GOOD.introspection, verify="Signature")}, "introspection.verify", '"signature"'),
        ({"introspection": replace(GOOD.introspection, client_secret="canary-3f1d")}, "introspection.client_secret",
         "is not a reference"),
        ({"routes": (RouteRule(path="/a", methods="GET"),)}, "routes[1].methods", "want a tuple"),
        ({"routes": (RouteRule(path="/a", methods=("get",)),)}, "routes[1].methods", "in capitals"),
        ({"issuers": (IssuerRule(name="a", issuer="https://a.example", mode="Verify"),)}, "issuers[1].mode",
         '"verify"'),
        ({"serve": Serve(trusted_proxies=("0.0.0.0/0",))}, "serve.trusted_proxies", "covers every address"),
        ({"forward": ForwardRule(claims={"Authorization": "sub"})}, "forward.claims", "a meaning of its own"),
        ({"cache": Cache(downstream="false")}, "cache.downstream", "want true or false"),
    ],
)  # fmt: skip
def test_what_no_file_could_say_is_refused_before_anything_is_decided(changes, name, says):
    with pytest.raises(SettingsError) as no:
        wire(replace(GOOD, **changes), environ=ENVIRON)
    [problem] = no.value.problems

    assert (name, "made by hand") == (problem.setting, problem.origin)
    assert says in problem.message
    assert "canary" not in str(no.value)


def test_good_ones_are_good():
    assert [] == problems_by_hand(GOOD)
    assert [] == problems_by_hand(Settings())
    wire(GOOD, environ=ENVIRON)


def test_what_a_file_says_is_what_a_hand_may():
    text = """\
[introspection]
endpoint = "https://as.example/"
client_id = "gateway"
client_secret = "env:SECRET"
[aws]
cache_ttl = "unknown"
[serve]
max_header_bytes = "32KiB"
trusted_proxies = ["10.0.0.0/8"]
[forward]
claims = { "X-User" = "sub" }
[[issuers]]
name = "main"
issuer = "https://as.example"
audiences = ["api"]
algorithms = ["RS256"]
jwks = { keys = [] }
[[routes]]
path = "/orders/**"
methods = ["GET"]
"""
    from phantomgate.config.loading import draft

    settings, _ = draft(Sources(text, "t", {}))
    assert [] == problems_by_hand(settings)
    assert load(Sources(text.partition("[[issuers]]")[0], "t", {})).origins
