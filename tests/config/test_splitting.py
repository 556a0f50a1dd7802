"""[split_tokens] end to end, and every problem in its settings."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from hashlib import sha256

import pytest

from issuing import ISS, jwk, signed
from phantomgate.backends.memory import MemoryCache
from phantomgate.config.checks import problems_between
from phantomgate.config.referred import unmet
from phantomgate.config.settings import Introspection, IssuerRule, Policy, Serve, Settings, SplitTokens
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason, SettingsError
from phantomgate.core.model import Allow, Headers, Request
from phantomgate.servers.pushes import Pushes, receiving
from phantomgate.testing import FakeHttp, reply
from tokens import NOW

SECRET = "canary-push-secret-77"
ENVIRON = {"PUSH": SECRET, "SHORT": "canary-short", "SECRET": "s3cret"}


@pytest.fixture(scope="module")
def settings():
    keys = json.dumps({"keys": [jwk("k1")]})
    issuer = IssuerRule("main", ISS, "split", audiences=("api",), algorithms=("ES256",), jwks=keys)
    return Settings(
        issuers=(issuer,), policy=Policy(scopes=("read",)), split_tokens=SplitTokens("env:PUSH", "127.0.0.1:0")
    )


@pytest.fixture
def gate(clock, settings):
    def make(changed=settings, http=None):
        return wire(changed, environ=ENVIRON, write=print, now=clock.now, ticks=clock.ticks, http=http or FakeHttp([]))

    return make


def decide(drive, made, token):
    return drive(made.gateway.decide(Request("GET", "/", Headers.of([("Authorization", f"Bearer {token}")]))))


def push(drive, made, token, seconds=3600.0):
    half, _, signature = token.rpartition(".")
    drive(made.halves.put(sha256(signature.encode()).digest(), half.encode(), seconds))
    return signature


def test_a_signature_is_let_in_and_the_whole_jwt_goes_upstream(drive, gate):
    made, token = gate(), signed()
    signature = push(drive, made, token)

    decision = decide(drive, made, signature)

    assert isinstance(decision, Allow)
    assert dict(decision.upstream.set) == {"Authorization": f"Bearer {token}"}
    assert decision.lifetime(NOW, made.ticks()) == 300
    assert made.metrics.snapshot()["cache"]["split"] == {"hit": 1, "miss": 0, "negative": 0}


@pytest.mark.parametrize("known", [True, False])
def test_the_whole_jwt_is_not_what_a_client_holds(drive, gate, known):
    made, token = gate(), signed()
    if known:
        push(drive, made, token)

    assert decide(drive, made, token).reason is Reason.INACTIVE


def test_policies_judge_what_was_verified(drive, gate):
    made = gate()

    assert decide(drive, made, push(drive, made, signed(scope="write"))).reason is Reason.INSUFFICIENT_SCOPE
    assert decide(drive, made, push(drive, made, signed(aud="other"))).reason is Reason.WRONG_AUDIENCE
    assert decide(drive, made, push(drive, made, signed("k2"))).reason is Reason.INVALID_TOKEN


def test_what_is_not_held_may_be_another_issuers(drive, gate, settings):
    asked = Introspection("https://two.example/introspect", "gateway", "env:SECRET")
    two = IssuerRule("two", "https://two.example", "introspect", introspection=asked)
    made = gate(replace(settings, issuers=(*settings.issuers, two)), FakeHttp(reply(204)))

    assert decide(drive, made, "a" * 86).reason is Reason.INACTIVE
    assert decide(drive, made, push(drive, made, signed())).token.issuer == "main"


def test_the_bounds_are_those_of_the_settings(gate, settings, drive):
    made = gate(replace(settings, split_tokens=replace(settings.split_tokens, max_entries=2)))
    tokens = [signed(jti=str(number)) for number in range(4)]
    for token in tokens:
        push(drive, made, token)

    assert [type(decide(drive, made, token.rpartition(".")[2])) for token in tokens].count(Allow) <= 2
    assert isinstance(decide(drive, made, tokens[-1].rpartition(".")[2]), Allow)


def problems(settings, **changed):
    return [name for name, _ in problems_between(replace(settings, **changed))]


def test_good_settings_have_no_problem(settings):
    assert problems(settings) == []
    assert unmet(settings, ENVIRON) == []


@pytest.mark.parametrize(
    ("changed", "blamed"),
    [
        ({"split_tokens": SplitTokens()}, "split_tokens.secret"),
        ({"serve": Serve(workers=2)}, "serve.workers"),
        ({"serve": Serve(manage="127.0.0.1:9095"), "split_tokens": SplitTokens("env:PUSH", "127.0.0.1:9095")},
         "split_tokens.listen"),
        ({"split_tokens": SplitTokens("env:PUSH", "127.0.0.1:9090")}, "split_tokens.listen"),
    ],
)  # fmt: skip
def test_what_would_refuse_good_tokens_or_open_a_door_is_a_problem(settings, changed, blamed):
    assert problems(settings, **changed) == [blamed]


def test_several_workers_are_told_why_not(settings):
    [(_, text)] = problems_between(replace(settings, serve=Serve(workers=4)))

    assert "a memory of its own" in text
    assert "workers = 1" in text


def test_a_listener_that_nobody_needs_is_a_problem(settings):
    verify = tuple(replace(one, mode="verify") for one in settings.issuers)

    assert problems(settings, issuers=verify) == ["split_tokens.secret"]


def test_an_issuer_that_splits_is_verified_so_it_needs_what_verifying_needs(settings):
    poor = tuple(replace(one, audiences=(), algorithms=()) for one in settings.issuers)

    assert problems(settings, issuers=poor) == ["issuers[1].audiences", "issuers[1].algorithms"]


def test_an_issuer_that_splits_is_never_asked(settings):
    asked = Introspection("https://as.example/introspect", "gateway", "env:SECRET")
    odd = tuple(replace(one, introspection=asked) for one in settings.issuers)

    assert problems(settings, issuers=odd) == ["issuers[1].introspection"]


@pytest.mark.parametrize("reference", ["env:MISSING", "env:SHORT", "file:/nowhere/x"])
def test_a_secret_that_is_missing_or_short_stops_us_and_is_never_shown(settings, reference):
    changed = replace(settings, split_tokens=replace(settings.split_tokens, secret=reference))
    [problem] = unmet(changed, ENVIRON)

    assert problem.setting == "split_tokens.secret"
    assert "canary" not in problem.message
    with pytest.raises(SettingsError):
        wire(changed, environ=ENVIRON)


def test_the_secret_never_prints(gate):
    assert SECRET not in repr(gate())


def test_an_address_that_can_not_be_had_is_a_settings_problem(settings, clock):
    taken = replace(settings, split_tokens=replace(settings.split_tokens, listen="192.0.2.1:1"))
    into = Pushes(MemoryCache(max_entries=1, max_bytes=1 << 16, ticks=clock.ticks), SECRET, clock.now)

    with pytest.raises(SettingsError, match="where we can't listen"):
        asyncio.run(receiving(into, taken))
