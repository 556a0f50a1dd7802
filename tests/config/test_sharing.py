"""[redis]: every problem in its settings, what `check` says of the store, and nothing imported without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phantomgate.config.advice import warnings
from phantomgate.config.checks import problems_between
from phantomgate.config.referred import unmet
from phantomgate.config.revoking import revocation_secret
from phantomgate.config.settings import Introspection, IssuerRule, Redis, Revocation, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import SettingsError
from processes import python

GOOD = Redis(("127.0.0.1:6379",), secret="env:SHARED")
ENVIRON = {"CLIENT": "s3cret", "SHARED": "x" * 32, "SHORT": "canary-short"}
SETTINGS = Settings(
    introspection=Introspection("https://as.example/i", client_id="gate", client_secret="env:CLIENT"), redis=GOOD
)


def problems(redis):
    return dict(problems_between(replace(SETTINGS, redis=redis)))


def test_good_settings_have_no_problems():
    for redis in (
        GOOD,
        Redis(),
        replace(GOOD, nodes=("unix:/run/r.sock",)),
        replace(GOOD, mode="sentinel", nodes=("a:1", "b:2"), master="m", tls=True),
        replace(GOOD, mode="cluster", nodes=("a:1", "b:2"), tls=True, ca_file="/ca.pem"),
    ):
        assert {} == problems(redis)


@pytest.mark.parametrize(
    ("redis", "setting", "text"),
    [
        (Redis(secret="env:SHARED"), "redis.nodes", "nothing would be shared"),
        (replace(GOOD, nodes=("a:1", "b:1")), "redis.nodes", 'are 2 with mode = "single"'),
        (replace(GOOD, nodes=("unix:/r",), mode="cluster"), "redis.nodes", "holds a unix socket"),
        (replace(GOOD, secret=""), "redis.secret", "is missing"),
        (replace(GOOD, mode="sentinel"), "redis.master", "is missing"),
        (replace(GOOD, master="m"), "redis.master", "leave it out"),
        (replace(GOOD, mode="cluster", database=1), "redis.database", "no other database than 0"),
        (replace(GOOD, ca_file="/ca.pem"), "redis.ca_file", "without tls = true"),
    ],
)
def test_each_problem_is_said_with_its_remedy(redis, setting, text):
    found = problems(redis)
    assert [setting] == list(found)
    assert text in found[setting]


@pytest.mark.parametrize("name", ["secret", "password", "sentinel_password"])
def test_secrets_must_be_there(name):
    settings = replace(SETTINGS, redis=replace(GOOD, **{name: "env:GONE"}))
    (problem,) = unmet(settings, ENVIRON)
    assert f"redis.{name}" == problem.setting
    with pytest.raises(SettingsError, match="GONE"):
        wire(settings, environ=ENVIRON)


@pytest.mark.parametrize("short", [{"secret": "env:SHORT"}, {"other_secrets": ("env:SHORT",)}])
def test_a_short_secret_is_refused_and_not_told(short):
    (problem,) = unmet(replace(SETTINGS, redis=replace(GOOD, **short)), ENVIRON)
    assert f"redis.{next(iter(short))}" == problem.setting
    assert "shorter than 32 characters" in problem.message
    assert "canary" not in problem.message


def test_a_password_in_the_clear_is_warned_about():
    far = [one.setting for one in warnings(replace(SETTINGS, redis=replace(GOOD, nodes=("10.0.0.7:6379",))))]
    near = [one.setting for one in warnings(SETTINGS)]
    assert ("redis.tls" in far, "redis.tls" in near) == (True, False)


def test_without_it_nothing_of_it_is_imported():
    code = """
import sys
from phantomgate.config.settings import Introspection, Settings
from phantomgate.config.wiring import wire
asked = Introspection("https://as.example/i", client_id="g", client_secret="env:C")
wire(Settings(introspection=asked), environ={"C": "s"})
print(sorted(name for name in sys.modules if "redis" in name or name.endswith((".sharing", ".shared", ".sealed"))))
"""
    assert "[]\n" == python("-c", code).stdout


ISSUER = replace(SETTINGS, introspection=replace(SETTINGS.introspection, endpoint="", issuer="https://as.example"))


@pytest.mark.parametrize(
    ("settings", "revocation", "setting", "text"),
    [
        (SETTINGS, Revocation(keep=1.0), "revocation.secret", "nobody could tell us anything"),
        (SETTINGS, Revocation("env:SHARED", ("gate",)), "revocation.audiences", "needs an issuer"),
        (ISSUER, Revocation("env:SHARED", listen="127.0.0.1:9091"), "revocation.listen", "another listener"),
        (ISSUER, Revocation("env:SHARED", ("gate",)), "", ""),
        (SETTINGS, Revocation("env:SHARED"), "", ""),
    ],
)
def test_each_problem_of_revocation_is_said_with_its_remedy(settings, revocation, setting, text):
    found = dict(problems_between(replace(settings, redis=Redis(), revocation=revocation)))
    assert ([setting] if setting else []) == list(found)
    assert text in found.get(setting, "")


def test_the_secret_of_purge_calls_is_read_or_told():
    assert ("x" * 32, []) == revocation_secret(replace(SETTINGS, revocation=Revocation("env:SHARED")), ENVIRON)
    for name, text in (("SHORT", "shorter than 32"), ("GONE", "is not set")):
        secret, (problem,) = revocation_secret(replace(SETTINGS, revocation=Revocation(f"env:{name}")), ENVIRON)
        assert ("", "revocation.secret") == (secret, problem.setting)
        assert text in problem.message


def test_what_is_done_before_purges_were_heard_needs_a_store_to_hear_them_from_and_nothing_else():
    refusing = replace(SETTINGS, revocation=Revocation(unheard="refuse"))
    assert {} == dict(problems_between(refusing))
    assert ["revocation.unheard"] == [name for name, _ in problems_between(replace(refusing, redis=Redis()))]


def test_jwts_that_a_machine_might_let_in_unheard_are_worth_a_thought():
    verified = IssuerRule(name="main", issuer="https://as.example", audiences=("api",), mode="verify")
    thoughtless = replace(SETTINGS, issuers=(verified,), revocation=Revocation("env:PURGE"))
    assert ["revocation.unheard"] == [one.setting for one in warnings(thoughtless) if "unheard" in one.setting]
    for careful in (
        replace(thoughtless, revocation=Revocation("env:PURGE", unheard="refuse")),
        replace(thoughtless, issuers=(replace(verified, mode="introspect"),)),
        replace(thoughtless, redis=Redis()),
        replace(thoughtless, revocation=Revocation()),
    ):
        assert [] == [one.setting for one in warnings(careful) if "unheard" in one.setting]
