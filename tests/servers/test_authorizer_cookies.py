"""The OAuth proxy authorizer's variables: its cookies through the handler, in every event that can have them."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from interop.node_v1 import node_seals
from lambdas import INACTIVE, TOKEN, Lambda, answers, http_2, routes, sample
from phantomgate.adapters.aws_answers import Trouble, Unauthorized
from phantomgate.core.errors import Unavailable
from phantomgate.session.keys import read_session_key
from phantomgate.session.sealing import seal_v1
from sealed import KEY, OLD_KEY, Numbered
from tokens import NOW, jwt

ORIGIN = "https://www.example.com"
CSRF = "c" * 64
PROXY = {
    "TRUSTED_WEB_ORIGINS": f" https://app.example.com , {ORIGIN} ,",
    "COOKIE_NAME_PREFIX": "example",
    "ENCRYPTION_KEY": KEY,
    "USE_PHANTOM_TOKEN": "true",
    "INTROSPECTION_URL": "https://login.example.com:8443/introspect?realm=a",
    "CLIENT_ID": "gateway",
    "CLIENT_SECRET": "canary-secret-71c0a1d2",
}
AS_SEALED = {**PROXY, "USE_PHANTOM_TOKEN": "false", "INTROSPECTION_URL": "", "CLIENT_ID": "", "CLIENT_SECRET": ""}
STAGE = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod"
random = Numbered()


def sealed(value: str, key: str = KEY) -> str:
    return seal_v1(read_session_key(key), value.encode(), random=random)


def cookies(at: str = TOKEN, csrf: str = CSRF) -> list[str]:
    return ["other=1", f"example-at={sealed(at)}", f"example-csrf={sealed(csrf)}"]


def rest(method: str = "GET", path: str = "/orders", **fields: str | None):
    """A page's request to a REST API."""
    proof = {} if method == "GET" else {"Origin": ORIGIN, "X-Example-Csrf": CSRF}
    headers = {"Cookie": "; ".join(cookies()), **proof, **fields}
    headers = {name: value for name, value in headers.items() if value is not None}
    where = {"methodArn": f"{STAGE}/{method}{path}", "path": path, "httpMethod": method}
    return sample("rest_request", **where, headers=headers, multiValueHeaders=None)


def several(method: str):
    """The same as API Gateway sends it: every field as a list, too."""
    event = rest(method)
    return {**event, "multiValueHeaders": {name: [value] for name, value in event["headers"].items()}}


def several_alone(method: str):
    return {**several(method), "headers": None}


def http_1(method: str):
    event = rest(method)
    changes = {name: event[name] for name in ("methodArn", "path", "httpMethod", "headers", "multiValueHeaders")}
    return sample("http_v1", identitySource=event["headers"]["Cookie"], authorizationToken=..., **changes)


def http_cookies(method: str):
    proof = {} if method == "GET" else {"origin": ORIGIN, "x-example-csrf": CSRF}
    event = http_2(method, "/orders", identities=[";".join(cookies())])
    return {**event, "headers": proof, "cookies": cookies()}


EVENTS = [rest, several, several_alone, http_1, http_cookies]


def resources(answer) -> dict[str, list[str]]:
    return {one["Effect"]: one["Resource"] for one in answer["policyDocument"]["Statement"]}


def let_in(answer) -> bool:
    if "isAuthorized" in answer:
        return answer["isAuthorized"] is True
    return "Allow" in resources(answer)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("event", EVENTS)
def test_a_session_becomes_a_jwt_under_the_old_key(event, method):
    function = Lambda(environ=PROXY)
    answer = function(event(method))

    assert let_in(answer)
    assert f"Bearer {jwt()}" == answer["context"]["token"]
    assert "Authorization" not in answer["context"]
    (call,) = function.http.calls
    assert "https://login.example.com:8443/introspect?realm=a" == call.url
    assert f"token={TOKEN}".encode() in call.body


@pytest.mark.interop
@pytest.mark.parametrize("event", EVENTS)
def test_cookies_that_node_has_sealed_are_read(event, monkeypatch):
    at, csrf = node_seals(KEY, TOKEN, CSRF)
    monkeypatch.setitem(globals(), "cookies", lambda: [f"example-at={at}", f"example-csrf={csrf}"])

    assert f"Bearer {jwt()}" == Lambda(environ=PROXY)(event("POST"))["context"]["token"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_was_let_in_without_proof_may_change_nothing(method):
    answer = Lambda(environ=PROXY)(rest(method, Origin=None))

    assert {"Allow": [f"{STAGE}/{one}/*" for one in ("GET", "HEAD", "OPTIONS")]} == resources(answer)


def test_what_was_proved_may_use_the_stage():
    assert {"Allow": [f"{STAGE}/*"]} == resources(Lambda(environ=PROXY)(rest("POST")))


def test_a_bearer_token_may_use_the_stage_whatever_it_called():
    event = rest("GET", Cookie=None, Authorization=f"Bearer {TOKEN}")

    assert {"Allow": [f"{STAGE}/*"]} == resources(Lambda(environ=PROXY)(event))


def test_under_routes_a_session_may_use_what_it_called_and_nothing_else():
    table = routes(("GET", "/orders/**", "read"), ("POST", "/orders/**", "write"), ("GET", "/admin/**", "admin"))
    function = Lambda(environ=PROXY, **table)

    assert {"Allow": [f"{STAGE}/GET/orders"]} == resources(function(rest("GET")))
    assert {"Deny": [f"{STAGE}/*"]} == resources(function(rest("GET", "/admin/x")))


def test_the_subject_is_the_principal_and_never_the_token():
    answer = Lambda(environ=PROXY)(rest())

    assert "ann" == answer["principalId"]
    of_token = Lambda(answers(sub=TOKEN, client_id=TOKEN), environ=PROXY)(rest())
    assert TOKEN not in of_token["principalId"]
    as_sealed = Lambda(environ=AS_SEALED)(rest())
    assert TOKEN not in as_sealed["principalId"]


def test_that_caching_is_taken_to_be_off_is_in_the_log():
    function = Lambda(environ=PROXY)
    function(rest())

    assert "make sure that its TTL is 0" in function.log
    assert not [secret for secret in (KEY, TOKEN, CSRF, PROXY["CLIENT_SECRET"]) if secret in function.log]


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": None},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{ORIGIN}, https://app.example.com"},
        {"X-Example-Csrf": None},
        {"X-Example-Csrf": "d" * 64},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_request_without_proof_is_denied(method, fields):
    function = Lambda(environ=PROXY)

    assert {"Deny": [f"{STAGE}/*"]} == resources(function(rest(method, **fields)))
    assert [] == function.http.calls


@pytest.mark.parametrize("prefix", ["my_app", "MyApp", "a"])
def test_the_csrf_header_is_called_as_the_prefix_is(prefix):
    function = Lambda(environ={**PROXY, "COOKIE_NAME_PREFIX": prefix})
    pair = f"{prefix}-at={sealed(TOKEN)}; {prefix}-csrf={sealed(CSRF)}"
    proof = {"X-Example-Csrf": None, f"x-{prefix}-csrf": CSRF}

    assert "Allow" in resources(function(rest("POST", Cookie=pair, **proof)))
    for wrong in ({f"x-{prefix}-csrf": "d" * 64}, {f"x-{prefix}-csrf": None, "x-my-app-csrf": CSRF}):
        assert "Deny" in resources(function(rest("POST", Cookie=pair, **{**proof, **wrong})))


def test_the_server_is_shown_the_secret_as_the_old_authorizer_showed_it():
    function = Lambda(environ={**PROXY, "CLIENT_SECRET": "Pa$$w0rd1!+%é"})
    function(rest())

    (call,) = function.http.calls
    assert f"Basic {b64encode('gateway:Pa$$w0rd1!+%é'.encode()).decode()}" == dict(call.headers)["Authorization"]


def test_a_csrf_cookie_of_another_key_is_denied():
    pair = f"example-at={sealed(TOKEN)}; example-csrf={sealed(CSRF, OLD_KEY)}"
    assert "Deny" in resources(Lambda(environ=PROXY)(rest("POST", Cookie=pair)))


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none", None])
def test_reading_needs_no_origin(site):
    assert let_in(Lambda(environ=PROXY)(rest(**{"Sec-Fetch-Site": site})))


@pytest.mark.parametrize("fields", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_reading_from_another_site_is_denied(fields):
    assert "Deny" in resources(Lambda(environ=PROXY)(rest(**fields)))


@pytest.mark.parametrize(
    "cookie",
    [
        *(None, "other=1", "example-at=", "example-at=AXFkd2V0c2", f"example-at={sealed(TOKEN, OLD_KEY)}"),
        f"__Host-example-at={sealed(TOKEN)}",
        f"example-at={sealed('no token')}",
    ],
)
def test_a_session_that_is_missing_or_unreadable_is_the_word(cookie):
    function = Lambda(environ=PROXY)
    with pytest.raises(Unauthorized):
        function(rest(Cookie=cookie))
    assert [] == function.http.calls


@pytest.mark.parametrize("allowed", ["true", "false"])
def test_a_bearer_token_beside_a_session_is_refused(allowed):
    function = Lambda(environ=PROXY, ALLOW_TOKEN=allowed)
    with pytest.raises(Unauthorized):
        function(rest(Authorization=f"Bearer {TOKEN}"))
    assert "malformed_request" in function.log


@pytest.mark.parametrize("allowed", ["", "true", "TRUE", "yes", "1"])
def test_a_bearer_token_is_let_in_and_asked_about(allowed):
    function = Lambda(environ=PROXY, ALLOW_TOKEN=allowed)
    answer = function(rest("POST", Cookie=None, Origin=None, Authorization=f"Bearer {TOKEN}"))

    assert f"Bearer {jwt()}" == answer["context"]["token"]
    assert 1 == len(function.http.calls)


def test_a_bearer_token_that_is_not_active_is_the_word():
    with pytest.raises(Unauthorized):
        Lambda(INACTIVE, environ=PROXY)(rest(Cookie=None, Authorization=f"Bearer {TOKEN}"))


@pytest.mark.parametrize("allowed", ["false", "FALSE", "False", "no", "0", " false "])
def test_false_means_false(allowed):
    function = Lambda(environ=PROXY, ALLOW_TOKEN=allowed)
    with pytest.raises(Unauthorized):
        function(rest(Cookie=None, Authorization=f"Bearer {TOKEN}"))
    assert [] == function.http.calls
    assert let_in(function(rest()))


def test_trouble_is_raised_and_no_opaque_token_goes_on():
    function = Lambda(Unavailable("connection refused"), environ=PROXY)
    with pytest.raises(Trouble) as no:
        function(rest())
    assert TOKEN not in str(no.value)


def test_a_session_whose_token_is_revoked_is_the_word():
    with pytest.raises(Unauthorized):
        Lambda(INACTIVE, environ=PROXY)(rest())


@pytest.mark.parametrize("value", [TOKEN, jwt(), jwt(exp=NOW + 1), "a.b.c"])
def test_without_phantom_tokens_what_was_sealed_goes_on_as_it_is(value):
    function = Lambda(environ=AS_SEALED)
    answer = function(rest(Cookie=f"example-at={sealed(value)}"))

    assert f"Bearer {value}" == answer["context"]["token"]
    assert "" == answer["context"]["sub"]  # nobody has verified what it claims
    assert [] == function.http.calls


@pytest.mark.parametrize(
    "claims",
    [
        *({"exp": NOW}, {"exp": NOW - 1}, {"exp": None}, {"exp": "soon"}, {"exp": True}),
        {"nbf": NOW + 60},
        {"nonce": "n"},
    ],
)
def test_a_sealed_jwt_that_is_over_or_no_access_token_is_the_word(claims):
    with pytest.raises(Unauthorized):
        Lambda(environ=AS_SEALED)(rest(Cookie=f"example-at={sealed(jwt(**claims))}"))


def test_a_sealed_token_still_needs_its_proof():
    assert "Deny" in resources(Lambda(environ=AS_SEALED)(rest("POST", **{"X-Example-Csrf": "d" * 64})))


@pytest.mark.parametrize("value", [TOKEN, jwt()])
def test_a_bearer_token_that_nobody_can_be_asked_about_is_the_word(value):
    function = Lambda(environ=AS_SEALED)
    with pytest.raises(Unauthorized):
        function(rest(Cookie=None, Authorization=f"Bearer {value}"))
    assert "ALLOW_TOKEN" in function.log


def test_a_bearer_token_is_asked_about_although_sessions_are_not():
    function = Lambda(environ={**PROXY, "USE_PHANTOM_TOKEN": "false"})

    assert f"Bearer {TOKEN}" == function(rest())["context"]["token"]
    assert [] == function.http.calls
    by_bearer = function(rest(Cookie=None, Authorization=f"Bearer {TOKEN}"))
    assert f"Bearer {jwt()}" == by_bearer["context"]["token"]


def test_the_jwt_alone_is_there_for_who_wants_it():
    function = Lambda(environ=PROXY, PHANTOMGATE__AWS__BEARER_PREFIX="false")
    assert jwt() == function(rest())["context"]["token"]


def test_a_websocket_is_opened_by_a_session_of_a_page_of_ours_alone():
    event = sample(
        "websocket_connect", headers={"Cookie": "; ".join(cookies()), "Origin": ORIGIN}, multiValueHeaders=None
    )
    function = Lambda(environ=PROXY)

    assert [event["methodArn"]] == resources(function(event))["Allow"]
    event["headers"]["Origin"] = "https://evil.example"
    assert "Deny" in resources(function(event))


def test_the_answer_is_json_of_the_shape_that_it_had():
    answer = Lambda(environ=PROXY)(rest())

    assert {"principalId", "policyDocument", "context"} == answer.keys()
    assert "2012-10-17" == answer["policyDocument"]["Version"]
    assert all(isinstance(value, (str, int)) for value in answer["context"].values())
    assert len(json.dumps(answer)) < 8192
