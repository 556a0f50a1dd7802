"""How we show who we are: each method in the call that goes out, each mistake at start."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from certificates import Authority
from phantomgate.backends.blocking import finish
from phantomgate.config.checks import problems_between
from phantomgate.config.referred import unmet
from phantomgate.config.settings import Introspection, Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Headers, Request
from phantomgate.testing import FakeHttp, reply
from tokens import NOW
from tokens import jwt as a_jwt

KEY = ECKey.generate_key("P-256")
SECRET = "s3cret-of-at-least-thirty-two-bytes"
ENVIRON = {"SECRET": SECRET, "ODD": "Pa$$w0rd1!+%", "SHORT": "canary-9", "KEY": KEY.as_pem(private=True).decode()}
INTROSPECTION = Introspection("https://as.example/introspect", "gateway", "env:SECRET")
KEYED = replace(INTROSPECTION, client_auth="private_key_jwt", client_secret="", client_key="env:KEY")


def sent(clock, introspection, times=1):
    """The calls of *times* decisions about tokens that are new each time."""
    made = wire(Settings(introspection=introspection), environ=ENVIRON, write=print, now=clock.now, ticks=clock.ticks)
    http = made.introspect.http = FakeHttp(reply(200, a_jwt(), content_type="application/jwt"))
    for number in range(times):
        asked = Headers.of([("Authorization", f"Bearer t{number}")])
        finish(made.gateway.decide(Request("GET", "/", asked)))
    return [({name: value[0] for name, value in parse_qs(call.body.decode()).items()}, call) for call in http.calls]


@pytest.mark.parametrize(
    ("introspection", "key", "header"),
    [
        (KEYED, KEY, {"alg": "ES256", "kid": KEY.thumbprint()}),
        (replace(INTROSPECTION, client_auth="client_secret_jwt"), OctKey.import_key(SECRET), {"alg": "HS256"}),
    ],
    ids=["private_key_jwt", "client_secret_jwt"],
)
def test_an_assertion_is_signed_for_every_call_anew(clock, introspection, key, header):
    (first, call), (second, _) = sent(clock, introspection, 2)

    assert first["client_id"] == "gateway"
    assert first["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert not any(name == "Authorization" for name, _ in call.headers)
    assert "client_secret" not in first
    one, two = (jwt.decode(form["client_assertion"], key, algorithms=[header["alg"]]) for form in (first, second))
    assert one.header == {**header, "typ": "client-authentication+jwt"}
    assert one.claims == {
        "iss": "gateway",
        "sub": "gateway",
        "aud": "https://as.example/introspect",
        "iat": NOW,
        "exp": NOW + 60,
        "jti": one.claims["jti"],
    }
    assert len(one.claims["jti"]) >= 32
    assert one.claims["jti"] != two.claims["jti"]


@pytest.mark.parametrize(
    ("more", "audience"),
    [
        ({"issuer": "https://as.example"}, "https://as.example"),
        (
            {"issuer": "https://as.example", "assertion_audience": "https://as.example/token"},
            "https://as.example/token",
        ),
    ],
)
def test_whom_an_assertion_is_for(clock, more, audience):
    [(form, _)] = sent(clock, replace(KEYED, **more))
    assert jwt.decode(form["client_assertion"], KEY, algorithms=["ES256"]).claims["aud"] == audience


def test_a_secret_for_a_server_that_does_not_decode_it(clock):
    [(_, call)] = sent(clock, replace(INTROSPECTION, client_auth="basic_raw", client_secret="env:ODD"))
    assert f"Basic {b64encode(b'gateway:Pa$$w0rd1!+%').decode()}" == dict(call.headers)["Authorization"]


def test_a_name_with_a_colon_is_shown_encoded_or_not_at_all():
    named = replace(INTROSPECTION, client_id="https://gateway.example")
    assert [] == list(problems_between(Settings(introspection=named)))
    raw = problems_between(Settings(introspection=replace(named, client_auth="basic_raw")))
    assert ["introspection.client_id"] == [name for name, _ in raw]


def test_a_bearer_token_of_our_own(clock):
    [(form, call)] = sent(clock, replace(INTROSPECTION, client_auth="bearer"))
    assert ("Authorization", f"Bearer {SECRET}") in call.headers
    assert "client_id" not in form


def test_a_certificate_alone(clock, tmp_path):
    ours = str(Authority(tmp_path).issue("gateway"))
    tls = replace(INTROSPECTION, client_auth="tls_client_auth", client_secret="", client_certificate_file=ours)
    assert unmet(Settings(introspection=tls), {}) == []
    [(form, call)] = sent(clock, tls)
    assert (form["client_id"], dict(call.headers).get("Authorization")) == ("gateway", None)


@pytest.mark.parametrize(
    ("introspection", "name", "text"),
    [
        (replace(KEYED, client_key="env:SHORT"), "client_key", "variable SHORT, which holds no key"),
        (replace(KEYED, client_key="env:NONE"), "client_key", "variable NONE, which is not set"),
        (
            replace(INTROSPECTION, client_auth="client_secret_jwt", client_secret="env:SHORT"),
            "client_secret",
            "variable SHORT, which is 8 bytes, want at least 32",
        ),
        (
            replace(INTROSPECTION, client_certificate_file="/nowhere/c.pem"),
            "client_certificate_file",
            'is "/nowhere/c.pem", which can\'t be used',
        ),
    ],
)
def test_what_can_not_be_used_is_told_at_start_and_never_shown(introspection, name, text):
    [problem] = unmet(Settings(introspection=introspection), ENVIRON)
    assert problem.setting == f"introspection.{name}"
    assert text in problem.message
    assert "canary" not in problem.message


@pytest.mark.parametrize(
    ("introspection", "blamed"),
    [
        (KEYED, []),
        (replace(KEYED, client_key=""), ["client_key"]),
        (replace(INTROSPECTION, client_key="env:KEY"), ["client_key"]),
        (replace(INTROSPECTION, client_auth="bearer", client_secret=""), ["client_secret"]),
        (replace(INTROSPECTION, client_auth="tls_client_auth", client_secret=""), ["client_certificate_file"]),
        (replace(INTROSPECTION, client_certificate_key_file="k.pem"), ["client_certificate_file"]),
        (replace(INTROSPECTION, client_auth="tls_client_auth", client_certificate_file="c.pem"), []),
        (
            Introspection(
                "http://127.0.0.1/", "gateway", client_auth="tls_client_auth", client_certificate_file="c.pem"
            ),
            ["endpoint"],
        ),
    ],
)
def test_each_method_has_what_it_needs_and_nothing_is_ignored(introspection, blamed):
    found = [name for name, _ in problems_between(Settings(introspection=introspection))]
    assert found == [f"introspection.{name}" for name in blamed]


def test_no_secret_is_in_anything_that_prints(clock):
    made = wire(Settings(introspection=KEYED), environ=ENVIRON, now=clock.now, ticks=clock.ticks)
    assert KEY.as_dict(private=True)["d"] not in json.dumps(repr(made))
