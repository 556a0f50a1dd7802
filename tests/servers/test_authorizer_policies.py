"""Policies under API Gateway's cache: evaluated by IAM's rules, they never allow what we would refuse."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iam import evaluate
from lambdas import INACTIVE, TOKEN, Lambda, answers, http_2, rest, routes, sample
from phantomgate.adapters.aws_answers import Trouble, Unauthorized
from phantomgate.testing import reply
from tokens import jwt

BELOW = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/"
ORDERS = routes(("POST PUT", "/orders/**", "orders:write"), ("", "/**", "read"))
KNOWN = [
    ("", "/orders/**", "orders"),
    ("POST PUT", "/orders/**", "orders:write"),
    ("GET", "/orders/{id}", "orders"),
    ("GET", "/admin/**", "admin"),
    ("", "/", ""),
    ("", "/**", ""),
    ("", "/**", "read"),
    ("DELETE", "/{any}", "admin"),
]
tables = st.lists(st.sampled_from(KNOWN), min_size=1, max_size=4)
scopes = st.sets(st.sampled_from(["orders", "orders:write", "admin", "read"]))
segments = st.sampled_from(
    ["orders", "admin", "1", "*", "?", "..", "", "a;b", "%2f", "%61dmin", "orders%3Acancel", "urn:x:y", "orders:cancel"]
)
paths = st.lists(segments, max_size=4).map(lambda parts: "/" + "/".join(parts))
calls = st.lists(st.tuples(st.sampled_from(["GET", "POST", "DELETE", "HEAD"]), paths), min_size=1, max_size=8)


def cached(function: Lambda, event):
    """What API Gateway would remember; None for what it doesn't."""
    try:
        return function(event)
    except Unauthorized:
        return None


@settings(max_examples=150)
@given(tables, scopes, calls, calls)
@example(
    [KNOWN[1], KNOWN[6]], {"read"}, [("GET", "/x")], [("POST", "/orders"), ("PUT", "/x/../orders/1"), ("POST", "/x")]
)
@example(
    [KNOWN[2]], {"orders"}, [("GET", "/orders/1")], [("GET", "/orders/1/2"), ("GET", "/orders/"), ("GET", "/orders/*")]
)
def test_a_remembered_policy_allows_what_a_fresh_decision_would_and_no_more(table, granted, first, then):
    function = Lambda(answers(scope=" ".join(sorted(granted))), **routes(*table))
    exact = Lambda(answers(scope=" ".join(sorted(granted))), PHANTOMGATE__AWS__POLICY="exact", **routes(*table))
    try:
        remembered = [cached(function, rest(method, path)) for method, path in first]
    except Trouble:
        assert "can't be said in a policy" in function.log
        return
    policies = {json.dumps(one, sort_keys=True) for one in remembered if one and one["context"].get("Authorization")}
    assert len(policies) <= 1, "one token, one policy, whatever is called"
    for answer in filter(None, remembered):
        for method, path in then:
            resource = f"{BELOW}{method}{path}"
            fresh = cached(exact, rest(method, path))
            judged = fresh is not None and "Authorization" in fresh["context"]
            allowed = evaluate(answer["policyDocument"], resource)
            if allowed and not judged:
                assert {"*", "?"} & set(path), (method, path)  # `exact` can't name it, and the table grants it
                again = function(rest(method, path))
                assert evaluate(again["policyDocument"], resource)
            if judged and "%" not in path:  # encodings of what the table spells out are denied, wherever they lead
                assert allowed, (method, path)
            if allowed:
                assert f"Bearer {jwt(scope=' '.join(sorted(granted)))}" == answer["context"]["Authorization"]


def test_the_same_policy_answers_what_is_allowed_and_what_is_not():
    function = Lambda(answers(scope="read"), **ORDERS)
    allowed = function(rest("GET", "/orders/1"))
    refused = function(rest("POST", "/orders"))

    assert allowed == refused
    assert evaluate(allowed["policyDocument"], f"{BELOW}GET/orders/1")
    assert not evaluate(allowed["policyDocument"], f"{BELOW}POST/orders")
    assert 1 == len(function.http.calls)


def test_a_path_without_a_route_is_answered_by_what_the_token_may_reach():
    function = Lambda(answers(scope="read"), **routes(("GET", "/orders", "read")))
    answer = function(rest("GET", "/nowhere"))

    assert not evaluate(answer["policyDocument"], f"{BELOW}GET/nowhere")
    assert evaluate(answer["policyDocument"], f"{BELOW}GET/orders")


def test_a_token_that_may_reach_nothing_gets_a_deny():
    function = Lambda(answers(scope="other"), **routes(("GET", "/orders", "read")))
    answer = function(rest("GET", "/orders"))

    assert ["Deny"] == [one["Effect"] for one in answer["policyDocument"]["Statement"]]
    assert "insufficient_scope" == answer["context"]["error"]
    assert "Authorization" not in answer["context"]


def test_a_path_without_a_route_and_a_token_that_is_not_good_is_the_word():
    function = Lambda(INACTIVE, **routes(("GET", "/orders", "read")))
    with pytest.raises(Unauthorized):
        function(rest("GET", "/nowhere"))
    with pytest.raises(Unauthorized):
        function(rest("GET", "/nowhere") | {"authorizationToken": ""})


def test_trouble_behind_a_path_without_a_route_is_trouble_and_no_deny():
    function = Lambda(reply(503), **routes(("GET", "/orders", "read")))
    with pytest.raises(Trouble) as no:
        function(rest("GET", "/nowhere"))

    assert "Unauthorized" not in str(no.value)
    assert "reach" in function.log


@pytest.mark.parametrize("path", ["/a/%2e%2e/admin", "/a//b", "/a;b", "/a/../b", "/%5cx", "/a%252fb"])
def test_an_ambiguous_path_is_the_word_where_there_are_routes(path):
    with pytest.raises(Unauthorized):
        Lambda(**routes(("", "/**", "")))(rest("GET", path))


@pytest.mark.parametrize("own", ["/other", "/prod/orders/1/", "/x%2f../orders/1", "/x/..//orders/1", "orders/1", ""])
def test_an_event_that_gives_two_paths_is_refused_where_there_are_routes(own):
    event = sample("rest_request", methodArn=f"{BELOW}GET/orders/1", path=own)

    assert "ann" == Lambda()(event)["principalId"]
    with pytest.raises(Unauthorized):
        Lambda(**routes(("", "/**", "")))(event)


@pytest.mark.parametrize("own", ["/orders/1", "/prod/orders/1", "/v1.2/base/orders/1"])
def test_a_stage_or_a_base_path_before_it_is_the_same_path(own):
    event = sample("rest_request", methodArn=f"{BELOW}GET/orders/1", path=own)

    assert "Authorization" in Lambda(**routes(("", "/**", "")))(event)["context"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ((("GET", "/orders/{id}", "r"), ("GET", "/orders/{id}/items", "r")), ("routes[1]", "routes[2]")),
        ((("GET", "/orders/{id}", "r"), ("", "/**", "")), ("routes[1] (GET /orders/{id})", "routes[2] (* /**)")),
        ((("", "/admin/public", ""), ("", "/admin/**", "a"), ("", "/**", "")), ("routes[2]", "routes[1]")),
        ((("", "/a/*/b/**", ""),), ("routes[1]",)),
    ],
)
def test_a_table_that_iam_cannot_say_stops_the_function_and_names_the_routes(table, said):
    function = Lambda(**routes(*table))
    with pytest.raises(Trouble):
        function(rest("GET", "/x"))
    assert all(one in function.log for one in said)

    exact = Lambda(PHANTOMGATE__AWS__POLICY="exact", PHANTOMGATE__AWS__CACHE_TTL="0s", **routes(*table))
    assert cached(exact, rest("GET", "/orders/1")) is not None


def test_exact_allows_only_what_was_called():
    function = Lambda(PHANTOMGATE__AWS__POLICY="exact")
    answer = function(rest("GET", "/v1/urn:a:b/x.y~z"))

    assert [f"{BELOW}GET/v1/urn:a:b/x.y~z"] == answer["policyDocument"]["Statement"][0]["Resource"]


@pytest.mark.parametrize("path", ["/a*", "/?", "/${aws:username}", "/" + "x" * 500, "/a b", "/a\nb"])
def test_exact_never_names_a_path_that_would_be_a_pattern(path):
    answer = Lambda(PHANTOMGATE__AWS__POLICY="exact")(rest("GET", path))

    assert ["Deny"] == [one["Effect"] for one in answer["policyDocument"]["Statement"]]
    assert path not in json.dumps(answer["policyDocument"])


def test_exact_under_a_cache_is_a_settings_problem():
    function = Lambda(PHANTOMGATE__AWS__POLICY="exact", PHANTOMGATE__AWS__CACHE_TTL="5m")
    with pytest.raises(Trouble):
        function(rest("GET", "/x"))

    assert 'cache_ttl = \\"0s\\"' in function.log


def test_routes_with_jwts_for_different_audiences_are_a_settings_problem():
    table = [{"path": "/a/**", "upstream_audience": "a"}, {"path": "/b/**", "upstream_audience": "b"}]
    mint = {"PHANTOMGATE__MINT__KEYS": "env:MINT_KEY", "PHANTOMGATE__MINT__ISSUER": "https://us.example"}
    function = Lambda(PHANTOMGATE__ROUTES=json.dumps(table), PHANTOMGATE__MINT__AUDIENCE="a", **mint)
    with pytest.raises(Trouble):
        function(rest("GET", "/x"))

    assert "one JWT for all of them" in function.log


@pytest.mark.parametrize("path", ["/xyz", "/a*b", "/q?", "/${aws:x}", "/" + "y" * 900])
def test_nothing_of_the_callers_path_is_in_a_policy(path):
    for environ in ({}, routes(("", "/**", "")), routes(("GET", "/orders/{id}", ""))):
        answer = Lambda(**environ)(rest("GET", path))
        assert path not in json.dumps(answer["policyDocument"])


def test_a_web_socket_gets_its_one_resource_by_the_route_for_it():
    function = Lambda(**routes(("GET", "/$connect", "read")))
    answer = function(sample("websocket_connect"))
    resource = "arn:aws:execute-api:eu-west-1:123456789012:ws123abc/prod/$connect"

    assert [resource] == answer["policyDocument"]["Statement"][0]["Resource"]
    refused = Lambda(**routes(("GET", "/orders", "read")))(sample("websocket_connect"))
    assert not evaluate(refused["policyDocument"], resource)


def test_appsync_is_judged_by_the_route_for_its_path():
    function = Lambda(**routes(("POST", "/graphql", "read")))

    assert function(sample("appsync"))["isAuthorized"] is True
    assert {"isAuthorized": False, "ttlOverride": 0} == function(sample("appsync_events"))


@pytest.mark.parametrize(
    ("key", "in_identities", "ttl", "yes"),
    [
        ("GET /orders/{id}", True, "unknown", True),
        ("GET /orders/{id}", True, "5m", True),
        ("GET /orders/{id}", False, "unknown", False),
        ("GET /orders/{id}", False, "5m", False),
        ("GET /orders/{id}", False, "0s", True),
        ("ANY /orders/{id}", True, "5m", False),
        ("ANY /orders/{proxy+}", True, "5m", False),
        ("GET /{proxy+}", True, "5m", False),
        ("$default", True, "5m", False),
        ("$default", True, "0s", True),
        ("", True, "5m", False),
    ],
)
def test_a_plain_yes_under_routes_is_for_routes_of_the_api_that_one_rule_is_for(key, in_identities, ttl, yes):
    table = routes(("POST", "/orders/**", "write"), ("GET", "/orders/**", "read"), ("", "/**", "admin"))
    function = Lambda(PHANTOMGATE__AWS__CACHE_TTL=ttl, **table)
    identities = [f"Bearer {TOKEN}", *([key] if in_identities else [])]
    answer = function(http_2("GET", "/orders/1", key, identities))

    assert yes is answer["isAuthorized"]
    assert yes or "$context.routeKey" in function.log


def test_one_rule_for_everything_needs_no_route_key_of_its_own():
    function = Lambda(PHANTOMGATE__AWS__CACHE_TTL="5m", **routes(("", "/**", "read")))

    assert function(http_2("GET", "/x", "$default", [f"Bearer {TOKEN}", "$default"]))["isAuthorized"] is True


RESOURCE = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/GET/*"


def test_a_resource_of_the_settings_is_what_is_allowed():
    function = Lambda(PHANTOMGATE__AWS__RESOURCE=RESOURCE)

    assert [RESOURCE] == function(rest("DELETE", "/x"))["policyDocument"]["Statement"][0]["Resource"]


def test_a_plain_yes_is_only_for_the_resource_of_the_settings():
    function = Lambda(PHANTOMGATE__AWS__RESOURCE=RESOURCE.replace("prod", "$default"))

    assert function(http_2("GET", "/a/b"))["isAuthorized"] is True
    assert {"isAuthorized": False} == function(http_2("POST", "/a/b"))


def test_an_http_api_with_policies_is_told_the_same_as_others_and_a_no_beside_it():
    function = Lambda(answers(scope="read"), PHANTOMGATE__AWS__HTTP_API="iam", **ORDERS)
    refused = function(http_2("POST", "/orders"))
    below = BELOW.replace("prod", "$default")

    assert refused["isAuthorized"] is False
    assert not evaluate(refused["policyDocument"], f"{below}POST/orders")
    assert evaluate(refused["policyDocument"], f"{below}GET/orders")
    assert function(http_2("GET", "/orders")) == {key: refused[key] for key in refused if key != "isAuthorized"}


def test_a_rule_for_another_issuer_grants_nothing_to_this_ones_tokens():
    issuers = [
        {"name": name, "issuer": f"https://{name}.example", "mode": "introspect", "prefix": f"{name}_",
         "introspection": {"endpoint": f"https://{name}.example/i", "client_id": "x", "client_secret": "env:CANARY"}}
        for name in ("a", "b")
    ]  # fmt: skip
    table = [{"path": "/a/**", "issuer": "a"}, {"path": "/b/**", "issuer": "b"}]
    environ = {"CANARY": "s", "PHANTOMGATE__ISSUERS": json.dumps(issuers), "PHANTOMGATE__ROUTES": json.dumps(table)}
    function = Lambda(answers(iss="https://a.example"), environ)
    answer = function(rest("GET", "/a/x", "a_token"))

    assert evaluate(answer["policyDocument"], f"{BELOW}GET/a/x")
    assert not evaluate(answer["policyDocument"], f"{BELOW}GET/b/x")
    with pytest.raises(Unauthorized):
        function(rest("GET", "/b/x", "a_token"))
