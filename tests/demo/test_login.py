"""Code and PKCE: the login page, and every way to come by a token that one should not have."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from demo.conftest import CALLBACK, CHALLENGE, CLIENTS, VERIFIER, ask
from phantomgate.demo.authorization_server import DevelopmentServer

ASKED = {
    "response_type": "code",
    "client_id": "page",
    "redirect_uri": CALLBACK,
    "scope": "read",
    "state": "s & t",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def authorize(issuer, **changed):
    return ask(f"{issuer}/authorize?{urlencode({**ASKED, **changed})}")


def log_in(issuer, answer="allow", username="ann", password="any", **changed):
    name = re.search('name="login" value="([^"]+)"', authorize(issuer, **changed).body.decode()).group(1)
    form = {"login": name, "username": username, "password": password, "answer": answer}
    return ask(issuer + "/authorize", form), form


def exchange(issuer, code, **changed):
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "client_id": "page",
        "code_verifier": VERIFIER,
        **changed,
    }
    return ask(issuer + "/token", {name: value for name, value in form.items() if value is not None})


def test_a_person_logs_in_and_the_client_gets_a_token_for_them(server, issuer):
    page = authorize(issuer)
    assert (page.status, page.headers["cache-control"]) == (200, "no-store")
    assert "form-action 'self' http://127.0.0.1:9" in page.headers["content-security-policy"]
    answer, _ = log_in(issuer)
    assert (answer.status, answer.headers["location"].startswith(CALLBACK + "?")) == (303, True)
    assert ("s & t", issuer) == (answer.location["state"], answer.location["iss"])
    token = exchange(issuer, answer.location["code"]).json
    assert (token["scope"], token["token_type"]) == ("read", "Bearer")
    facts = ask(issuer + "/introspect", {"token": token["access_token"]}, basic=("gateway", "gateway-secret")).json
    assert (facts["sub"], facts["client_id"]) == ("ann", "page")


def test_a_redirect_uri_with_a_query_keeps_it(issuer):
    answer, _ = log_in(issuer, redirect_uri=CALLBACK + "?from=as")
    assert answer.headers["location"].startswith(CALLBACK + "?from=as&")


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "nobody"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?from=elsewhere"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": ""},
    ],
)
def test_a_wrong_client_or_address_gets_a_page_and_never_a_redirect(issuer, changed):
    answer = authorize(issuer, **changed)
    assert (answer.status, "location" in answer.headers) == (400, False)


def test_a_parameter_that_comes_twice_gets_a_page(issuer):
    assert ask(f"{issuer}/authorize?{urlencode(ASKED)}&state=other").status == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"scope": "read admin"}, "invalid_scope"),
    ],
)
def test_a_wrong_request_of_a_known_client_is_told_so_at_its_address(issuer, changed, error):
    answer = authorize(issuer, **changed)
    assert answer.status == 303
    assert (error, "s & t", issuer) == tuple(answer.location[name] for name in ("error", "state", "iss"))


def test_who_refuses_sends_the_client_away_without_a_code(issuer):
    answer, _ = log_in(issuer, answer="deny")
    assert (
        answer.location["error"],
        answer.location["state"],
        "code" in answer.location,
    ) == ("access_denied", "s & t", False)


def test_only_ann_lives_here_and_she_may_try_again(issuer):
    for who in ({"username": "bob"}, {"password": ""}):
        answer, form = log_in(issuer, **who)
        assert (answer.status, "location" in answer.headers) == (401, False)
        assert ask(issuer + "/authorize", {**form, "username": "ann", "password": "x"}).status == 303


def test_a_login_form_is_good_once(issuer):
    for answered in ("allow", "deny"):
        _, form = log_in(issuer, answer=answered)
        assert ((again := ask(issuer + "/authorize", form)).status, "location" in again.headers) == (400, False)


def test_what_a_client_sends_can_not_become_markup(issuer):
    page = authorize(issuer, state='"><script>', scope="read").body.decode()
    assert "<script" not in page


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": VERIFIER[:-1]},
        {"code_verifier": CHALLENGE},
        {"code_verifier": None},
        {"code_verifier": "é" * 43},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": None},
        {"code": "unknown"},
        {"code": None},
        {"client_id": "service", "client_secret": "pa:ss %"},
    ],
)
def test_a_code_without_everything_that_belongs_to_it_gives_nothing_and_is_spent(issuer, changed):
    code = log_in(issuer)[0].location["code"]
    answer = exchange(issuer, **{"code": code, **changed})
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")
    if "code" not in changed:
        assert exchange(issuer, code).status == 400


def test_a_code_used_twice_gives_nothing_and_takes_back_what_it_gave(server, issuer):
    code = log_in(issuer)[0].location["code"]
    token = exchange(issuer, code).json["access_token"]
    assert server.jwt(token)
    assert exchange(issuer, code).json["error"] == "invalid_grant"
    assert server.jwt(token) is None


def test_codes_and_logins_end_by_themselves(clock):
    server = DevelopmentServer(CLIENTS, now=clock.now)
    with server.running_in_thread() as issuer:
        code = log_in(issuer)[0].location["code"]
        clock.advance(60)
        assert exchange(issuer, code).json["error"] == "invalid_grant"
        name = re.search('name="login" value="([^"]+)"', authorize(issuer).body.decode()).group(1)
        clock.advance(600)
        form = {"login": name, "username": "ann", "password": "x", "answer": "allow"}
        assert ask(issuer + "/authorize", form).status == 400
