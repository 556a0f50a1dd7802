"""Group AWS: what a cached authorizer, a confused event or a leaky answer would let through."""

from __future__ import annotations

import json

import pytest

from attacks.cases import attack, attacks
from iam import evaluate
from lambdas import ENVIRON, INACTIVE, SECRET, TOKEN, Lambda, answers, http_2, rest, routes, sample
from phantomgate.adapters.aws_answers import Trouble, Unauthorized
from phantomgate.core.errors import Unavailable
from phantomgate.testing import reply
from tokens import jwt

BELOW = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/"
PHANTOM = {
    "HOST": "as.example",
    "INTROSPECTION_PATH": "/introspect",
    "CLIENT_ID": "gateway",
    "CLIENT_SECRET": SECRET,
}


@attack("AWS-001")
def test_a_remembered_policy_allows_only_routes_proven_by_scope(case):
    function = Lambda(answers(scope="pets"), **routes(("GET", "/pets/**", "pets"), ("", "/admin/**", "admin")))
    policy = function(rest("GET", "/pets"))["policyDocument"]

    assert evaluate(policy, f"{BELOW}GET/pets")
    assert not evaluate(policy, f"{BELOW}DELETE/admin")
    assert not evaluate(policy, f"{BELOW}DELETE/pets")


@attack("AWS-002")
def test_without_a_scope_everything_active_is_let_in_with_a_warning_and_nothing_else(case):
    function = Lambda(environ=PHANTOM)

    assert "ann" == function(rest("GET", "/x"))["principalId"]
    assert '"setting":"SCOPE"' in function.log
    with pytest.raises(Unauthorized):
        Lambda(INACTIVE, PHANTOM)(rest("GET", "/x"))


@attack("AWS-005")
def test_colons_in_a_path_are_part_of_it(case):
    function = Lambda(**routes(("GET", "/users/{id}", "read")))
    policy = function(rest("GET", "/users/urn:x:y"))["policyDocument"]

    assert evaluate(policy, f"{BELOW}GET/users/urn:x:y")
    assert not evaluate(policy, f"{BELOW}GET/users/urn:x:y/keys")


@attacks(
    "value", [("AWS-007", ...), ("AWS-007", ""), ("AWS-007", None), ("AWS-007", 7), ("AWS-007", f"Bearer {'a' * 9216}")]
)
def test_no_usable_credential_is_exactly_the_word(value):
    function = Lambda()
    with pytest.raises(Exception, match=r"\AUnauthorized\Z") as no:
        function(sample("rest_token", authorizationToken=value))

    assert "Unauthorized" == str(no.value)
    assert [] == function.http.calls


@attack("AWS-008")
def test_an_unreachable_server_is_an_error_and_never_a_deny(case):
    for answer in (Unavailable("refused"), reply(500), reply(503)):
        for table in ({}, routes(("GET", "/pets", "pets"))):
            with pytest.raises(Trouble) as no:
                Lambda(answer, **table)(rest("GET", "/pets"))
            assert "Unauthorized" not in str(no.value)


@attack("AWS-010")
def test_a_missing_scope_is_a_deny_that_says_so(case):
    answer = Lambda(PHANTOMGATE__POLICY__SCOPES="admin")(rest("GET", "/x"))

    assert not evaluate(answer["policyDocument"], f"{BELOW}GET/x")
    assert "insufficient_scope" == answer["context"]["error"]


@attack("AWS-013")
def test_no_principal_is_a_token_or_missing(case):
    for claims in ({}, {"sub": None}, {"sub": TOKEN}, {"sub": ""}, {"sub": {"a": 1}}, {"sub": "me@example.com"}):
        jwt_ = jwt(**claims)
        principal = Lambda(answers(**claims))(sample("rest_request"))["principalId"]
        assert principal
        assert principal not in (TOKEN, jwt_)


@attacks(
    ("headers", "several"),
    [
        ("AWS-015", None, None),
        ("AWS-015", ..., ...),
        ("AWS-015", {"authorization": "Bearer a", "Authorization": "Bearer b"}, None),
        ("AWS-015", {"authorization": "Bearer a"}, {"Authorization": ["Bearer b"]}),
        ("AWS-015", None, {"authorization": ["Bearer a", "Bearer b"]}),
    ],
)
def test_missing_or_ambiguous_fields_are_refused(headers, several):
    with pytest.raises(Unauthorized):
        Lambda()(sample("rest_request", headers=headers, multiValueHeaders=several))


@attack("AWS-015")
def test_several_values_alone_and_any_case_are_read(case):
    several = {"AUTHORIZATION": [f"Bearer {TOKEN}"]}

    assert "ann" == Lambda()(sample("rest_request", headers=..., multiValueHeaders=several))["principalId"]


@attacks(
    "event",
    [
        ("AWS-020", sample("http_v2", version="1.0")),
        ("AWS-020", sample("http_v1", version="2.0")),
        ("AWS-020", sample("http_v2", version=...)),
        ("AWS-020", sample("http_v2", version=2)),
        ("AWS-020", sample("http_v1", version=1)),
    ],
)
def test_an_event_of_a_confused_version_is_refused(event):
    with pytest.raises(Trouble):
        Lambda()(event)


@attack("AWS-023")
def test_an_answer_is_not_remembered_for_another_credential(case):
    for ttl in ("unknown", "5m", "0s"):
        function = Lambda(PHANTOMGATE__AWS__CACHE_TTL=ttl)
        assert {"isAuthorized": False} == function(http_2("GET", "/x", identities=["Bearer X"]))
        assert [] == function.http.calls


@attack("AWS-024")
def test_two_cookies_of_one_name_are_refused(case):
    from sealed import KEY

    page = {"TRUSTED_WEB_ORIGINS": "https://www.example.com", "COOKIE_PREFIX": "example", "KEYS": "env:COOKIE_KEY"}
    ours = {f"PHANTOMGATE__SESSION__{key}": value for key, value in page.items()}
    ours |= {**ENVIRON, "PHANTOMGATE__AWS__CACHE_TTL": "0s", "COOKIE_KEY": KEY}
    of_node = {
        "TRUSTED_WEB_ORIGINS": "https://www.example.com",
        "COOKIE_NAME_PREFIX": "example",
        "ENCRYPTION_KEY": KEY,
        "USE_PHANTOM_TOKEN": "true",
        "INTROSPECTION_URL": "https://as.example/introspect",
        "CLIENT_ID": "gateway",
        "CLIENT_SECRET": "x",
    }
    for environ, name in ((ours, "__Host-example-at"), (of_node, "example-at")):
        function = Lambda(environ=environ)
        event = {**http_2("GET", "/x", identities=["x"]), "headers": {}, "cookies": [f"{name}=a", f"{name}=b"]}

        assert {"isAuthorized": False} == function(event)
        assert "malformed_request" in function.log
        beside = {**event, "headers": {"cookie": f"{name}=a"}, "cookies": [f"{name}=a"]}
        assert {"isAuthorized": False} == function(beside)
        assert 2 == function.log.count("malformed_request")
        assert [] == function.http.calls


@attacks(
    "path",
    [
        ("AWS-026", "/admin%2f..%2fpublic"),
        ("AWS-026", "/ADMIN"),
        ("AWS-026", "/admin;x=1"),
        ("AWS-026", "//admin"),
    ],
)
def test_a_path_that_could_be_another_is_refused(path):
    table = routes(("GET", "/admin/**", "admin"), ("GET", "/public/**", ""))
    function = Lambda(PHANTOMGATE__AWS__CACHE_TTL="0s", **table)

    assert {"isAuthorized": False} == function(http_2("GET", path))
    assert function(http_2("GET", "/public"))["isAuthorized"] is True


@attack("AWS-027")
def test_an_authorizer_without_simple_answers_gets_policies(case):
    function = Lambda(PHANTOMGATE__AWS__HTTP_API="iam")

    assert "policyDocument" in function(http_2("GET", "/x"))
    assert "policyDocument" in function(http_2("GET", "/x") | {"headers": {}, "identitySource": None})


@attack("AWS-028")
def test_a_token_in_the_query_of_a_web_socket_is_not_one(case):
    function = Lambda()
    with pytest.raises(Unauthorized):
        function(sample("websocket_connect_query_token"))

    assert [] == function.http.calls
    assert TOKEN not in function.log


@attack("AWS-034")
def test_a_secret_in_the_zip_is_warned_of_and_one_kept_by_aws_is_asked_for(case, tmp_path):
    text = "".join(f"{name}={value}\n" for name, value in PHANTOM.items())
    (tmp_path / ".env").write_text(text)
    bundled = Lambda(environ={"LAMBDA_TASK_ROOT": str(tmp_path)})
    bundled(rest("GET", "/x"))
    assert '"setting":"CLIENT_SECRET"' in bundled.log
    assert SECRET not in bundled.log

    kept = Lambda(environ={**ENVIRON, "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "aws-sm:prod#key"})
    with pytest.raises(Trouble):
        kept(rest("GET", "/x"))
    assert "Lambda sets them" in kept.log


@attack("AWS-038")
def test_a_herd_of_cold_functions_asks_once_a_request_and_is_told_to_come_back(case):
    for _ in range(100):
        function = Lambda(reply(429, retry_after="7"))
        with pytest.raises(Trouble, match="temporarily_unavailable"):
            function(rest("GET", "/x"))
        assert 1 == len(function.http.calls)
        assert 503 == json.loads(function.log)["status"]
