"""A Function URL or a load balancer in front: `/decide` and `/exchange` as our listener has them, and `/` as before."""

from __future__ import annotations

import base64
import json

import pytest

from lambdas import INACTIVE, SECRET, TOKEN, Lambda, answers, routes, sample
from phantomgate.adapters.aws_answers import Trouble
from phantomgate.core.errors import Unavailable
from phantomgate.testing import reply
from tokens import jwt

JWT = jwt()
IAM = sample("function_url_iam_form_body")


def url(path: str, method: str = "GET", token: str | None = TOKEN, **fields: str):
    """A call of a Function URL by nobody that IAM knows."""
    event = sample("function_url_bearer_none_auth", rawPath=path)
    event["requestContext"]["http"].update(method=method, path=path)
    event["headers"] = {**event["headers"], **fields}
    if token is None:
        del event["headers"]["authorization"]
    return event


def by_iam(path: str, form: str | None = f"token={TOKEN}", **fields: str):
    """A call that AWS IAM has identified."""
    event = json.loads(json.dumps(IAM)) | {"rawPath": path}
    event["headers"] |= {"authorization": "AWS4-HMAC-SHA256 Credential=x", **fields}
    event["body"] = base64.b64encode(form.encode()).decode() if form is not None else None
    return event


def body(answer) -> dict:
    return json.loads(answer["body"])


def test_the_root_answers_as_the_node_authorizer_did():
    answer = Lambda()(url("/", "POST"))

    assert 200 == answer["statusCode"]
    assert {"token_type": "Bearer", "access_token": JWT, "expires_in": 300} == body(answer)
    assert "private, max-age=300" == answer["headers"]["Cache-Control"]


@pytest.mark.parametrize("value", [None, "Basic x", "Bearer", "Bearer a b", "Bearer a,Bearer b"])
def test_at_the_root_a_missing_or_malformed_credential_has_its_old_name(value):
    event = url("/", "POST", None) if value is None else url("/", "POST", authorization=value)
    answer = Lambda()(event)

    assert (401, {"error": "missing_or_malformed_authorization"}) == (answer["statusCode"], body(answer))
    assert "Bearer realm=" in answer["headers"]["WWW-Authenticate"]
    assert "no-store" == answer["headers"]["Cache-Control"]


@pytest.mark.parametrize(
    ("trouble", "status", "error"),
    [
        (INACTIVE, 401, "invalid_token"),
        (Unavailable("x"), 503, "temporarily_unavailable"),
        (reply(500), 503, "temporarily_unavailable"),
        (reply(401), 502, "bad_gateway"),
        (reply(200, "x"), 502, "bad_gateway"),
        (RuntimeError("x"), 500, "server_error"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/exchange", "/decide/x"])
def test_what_went_wrong_has_its_status(path, trouble, status, error):
    answer = Lambda(trouble)(url(path, "POST"))

    assert (status, error) == (answer["statusCode"], body(answer)["error"])
    assert ("Retry-After" in answer["headers"]) is (status == 503)


def test_decide_answers_with_the_headers_for_the_api():
    answer = Lambda()(url("/decide/orders/1"))

    assert (200, "", f"Bearer {JWT}") == (answer["statusCode"], answer["body"], answer["headers"]["Authorization"])


def test_decide_judges_the_path_below_it():
    function = Lambda(**routes(("GET", "/orders/**", "read")))

    assert 200 == function(url("/decide/orders/1"))["statusCode"]
    assert 403 == function(url("/decide/admin"))["statusCode"]
    assert 400 == function(url("/decide/orders/..%2fadmin"))["statusCode"]
    assert 403 == function(url("/decide/orders/1", "POST"))["statusCode"]


@pytest.mark.parametrize("path", ["/introspect", "/decided", "/exchange/", "/exchange/x", "//", ""])
def test_any_other_path_is_not_there(path):
    function = Lambda()
    answer = function(url(path))

    assert (404 if path else 200) == answer["statusCode"]
    assert not path or [] == function.http.calls


@pytest.mark.parametrize("path", ["/exchange", "/"])
def test_other_methods_than_get_and_post_are_not_there(path):
    answer = Lambda()(url(path, "DELETE"))

    assert (405, "GET, POST") == (answer["statusCode"], answer["headers"]["Allow"])


def test_forwarded_fields_of_a_stranger_are_not_believed():
    function = Lambda(**routes(("GET", "/open", ""), ("GET", "/admin", "admin")))
    answer = function(url("/decide/admin", **{"x-forwarded-method": "GET", "x-forwarded-uri": "/open"}))

    assert 403 == answer["statusCode"]
    assert "untrusted peer ignored" in function.log


def test_forwarded_fields_of_a_caller_known_to_iam_are_believed_and_its_token_is_in_the_form():
    function = Lambda(**routes(("GET", "/open", "")))
    named = {"x-forwarded-method": "GET", "x-forwarded-uri": "/open"}

    assert 200 == function(by_iam("/decide", **named))["statusCode"]
    assert 403 == function(by_iam("/decide", **{**named, "x-forwarded-uri": "/admin"}))["statusCode"]
    assert 200 == function(by_iam("/exchange"))["statusCode"]
    assert 200 == function(by_iam("/"))["statusCode"]


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (None, 401),
        ("", 401),
        ("a=b", 401),
        (f"token={TOKEN}&token={TOKEN}", 400),
        ("token=%zz", 400),
        ("token=a%20b", 400),
        ("&".join(["a=b"] * 101), 400),
    ],
)
def test_a_form_without_one_token_is_refused(form, status):
    assert status == Lambda()(by_iam("/exchange", form))["statusCode"]


@pytest.mark.parametrize("body", ["not base64!", 7, "//79", ["x"]])
def test_a_body_that_is_no_form_is_refused(body):
    assert 400 == Lambda()(by_iam("/exchange") | {"body": body})["statusCode"]


def test_a_form_that_is_not_encoded_is_read_too():
    event = by_iam("/exchange") | {"body": f"token={TOKEN}", "isBase64Encoded": False}

    assert 200 == Lambda()(event)["statusCode"]


@pytest.mark.parametrize("authorizer", [None, {}, {"iam": None}, {"iam": {}}, {"iam": "yes"}, {"jwt": {"claims": {}}}])
def test_nobody_is_identified_but_by_iam(authorizer):
    event = by_iam("/exchange")
    event["requestContext"]["authorizer"] = authorizer

    assert 401 == Lambda()(event)["statusCode"]


def test_an_open_function_url_is_warned_about_once():
    function = Lambda()
    for _ in range(3):
        function(url("/exchange"))

    assert 1 == function.log.count("open_function_url")
    known = Lambda()
    known(by_iam("/exchange"))
    assert "open_function_url" not in known.log


def test_with_a_shared_secret_nobody_else_can_try_tokens():
    function = Lambda(PHANTOMGATE__AWS__SHARED_SECRET="env:SHARED", SHARED=SECRET)
    sent = {"x-phantomgate-secret": SECRET}

    assert 200 == function(url("/exchange", **sent))["statusCode"]
    assert 200 == function(by_iam("/exchange"))["statusCode"]
    calls = len(function.http.calls)
    for wrong in ({}, {"x-phantomgate-secret": "x"}, {"x-phantomgate-secret": ""}):
        assert 403 == function(url("/exchange", token="another", **wrong))["statusCode"]
    assert calls == len(function.http.calls)
    assert "open_function_url" not in function.log
    assert SECRET not in function.log


def test_a_shared_secret_that_could_be_guessed_is_none():
    function = Lambda(PHANTOMGATE__AWS__SHARED_SECRET="env:SHARED", SHARED="canary-15-chars")
    with pytest.raises(Trouble):
        function(url("/exchange"))
    assert "shorter than 16 characters" in function.log
    assert "canary-15" not in function.log


def test_a_load_balancer_gets_its_own_form_of_an_answer():
    plain = Lambda()(sample("alb", path="/exchange"))
    several = Lambda()(sample("alb_multivalue", path="/exchange"))

    assert ("200 OK", 200) == (plain["statusDescription"], plain["statusCode"])
    assert "application/json" == plain["headers"]["Content-Type"]
    assert ["application/json"] == several["multiValueHeaders"]["Content-Type"]
    assert "headers" not in several


@pytest.mark.parametrize("status", [200, 401, 403, 404, 405, 502, 503])
def test_a_load_balancer_gets_a_phrase_for_every_status(status):
    answer = {401: INACTIVE, 502: reply(401), 503: reply(500)}.get(status, answers())
    scopes = {"PHANTOMGATE__POLICY__SCOPES": "admin"} if status == 403 else {}
    path, method = ("/nowhere" if status == 404 else "/exchange"), ("PUT" if status == 405 else "GET")
    said = Lambda(answer, **scopes)(sample("alb", path=path, httpMethod=method))

    assert status == said["statusCode"]
    assert said["statusDescription"].startswith(f"{status} ")


def test_two_credentials_through_a_load_balancer_are_refused():
    event = sample("alb_multivalue", path="/exchange")
    event["multiValueHeaders"]["authorization"].append("Bearer other")

    assert 400 == Lambda()(event)["statusCode"]
