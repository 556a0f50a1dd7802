"""[mint] end to end: JSON in, a JWT of ours upstream that other verifiers accept, and every problem with a key."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from joserfc.jwk import ECKey, OKPKey

from phantomgate.backends.blocking import finish
from phantomgate.config.checks import problems_between
from phantomgate.config.loading import Sources, draft, load
from phantomgate.config.referred import unmet
from phantomgate.config.settings import Introspection, Mint, Policy, RouteRule, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason, SettingsError
from phantomgate.core.model import Headers, Request
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import RFC_9068, access_token_rules
from phantomgate.oauth.published import KEYS_PATH
from phantomgate.testing import FakeHttp, reply
from tokens import NOW

NEW, OLD = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
ENVIRON = {
    "SECRET": "s3cret",
    "NEW": NEW.as_pem(private=True).decode(),
    "OLD": json.dumps(OLD.as_dict(private=False)),
    "JUNK": "canary-7f",
}
MINT = Mint(keys=("env:NEW", "env:OLD"), issuer="https://gateway.example", audience="orders", claims=("tenant",))
SETTINGS = Settings(
    introspection=Introspection("https://as.example/", "gateway", "env:SECRET", answer="json"),
    policy=Policy(scopes=("read",), audiences=("as",)),
    mint=MINT,
)
FACTS = {"active": True, "sub": "ann", "client_id": "spa", "scope": "read x", "aud": "as", "tenant": "t1", "email": "e"}


def decide(clock, settings=SETTINGS, path="/", times=1, **facts):
    made = wire(settings, environ=ENVIRON, write=print, now=clock.now, ticks=clock.ticks)
    made.introspect.http = FakeHttp(reply(200, json.dumps({**FACTS, **facts}), content_type="application/json"))
    asked = [Headers.of([("Authorization", "Bearer t0ken")]) for _ in range(times)]
    decisions = [finish(made.gateway.decide(Request("GET", path, headers))) for headers in asked]
    assert len(made.introspect.http.calls) == 1
    return made, decisions


@pytest.mark.parametrize("exp", [NOW + 60, NOW + 60.75])
def test_json_in_and_an_access_token_of_ours_out(clock, exp):
    made, [decision] = decide(clock, exp=exp)

    keys = read_key_set(made.published[KEYS_PATH].body, ["ES256", "EdDSA"])
    rules = access_token_rules("https://gateway.example", ["orders"], required=RFC_9068)
    header, claims = verify(decision.upstream.jwt, keys, rules, NOW)
    assert header == {"alg": "ES256", "kid": NEW.thumbprint(), "typ": "at+jwt"}
    assert set(claims) == {"iss", "aud", "sub", "client_id", "scope", "jti", "iat", "exp", "tenant"}
    assert (claims["sub"], claims["tenant"], claims["scope"], claims["exp"]) == ("ann", "t1", "read x", NOW + 60)
    assert decision.lifetime(NOW, clock.ticks()) == 60


def test_what_the_memory_gives_back_is_minted_once(clock):
    _, decisions = decide(clock, times=3)

    assert len({decision.upstream.jwt for decision in decisions}) <= 2  # the first came from the network
    assert decisions[1].upstream is decisions[2].upstream


def test_the_servers_facts_are_judged_and_not_our_claims(clock):
    _, [decision] = decide(clock, scope="x")
    assert decision.reason is Reason.INSUFFICIENT_SCOPE
    _, [decision] = decide(clock, aud="orders")
    assert decision.reason is Reason.WRONG_AUDIENCE
    _, [decision] = decide(clock, exp=NOW)
    assert decision.reason is Reason.EXPIRED


def test_a_route_has_its_own_upstream_audience(clock):
    routes = (RouteRule("/stock/**", upstream_audience="stock"), RouteRule("/**"))
    made, [decision] = decide(clock, replace(SETTINGS, routes=routes), path="/stock/7")
    keys = read_key_set(made.published[KEYS_PATH].body, ["ES256", "EdDSA"])

    assert verify(decision.upstream.jwt, keys, access_token_rules(MINT.issuer, ["stock"]), NOW).claims["aud"] == "stock"


def test_every_key_is_published_and_the_first_signs(clock):
    made, _ = decide(clock)
    assert [key["kid"] for key in json.loads(made.published[KEYS_PATH].body)["keys"]] == [
        NEW.thumbprint(),
        OLD.thumbprint(),
    ]


def test_without_keys_facts_without_a_jwt_are_no_answer(clock):
    made, [decision] = decide(clock, replace(SETTINGS, mint=Mint()))
    assert (decision.reason, made.published) == (Reason.BAD_ANSWER, {})


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (("env:MISSING",), "item 1 refers to the variable MISSING, which is not set"),
        (("env:JUNK",), "item 1 refers to the variable JUNK, which holds no key that can be read"),
        (("env:OLD",), "item 1 refers to the variable OLD, which holds a public key, which can't sign"),
        (("env:NEW", "env:NEW"), "item 2 refers to the variable NEW, which holds the same key"),
        (("file:/nowhere/x.pem",), "item 1 refers to the file '/nowhere/x.pem', which can't be read"),
    ],
)
def test_a_key_that_can_not_be_used_stops_us_and_is_never_shown(keys, text):
    settings = replace(SETTINGS, mint=replace(MINT, keys=keys))
    [problem] = unmet(settings, ENVIRON)
    assert problem.setting == "mint.keys"
    assert text in problem.message
    assert "canary" not in problem.message
    with pytest.raises(SettingsError):
        wire(settings, environ=ENVIRON)


@pytest.mark.parametrize(
    ("mint", "blamed"),
    [
        (Mint(issuer="https://gateway.example"), ["mint.keys"]),
        (Mint(keys=("env:NEW",)), ["mint.issuer", "mint.audience"]),
        (replace(MINT, issuer="https://as.example"), ["mint.issuer"]),
        (MINT, []),
        (Mint(), []),
    ],
)
def test_mint_settings_are_whole_or_absent(mint, blamed):
    introspection = replace(SETTINGS.introspection, issuer="https://as.example")
    found = problems_between(replace(SETTINGS, introspection=introspection, mint=mint))
    assert [name for name, _ in found] == blamed


def test_an_audience_for_a_token_that_nobody_makes_is_a_problem():
    settings = replace(SETTINGS, mint=Mint(), routes=(RouteRule("/a", upstream_audience="stock"),))
    assert [name for name, _ in problems_between(settings)] == ["routes[1].upstream_audience"]


def test_claims_of_ours_can_not_be_copied():
    toml = '[mint]\nclaims = ["tenant", "exp"]\n'
    assert 'item 2 is "exp", which is said by us' in str(draft(Sources(toml, "f", {}))[1])


def test_the_section_is_read_from_a_file():
    toml = """
        [introspection]
        endpoint = "https://as.example/introspect"
        client_id = "gateway"
        client_secret = "env:SECRET"
        [mint]
        keys = ["file:/etc/phantomgate/mint.pem"]
        issuer = "https://gateway.example"
        audience = "orders"
        max_age = "1m"
        subject = "username"
        """
    assert load(Sources(toml, "f", {})).mint == Mint(
        ("file:/etc/phantomgate/mint.pem",), "https://gateway.example", "orders", 60.0, (), "username"
    )
