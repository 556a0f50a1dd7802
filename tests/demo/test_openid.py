"""OpenID Connect at the development server: what it gives is what the specifications say, and can be checked."""

from __future__ import annotations

import json

import pytest

from agent.page import Client as Browser
from agent.page import at_the_development_server
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client
from phantomgate.oauth.authorization import LoginRequest, url_with
from phantomgate.oauth.id_token import check_login, id_token_rules
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jwt import verify

PAGE = "http://127.0.0.1:9999/"
VERIFIER = "v" * 43
BASIC = {"Authorization": "Basic c3BhOnNwYS1zZWNyZXQ=", "Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def server():
    scopes = frozenset({"openid", "email", "read"})
    spa = Client("spa", "spa-secret", scopes, (PAGE,), post_logout_redirect_uris=(PAGE,))
    server = DevelopmentServer([spa, Client("gateway", "gateway-secret", introspects=True)])
    with server.running_in_thread():
        yield server


@pytest.fixture
def browser():
    return Browser()


def asked(**more):
    return LoginRequest("spa", PAGE, "openid email", "state", "nonce", VERIFIER, tuple(more.items())).params


def code(server, browser, **more):
    back = at_the_development_server(browser, url_with(f"{server.issuer}/authorize", asked(**more)))
    return dict(pair.split("=") for pair in back.partition("?")[2].split("&"))["code"]


def post(server, browser, path, **form):
    body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
    return browser.call("POST", server.issuer + path, body, **BASIC)


def tokens(server, browser):
    answer = post(
        server, browser, "/token", grant_type="authorization_code", code=code(server, browser),
        redirect_uri="http%3A%2F%2F127.0.0.1%3A9999%2F", code_verifier=VERIFIER,
    )  # fmt: skip
    assert answer.status == 200, answer.body
    return answer.json


def refresh(server, browser, token):
    return post(server, browser, "/token", grant_type="refresh_token", refresh_token=token)


def test_an_id_token_is_good_by_our_own_rules(server, browser):
    given = tokens(server, browser)
    keys = read_key_set(json.dumps(server.jwks()).encode(), ["ES256"])
    said = verify(given["id_token"], keys, id_token_rules(server.issuer, "spa"), server._now())
    check_login(said, nonce="nonce", access_token=given["access_token"])

    assert ("ann", "ann@example.test") == (said.claims["sub"], said.claims["email"])
    assert "name" not in said.claims  # profile was not asked for


def test_a_refresh_token_is_good_once_and_its_second_use_ends_everything(server, browser):
    first = tokens(server, browser)
    second = refresh(server, browser, first["refresh_token"]).json
    assert first["refresh_token"] != second["refresh_token"]
    assert server.jwt(first["access_token"])
    again = refresh(server, browser, first["refresh_token"])

    assert (400, "invalid_grant") == (again.status, again.json["error"])
    assert 400 == refresh(server, browser, second["refresh_token"]).status
    assert server.jwt(first["access_token"]) is server.jwt(second["access_token"]) is None


def test_a_refresh_token_that_was_revoked_takes_its_access_tokens_along(server, browser):
    given = tokens(server, browser)
    assert 200 == post(server, browser, "/revoke", token=given["refresh_token"]).status

    assert server.jwt(given["access_token"]) is None
    assert 400 == refresh(server, browser, given["refresh_token"]).status


def test_userinfo_is_for_active_tokens_with_openid(server, browser):
    given = tokens(server, browser)
    answer = browser.call("GET", f"{server.issuer}/userinfo", Authorization=f"Bearer {given['access_token']}")
    plain = server.issue("spa", "read", subject="ann")

    assert {"sub": "ann", "email": "ann@example.test", "email_verified": True} == answer.json
    for token in (plain, "unknown", given["refresh_token"]):
        assert 401 == browser.call("GET", f"{server.issuer}/userinfo", Authorization=f"Bearer {token}").status


def test_a_pushed_request_is_good_once_and_for_its_client(server, browser):
    form = {name: value.replace(":", "%3A").replace("/", "%2F").replace(" ", "+") for name, value in asked()}
    pushed = post(server, browser, "/par", **form)
    assert 201 == pushed.status
    name = pushed.json["request_uri"]

    def page(client_id, request_uri):
        return browser.call(
            "GET", url_with(f"{server.issuer}/authorize", [("client_id", client_id), ("request_uri", request_uri)])
        ).status

    assert 200 == page("spa", name)
    assert 400 == page("spa", name)
    other = post(server, browser, "/par", **form).json["request_uri"]
    assert 400 == page("gateway", other)
    assert 400 == post(server, browser, "/par", **form, request_uri="urn:x").status
    assert 400 == post(server, browser, "/par", **{**form, "redirect_uri": "https%3A%2F%2Fevil"}).status
    assert (
        401 == browser.call("POST", f"{server.issuer}/par", b"client_id=spa", Content_Type=BASIC["Content_Type"]).status
    )


def test_a_logout_ends_what_lives_on_the_session_and_leads_to_registered_pages_only(server, browser):
    given = tokens(server, browser)
    evil = url_with(f"{server.issuer}/logout", [("client_id", "spa"), ("post_logout_redirect_uri", "https://evil")])
    assert 400 == browser.call("GET", evil).status
    assert server.jwt(given["access_token"])
    good = url_with(f"{server.issuer}/logout", [("client_id", "spa"), ("post_logout_redirect_uri", PAGE)])
    answer = browser.call("GET", good)

    assert (303, PAGE) == (answer.status, answer.headers["Location"])
    assert server.jwt(given["access_token"]) is None
    assert 400 == refresh(server, browser, given["refresh_token"]).status
    assert 200 == browser.call("GET", f"{server.issuer}/logout").status


def test_nobody_is_logged_in_without_being_asked(server, browser):
    url = url_with(f"{server.issuer}/authorize", asked(prompt="none"))
    location = browser.call("GET", url).headers["Location"]

    assert "error=login_required" in location
    assert "state=state" in location


def test_a_public_client_gets_no_refresh_token(browser):
    server = DevelopmentServer([Client("spa", scopes=frozenset({"read"}), redirect_uris=(PAGE,))])
    with server.running_in_thread():
        request = LoginRequest("spa", PAGE, "read", "s", "n", VERIFIER).params
        back = at_the_development_server(browser, url_with(f"{server.issuer}/authorize", request))
        body = (
            f"grant_type=authorization_code&client_id=spa&code={back.partition('code=')[2].partition('&')[0]}"
            f"&redirect_uri=http%3A%2F%2F127.0.0.1%3A9999%2F&code_verifier={VERIFIER}"
        )
        answer = browser.call("POST", f"{server.issuer}/token", body.encode(), Content_Type=BASIC["Content_Type"])

    assert 200 == answer.status
    assert not {"refresh_token", "id_token"} & set(answer.json)
