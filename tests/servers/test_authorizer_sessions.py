"""Cookie sessions on AWS: only where nothing is remembered, and refused as everywhere else."""

from __future__ import annotations

import pytest

from lambdas import TOKEN, Lambda, http_2, sample
from phantomgate.adapters.aws_answers import Trouble, Unauthorized
from phantomgate.session.cookies import CookieNames
from phantomgate.session.csrf import SessionToken, seal_token
from sealed import KEY, Numbered, ring

ORIGIN = "https://www.example.com"
ISSUER = "https://as.example"
NAMES = CookieNames("example")
SESSION = {
    "PHANTOMGATE__SESSION__KEYS": "env:COOKIE_KEY",
    "PHANTOMGATE__SESSION__TRUSTED_WEB_ORIGINS": ORIGIN,
    "PHANTOMGATE__SESSION__COOKIE_PREFIX": "example",
    "PHANTOMGATE__SESSION__ISSUER": ISSUER,
    "COOKIE_KEY": KEY,
}
NOT_CACHED = {**SESSION, "PHANTOMGATE__AWS__CACHE_TTL": "0s"}
random = Numbered()


def sealed(kind: str, value: str) -> str:
    return seal_token(ring(), NAMES.name(kind), ISSUER, SessionToken(b"a" * 16, value), random=random)


def cookies(csrf: str = "c" * 32) -> list[str]:
    return [f"{NAMES.name('at')}={sealed('at', TOKEN)}", f"{NAMES.name('csrf')}={sealed('csrf', csrf)}"]


def rest_page(**fields: str):
    """A POST of a page of ours to a REST API."""
    headers = {"Origin": ORIGIN, "X-Example-Csrf": "c" * 32, "Cookie": "; ".join(cookies()), **fields}
    return sample("rest_request_cookie_post", headers=headers, multiValueHeaders=None)


def http_page(**changes):
    """A POST of a page of ours to an HTTP API."""
    headers = {"origin": ORIGIN, "x-example-csrf": "c" * 32}
    event = {**http_2("POST", "/orders", identities=[ORIGIN]), "headers": headers, "cookies": cookies()}
    return {**event, **changes}


@pytest.mark.parametrize("ttl", ["unknown", "5m"])
def test_under_a_cache_sessions_are_a_settings_problem(ttl):
    function = Lambda(PHANTOMGATE__AWS__CACHE_TTL=ttl, **SESSION)
    with pytest.raises(Trouble):
        function(rest_page())

    assert 'cache_ttl = \\"0s\\"' in function.log


def test_a_session_of_a_page_of_ours_is_let_in():
    function = Lambda(**NOT_CACHED)

    assert "Bearer eyJ" in function(rest_page())["context"]["Authorization"]
    assert function(http_page())["isAuthorized"] is True
    assert TOKEN not in function.log


@pytest.mark.parametrize("wrong", [{"Origin": "https://evil.example"}, {"X-Example-Csrf": "d" * 32}])
def test_a_forged_request_is_denied(wrong):
    function = Lambda(**NOT_CACHED)
    answer = function(rest_page(**wrong))

    assert "forged_request" == answer["context"]["error"]
    assert ["Deny"] == [one["Effect"] for one in answer["policyDocument"]["Statement"]]


def test_an_unreadable_session_is_the_word():
    with pytest.raises(Unauthorized):
        Lambda(**NOT_CACHED)(rest_page(Cookie="; ".join([f"{NAMES.name('at')}=unreadable", cookies()[1]])))


def test_a_bearer_token_beside_a_session_is_refused():
    with pytest.raises(Unauthorized):
        Lambda(**NOT_CACHED)(rest_page(Authorization=f"Bearer {TOKEN}"))


def test_a_preflight_has_no_credential_and_is_not_answered_here():
    function = Lambda(PHANTOMGATE__SESSION__CORS="true", **NOT_CACHED)
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    arn = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/OPTIONS/orders"
    with pytest.raises(Unauthorized):
        function(sample("rest_request", methodArn=arn, headers=headers, multiValueHeaders=None))
