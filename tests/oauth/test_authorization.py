"""What the browser is sent with, or what is pushed instead."""

from __future__ import annotations

import pytest

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.oauth.authorization import (
    OURS,
    AuthorizationRefused,
    LoginRequest,
    challenge,
    pushed_request,
    read_pushed,
    url_with,
)
from phantomgate.oauth.client_auth import client_secret_basic, client_secret_post
from phantomgate.testing import reply


def login(**extra):
    return LoginRequest("spa", "https://www.example/", "openid", "s", "n", "v" * 43, tuple(extra.items()))


def test_the_challenge_is_that_of_the_rfc():
    # RFC 7636 appendix B
    assert "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" == challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")


@pytest.mark.parametrize("name", sorted(OURS))
def test_no_page_sets_what_protects_a_login(name):
    with pytest.raises(ValueError, match="protocol's own"):
        _ = login(**{name: "x"}).params


def test_a_query_of_the_endpoint_stays():
    assert "https://as.example/a?tenant=1&x=%26" == url_with("https://as.example/a?tenant=1", [("x", "&")])
    assert "https://as.example/a?x=1" == url_with("https://as.example/a", [("x", "1")])
    assert "https://as.example/a" == url_with("https://as.example/a", [])


@pytest.mark.parametrize("client", [client_secret_basic("spa", "s"), client_secret_post("spa", "s")])
def test_no_parameter_is_pushed_twice(client):
    body = pushed_request("https://as.example/par", client, login(prompt="login").params, 5.0).body.decode()
    names = [pair.partition("=")[0] for pair in body.split("&")]

    assert len(names) == len(set(names))
    assert {"client_id", "state", "nonce", "code_challenge", "prompt"} <= set(names)


def pushed(status, body="", content_type="application/json"):
    return read_pushed(reply(status, body, content_type=content_type))


def test_the_name_of_a_pushed_request_is_read():
    assert "urn:x:1" == pushed(201, '{"request_uri": "urn:x:1", "expires_in": 60}')


@pytest.mark.parametrize(
    ("status", "body", "content_type", "reason"),
    [
        (201, "{}", "application/json", Reason.BAD_ANSWER),
        (201, '{"request_uri": ""}', "application/json", Reason.BAD_ANSWER),
        (201, '{"request_uri": 7}', "application/json", Reason.BAD_ANSWER),
        (201, '{"request_uri": "é"}', "application/json", Reason.BAD_ANSWER),
        (201, '{"request_uri": "urn:x:1"}', "text/html", Reason.BAD_ANSWER),
        (302, "", "text/html", Reason.BAD_ANSWER),
        (401, "", "text/html", Reason.CLIENT_REFUSED),
        (400, "", "text/html", Reason.CLIENT_REFUSED),
        (400, '{"error": "invalid_client"}', "application/json", Reason.CLIENT_REFUSED),
        (503, "", "text/html", Reason.UNAVAILABLE),
        (429, "", "text/html", Reason.UNAVAILABLE),
    ],
)
def test_what_is_no_answer_to_a_push(status, body, content_type, reason):
    with pytest.raises(Refused) as no:
        pushed(status, body, content_type)
    assert reason is no.value.reason
    assert isinstance(no.value, Unavailable) == (reason is Reason.UNAVAILABLE)


@pytest.mark.parametrize(("error", "known"), [('"invalid_scope"', "invalid_scope"), ('"<b>"', ""), ("7", "")])
def test_a_push_that_is_refused_is_told_by_a_known_code_or_none(error, known):
    with pytest.raises(AuthorizationRefused) as no:
        pushed(400, f'{{"error": {error}}}')
    assert known == no.value.error
    assert "<b>" not in str(no.value)
