"""[session] end to end: cookies in, a JWT upstream; and every problem with it, each with its place and its remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from phantomgate.backends.blocking import finish
from phantomgate.config.advice import warnings
from phantomgate.config.checks import problems_between
from phantomgate.config.loading import Sources, draft, load
from phantomgate.config.referred import unmet
from phantomgate.config.session import cookie_names, sealed_for
from phantomgate.config.settings import ForwardRule, Introspection, IssuerRule, Policy, Session, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Reason, SettingsError
from phantomgate.core.model import Allow, Answer, Headers, Request
from phantomgate.session.csrf import SessionToken, seal_token
from phantomgate.testing import FakeHttp, reply
from sealed import KEY, OLD_KEY, Numbered, ring
from tokens import NOW, jwt

GUIDES = Path(__file__).parents[2] / "docs" / "how-to"
ASKED = """
[introspection]
endpoint = "https://as.example/i"
client_id = "gateway"
client_secret = "env:SECRET"
"""
ORIGIN = "https://www.example.com"
ENVIRON = {"SECRET": "s3cret", "KEY": KEY, "OLD": OLD_KEY}
SESSION = Session(keys=("env:KEY", "env:OLD"), trusted_web_origins=(ORIGIN,), cookie_prefix="example", cors=True)
SETTINGS = Settings(
    introspection=Introspection("https://as.example/i", "gateway", "env:SECRET", issuer="https://as.example"),
    policy=Policy(scopes=("read",)),
    session=SESSION,
)


def cookie(settings=SETTINGS, keys=(KEY,), value="opaque"):
    names = cookie_names(settings)
    token = SessionToken(b"s" * 16, value)
    sealed = seal_token(ring(*keys), names.at, sealed_for(settings), token, random=Numbered())
    return ("cookie", f"a=1; {names.at}={sealed}")


def decide(clock, *fields, settings=SETTINGS, method="GET", answerable=False):
    made = wire(settings, environ=ENVIRON, write=print, now=clock.now, ticks=clock.ticks)
    token = jwt(exp=NOW + 60, scope="read", iss="https://as.example")
    made.introspect.http = FakeHttp(reply(200, token, content_type="application/jwt"))
    headers = Headers.of([("origin", ORIGIN), *fields])
    return finish(made.gateway.decide(Request(method, "/", headers, answerable=answerable)))


@pytest.mark.parametrize("keys", [(KEY,), (OLD_KEY,)])
def test_a_session_is_let_in_by_each_key_and_its_cookies_end_here(clock, keys):
    fields = cookie(keys=keys)
    decision = decide(clock, fields)

    assert isinstance(decision, Allow)
    assert decision.upstream.cookies(Headers.of([fields])) == b"a=1"
    assert decision.upstream.drops("X-Example-Csrf")
    assert decision.lifetime(clock.now(), clock.ticks()) == 0
    assert ("Access-Control-Allow-Origin", ORIGIN) in decision.client


def test_several_cookie_fields_are_one(clock):
    decision = decide(clock, cookie(), ("cookie", "b=2"))

    assert decision.upstream.cookies(Headers.of([cookie(), ("cookie", "b=2")])) == b"a=1; b=2"


def test_a_token_of_a_session_is_judged_as_any_other(clock):
    decision = decide(clock, cookie(), settings=replace(SETTINGS, policy=Policy(scopes=("write",))))

    assert decision.reason is Reason.INSUFFICIENT_SCOPE


def test_a_preflight_is_answered_with_the_csrf_header_among_what_pages_may_send(clock):
    decision = decide(clock, ("access-control-request-method", "POST"), method="OPTIONS", answerable=True)

    assert isinstance(decision, Answer)
    assert ("Access-Control-Allow-Headers", "Accept, Content-Type, x-example-csrf") in decision.headers
    assert ("Access-Control-Max-Age", "3600") in decision.headers


def test_without_cors_and_without_a_session_pages_are_told_nothing(clock):
    assert decide(clock, cookie(), settings=replace(SETTINGS, session=replace(SESSION, cors=False))).client == ()
    none = decide(clock, ("authorization", "Bearer x"), settings=replace(SETTINGS, session=Session()))
    assert none.client == ()
    assert none.upstream.cookies is None
    assert not none.upstream.drops("x-example-csrf")


def test_whom_cookies_are_sealed_for_is_said_or_found():
    one = IssuerRule(name="a", issuer="https://issuer")
    asked = SETTINGS.introspection

    assert sealed_for(replace(SETTINGS, session=replace(SESSION, issuer="https://said"))) == "https://said"
    assert sealed_for(SETTINGS) == "https://as.example"
    assert sealed_for(replace(SETTINGS, introspection=replace(asked, issuer=""))) == "https://as.example/i"
    assert sealed_for(replace(SETTINGS, introspection=Introspection(), issuers=(one,))) == "https://issuer"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "empty"),
        ("password-7f", "64 hexadecimal"),
        ("0" * 64, "repeats itself"),
        (KEY, "twice"),
        ("4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50", "an example"),
    ],
)
def test_a_key_that_can_not_be_used_stops_us_and_is_never_shown(key, text):
    environ = {**ENVIRON, "OLD": key}
    with pytest.raises(SettingsError) as no:
        wire(SETTINGS, environ=environ)

    [problem] = no.value.problems
    assert problem == unmet(SETTINGS, environ)[0]
    assert (problem.setting, problem.message.startswith("item 2 refers to the variable OLD")) == ("session.keys", True)
    assert text in problem.message
    assert not key or key not in problem.message


def test_every_key_that_is_not_there_is_said():
    said = [problem.message for problem in unmet(SETTINGS, {"SECRET": "s"})]

    assert ["item 1 refers", "item 2 refers"] == [text[:13] for text in said]


@pytest.mark.parametrize(
    ("session", "blamed"),
    [
        (Session(), set()),
        (SESSION, set()),
        (Session(cors=True), {"session.keys"}),
        (Session(trusted_web_origins=(ORIGIN,)), {"session.keys"}),
        (Session(keys=("env:KEY",)), {"session.trusted_web_origins"}),
        (replace(SESSION, cookie_prefix="Own"), {"session.cookie_prefix"}),
        (replace(SESSION, host_prefix=False, cookie_domain="example.com"), set()),
    ],
)
def test_a_session_is_whole_or_absent(session, blamed):
    settings = replace(SETTINGS, session=session, forward=ForwardRule({"X_Own_CSRF": "sub"}))

    assert {name for name, _ in problems_between(settings)} == blamed


@pytest.mark.parametrize(
    ("change", "blamed"),
    [
        ({}, set()),
        ({"host_prefix": False}, {"session.host_prefix"}),
        ({"cookie_domain": "example.com"}, {"session.cookie_domain"}),
        ({"trusted_web_origins": ("http://www.example.com", "http://127.0.0.1:3000")}, {"session.trusted_web_origins"}),
        ({"allow_cross_site": True}, {"session.allow_cross_site"}),
    ],
)
def test_what_makes_a_session_less_safe_is_warned_about(change, blamed):
    settings = replace(SETTINGS, session=replace(SESSION, **change))

    assert {problem.setting for problem in warnings(settings)} == blamed


@pytest.mark.parametrize(
    "origin",
    [
        "https://www.example.com", "http://localhost:3000", "https://www.example.com:8443", "http://[::1]:8080",
        "https://a_b.example.com",
    ],
)  # fmt: skip
def test_origins_are_written_as_browsers_write_them(origin):
    assert load(Sources(text(origin), "t", {})).session.trusted_web_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "www.example.com", "https://www.example.com/", "https://WWW.example.com", "HTTPS://www.example.com", "*",
        "null", "https://*.example.com", "https://www.example.com:443", "http://www.example.com:80", "https://www.example.com:0",
        "https://www.example.com:65536", "https://user@www.example.com", "https://www.example.com?x", "", "https://",
        "ftp://www.example.com", "https://www.example.com:", "https://www.example.com\\n", "https://bücher.example",
    ],
)  # fmt: skip
def test_what_no_browser_sends_as_an_origin_is_refused(origin):
    _, problems = draft(Sources(text(origin), "t", {}))

    assert ["session.trusted_web_origins"] == [problem.setting for problem in problems]
    assert "which no browser sends as Origin" in problems[0].message
    assert "user" not in problems[0].message.replace("a user name", "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cookie_prefix", "my_app"),
        ("cookie_prefix", "_app"),
        ("cookie_prefix", "my.app"),
        ("cookie_prefix", ""),
        ("cookie_prefix", "-x"),
        ("cookie_prefix", "__Host-x"),
        ("cookie_prefix", "a;b"),
        ("cookie_domain", ".example.com"),
        ("cookie_domain", "example.com; Secure"),
        ("cors_headers", ["*"]),
        ("cors_expose", ["a b"]),
        ("cors_methods", ["get"]),
        ("cors_max_age", "2d"),
        ("keys", ["5f1c"]),
    ],
)
def test_values_that_a_browser_would_not_take_or_take_otherwise_are_refused(key, value):
    _, problems = draft(Sources(text(ORIGIN, f"{key} = {value!r}"), "t", {}))

    assert [f"session.{key}"] == [problem.setting for problem in problems]


def text(origin, more=""):
    keys = "" if more.startswith("keys") else 'keys = ["env:KEY"]'
    return f"""{ASKED}
[session]
{keys}
trusted_web_origins = ["{origin}"]
{more}
"""


@pytest.mark.parametrize(
    ("guide", "warned"), [("browser-sessions", set()), ("moving-from-an-oauth-proxy", {"session.host_prefix"})]
)
def test_the_settings_of_the_guides_are_good(guide, warned):
    written = (GUIDES / f"{guide}.md").read_text().split("```toml\n")[1].split("```")[0]
    settings, problems = draft(Sources(written if "[introspection]" in written else ASKED + written, guide, {}))

    assert [] == problems
    assert warned == {problem.setting for problem in warnings(settings) if problem.setting.startswith("session")}
