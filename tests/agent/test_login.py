"""Logging in: what the server is asked, and what is made of the answer."""

from __future__ import annotations

import json

import pytest

from agent.world import APP, ISSUER, METADATA, Browser, World, as_json, challenge_of, code_of, query_of
from phantomgate.core.errors import Unavailable
from phantomgate.testing import reply


def test_a_login_asks_for_a_code_with_pkce_state_and_nonce(browser):
    asked = browser.start()

    assert {"response_type": "code", "client_id": "spa", "redirect_uri": f"{APP}/", "scope": "openid read"} == {
        name: asked[name] for name in ("response_type", "client_id", "redirect_uri", "scope")
    }
    assert "S256" == asked["code_challenge_method"]
    assert 3 == len({asked["state"], asked["nonce"], asked["code_challenge"]})
    assert min(map(len, (asked["state"], asked["nonce"], asked["code_challenge"]))) >= 43


def test_a_code_becomes_a_session_in_four_cookies_and_the_login_is_over(world, browser):
    asked = browser.start()
    answer = browser.end(asked["state"])

    said = json.loads(answer.body)
    assert {"handled": True, "isLoggedIn": True} == {name: said[name] for name in ("handled", "isLoggedIn")}
    assert {"at", "csrf", "auth", "id"} == browser.kinds()
    form = world.server.asked("/token")[0]
    assert {"grant_type": "authorization_code", "code": "code-1", "redirect_uri": f"{APP}/"} == {
        name: form[name] for name in ("grant_type", "code", "redirect_uri")
    }
    assert asked["code_challenge"] == challenge_of(form["code_verifier"])


def test_the_token_request_is_sent_at_most_once(world, browser):
    browser.log_in()

    assert [False] == [call.repeat for call in world.server.calls if call.url.endswith("/token")]


def test_a_page_without_an_answer_is_told_whether_there_is_a_session(browser):
    before = json.loads(browser.ask("POST", "/login/end", {"pageUrl": f"{APP}/?code=mine"}).body)
    csrf = json.loads(browser.log_in().body)["csrf"]
    after = json.loads(browser.ask("POST", "/login/end", {"pageUrl": f"{APP}/orders?page=2#x"}).body)

    assert {"handled": False, "isLoggedIn": False} == before
    assert {"handled": False, "isLoggedIn": True, "csrf": csrf} == after


def test_the_place_to_return_to_comes_back_with_the_session(browser):
    assert "/orders?open=1" == json.loads(browser.log_in(returnTo="/orders?open=1").body)["returnTo"]


def test_parameters_that_the_settings_allow_are_passed_on(browser):
    asked = browser.start(extraParams=[{"key": "prompt", "value": "login & more"}])

    assert "login & more" == asked["prompt"]


@pytest.mark.parametrize(
    "extra",
    [
        [{"key": "scope", "value": "admin"}],
        [{"key": "redirect_uri", "value": "https://evil.example"}],
        [{"key": "acr_values", "value": "not in the list"}],
        [{"key": "prompt", "value": "a"}, {"key": "prompt", "value": "b"}],
        [{"key": "prompt", "value": 1}],
        [{"key": "prompt"}],
        ["prompt"],
        {"prompt": "login"},
    ],
)
def test_parameters_that_they_dont_are_refused(browser, extra):
    answer = browser.ask("POST", "/login/start", {"extraParams": extra})

    assert (400, "invalid_request") == (answer.status, code_of(answer))


def test_the_request_is_pushed_where_the_server_offers_that(drive, clock):
    metadata = METADATA._replace(pushed_authorization_request_endpoint=f"{ISSUER}/par")
    world = World(drive, clock, metadata=metadata)
    answer = Browser(world).ask("POST", "/login/start", {})

    url = json.loads(answer.body)["authorizationRequestUrl"]
    assert {"client_id": "spa", "request_uri": "urn:ietf:params:oauth:request_uri:1"} == query_of(url)
    pushed = world.server.asked("/par")[0]
    assert {"code", "S256", f"{APP}/"} <= set(pushed.values())
    assert "request_uri" not in pushed


@pytest.mark.parametrize(
    ("metadata", "par"),
    [
        (METADATA._replace(require_pushed_authorization_requests=True), "never"),
        (METADATA, "always"),
    ],
)
def test_a_request_that_must_be_pushed_and_cant_be_is_not_sent(drive, clock, metadata, par):
    world = World(drive, clock, metadata=metadata, par=par)
    answer = Browser(world).ask("POST", "/login/start", {})

    assert (502, "authorization_server_error") == (answer.status, code_of(answer))


def test_a_pushed_request_that_the_server_refuses_is_no_401(drive, clock):
    metadata = METADATA._replace(pushed_authorization_request_endpoint=f"{ISSUER}/par")
    world = World(drive, clock, metadata=metadata)
    world.server.answers["/par"] = as_json({"error": "invalid_scope", "error_description": "<b>no</b>"}, 400)
    answer = Browser(world).ask("POST", "/login/start", {})

    assert (400, "invalid_scope") == (answer.status, code_of(answer))
    assert b"<b>" not in answer.body


@pytest.mark.parametrize(
    ("changes", "header"),
    [
        ({"iss": "https://other.example"}, {}),
        ({"aud": "other"}, {}),
        ({"aud": ["spa", "other"]}, {}),
        ({"azp": "other"}, {}),
        ({"nonce": "another"}, {}),
        ({"nonce": None}, {}),
        ({"exp": 1}, {}),
        ({"exp": None}, {}),
        ({"iat": None}, {}),
        ({"iat": 1_900_000_000}, {}),
        ({"sub": None}, {}),
        ({"sub": ""}, {}),
        ({"at_hash": "another"}, {}),
        ({"events": {}}, {}),
        ({"typ": "Bearer"}, {}),
        ({"token_use": "access"}, {}),
        ({}, {"typ": "at+jwt"}),
        ({}, {"typ": "logout+jwt"}),
        ({}, {"alg": "none"}),
        ({}, {"kid": "unknown"}),
        ({}, {"crit": ["x"]}),
        ({}, {"jwk": {}}),
    ],
    ids=str,
)
def test_an_id_token_that_isnt_one_for_this_login_gives_no_session(world, browser, changes, header):
    world.server.id_token, world.server.id_header = changes, header
    answer = browser.end(browser.start()["state"])

    assert (400, "invalid_request") == (answer.status, code_of(answer))
    assert set() == browser.kinds()


def test_an_id_token_for_several_is_taken_when_we_are_the_authorized_party(world, browser):
    world.server.id_token = {"aud": ["spa", "other"], "azp": "spa", "at_hash": None}

    assert 200 == browser.end(browser.start()["state"]).status


def test_an_id_token_that_was_signed_by_another_gives_no_session(world, browser):
    state = browser.start()["state"]
    jwt = world.server.make_id_token("access-1")
    said = {"access_token": "access-1", "token_type": "Bearer", "id_token": jwt[:-6] + "AAAAAA"}
    world.server.answers["/token"] = as_json(said)

    assert 400 == browser.end(state).status
    assert set() == browser.kinds()


def test_openid_without_an_id_token_gives_no_session(world, browser):
    world.server.answers["/token"] = as_json({"access_token": "a", "token_type": "Bearer"})
    answer = browser.end(browser.start()["state"])

    assert (502, "authorization_server_error") == (answer.status, code_of(answer))


def test_a_login_without_openid_is_a_session_without_a_name(drive, clock):
    world = World(drive, clock, scope="read")
    world.server.answers["/token"] = as_json({"access_token": "a", "token_type": "Bearer"})
    browser = Browser(world)
    browser.log_in()

    assert {"at", "csrf"} == browser.kinds()
    assert 401 == browser.ask("GET", "/claims").status


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (as_json({"error": "invalid_grant"}, 400), 400, "authorization_error"),
        (as_json({"error": "unauthorized_client"}, 400), 400, "authorization_error"),
        (as_json({"error": "invalid_client"}, 401), 502, "authorization_server_error"),
        (reply(503), 502, "authorization_server_error"),
        (Unavailable("frozen"), 502, "authorization_server_error"),
        (reply(200, "<html>", content_type="text/html"), 502, "authorization_server_error"),
        (reply(200, "{", content_type="application/json"), 502, "authorization_server_error"),
        (RuntimeError("a bug"), 500, "server_error"),
    ],
    ids=str,
)
def test_a_token_request_that_fails_is_an_error_that_doesnt_loop(world, browser, answer, status, code):
    state = browser.start()["state"]
    world.server.answers["/token"] = answer
    failed = browser.end(state)

    assert (status, code) == (failed.status, code_of(failed))
    assert not browser.kinds() & {"at", "csrf", "auth", "id"}
    assert 400 == browser.end(state).status  # loaded again, it is over
    assert 1 == len(world.server.asked("/token"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ("access_denied", 400, "access_denied"),
        ("login_required", 401, "login_required"),
        ("temporarily_unavailable", 400, "temporarily_unavailable"),
        ("something_else", 400, "authorization_error"),
    ],
)
def test_an_error_of_the_authorization_endpoint_is_told_by_its_code(world, browser, error, status, code):
    answer = browser.end(browser.start()["state"], code="", error=error)

    assert (status, code) == (answer.status, code_of(answer))
    assert [] == world.server.asked("/token")
    assert set() == browser.kinds()


@pytest.mark.parametrize("iss", ["https://other.example", ISSUER + "/", ""])
def test_an_answer_of_another_server_or_of_none_is_refused(world, browser, iss):
    answer = browser.end(browser.start()["state"], iss=iss)

    assert (400, "invalid_request") == (answer.status, code_of(answer))
    assert [] == world.server.asked("/token")


def test_a_server_that_never_names_itself_neednt(drive, clock):
    metadata = METADATA._replace(authorization_response_iss_parameter_supported=False)
    browser = Browser(World(drive, clock, metadata=metadata))

    assert 200 == browser.end(browser.start()["state"], iss="").status


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"pageUrl": 1}', "application/json"),
        (b'{"pageUrl": ""}', "application/json"),
        (b'{"pageUrl": "https://app.example/", "pageUrl": ""}', "application/json"),
        (b'{"pageUrl": "https://app.example/"}', "text/plain"),
        (b'{"pageUrl": "https://app.example/"}', None),
        (b"", "application/json"),
    ],
)
def test_a_body_that_isnt_what_it_should_be_is_malformed(browser, body, content_type):
    answer = browser.ask("POST", "/login/end", body, content_type=content_type)

    assert (400, "invalid_request") == (answer.status, code_of(answer))
