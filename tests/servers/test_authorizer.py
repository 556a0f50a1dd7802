"""One function, every event: the answers that AWS understands, and nothing let in that shouldn't be."""

from __future__ import annotations

import json
from math import inf

import pytest

from lambdas import ENVIRON, INACTIVE, SECRET, TOKEN, Lambda, answers, http_2, rest, sample
from phantomgate.adapters.aws_answers import Trouble, Unauthorized
from phantomgate.core.errors import Unavailable
from phantomgate.testing import reply
from tokens import NOW, jwt

JWT = jwt()
BELOW = "arn:aws:execute-api:eu-west-1:123456789012:ymy8tbxw7b/prod/*"
CONTEXT = {"sub": "ann", "scope": "read write", "client_id": "", "exp": NOW + 3600, "Authorization": f"Bearer {JWT}"}
POLICIES = {
    "rest_token": BELOW,
    "rest_token_china_partition": "arn:aws-cn:execute-api:cn-north-1:123456789012:ymy8tbxw7b/prod/*",
    "rest_token_colon_in_path": BELOW,
    "rest_token_console_test": BELOW.replace("prod", "ESTestInvoke-stage"),
    "rest_request": BELOW,
    "rest_request_mtls": BELOW,
    "http_v1": "arn:aws:execute-api:eu-west-1:123456789012:abcdef123/$default/*",
    "websocket_connect": "arn:aws:execute-api:eu-west-1:123456789012:ws123abc/prod/*",
}
SIMPLE = ["http_v2", "http_v2_default_route_named_stage", "http_v2_mtls"]
WITHOUT_ONE_CREDENTIAL = [
    "rest_request_console_test_nulls",
    "rest_request_cookie_post",
    "rest_request_cookie_post_titlecase",
    "rest_request_duplicate_authorization",
    "rest_token_raw_no_scheme",
    "websocket_connect_query_token",
]
NOT_LET_IN = ["http_v2_no_identity_source", "http_v2_duplicate_authorization", "http_v2_cookies_post"]
UNKNOWN = [
    *("agentcore_gateway_request_interceptor", "iot_http", "iot_mqtt", "iot_mqtt_over_ws", "vpc_lattice_v2"),
    *("lambda_edge_origin_request", "lambda_edge_viewer_request"),
]
APPSYNC = ["appsync", "appsync_events"]
OVER_HTTP = [
    *("alb", "alb_multivalue", "alb_oidc_authenticated", "function_url_bearer_none_auth", "function_url_forward_auth"),
    "function_url_iam_form_body",
]
EVENTS = [*POLICIES, *SIMPLE, *WITHOUT_ONE_CREDENTIAL, *NOT_LET_IN, *APPSYNC]


def test_every_sample_has_its_test():
    from lambdas import SAMPLES

    assert sorted(path.stem for path in SAMPLES.glob("*.json")) == sorted([*EVENTS, *UNKNOWN, *OVER_HTTP])


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_allows_the_whole_stage_and_carries_the_jwt(name):
    function = Lambda()

    assert {
        "principalId": "ann",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": [POLICIES[name]]}],
        },
        "context": CONTEXT,
    } == function(sample(name))
    assert f"token={TOKEN}&".encode() in function.http.calls[0].body


@pytest.mark.parametrize("name", SIMPLE)
def test_a_plain_yes_carries_the_jwt(name):
    assert {"isAuthorized": True, "context": CONTEXT} == Lambda()(sample(name))


@pytest.mark.parametrize("name", APPSYNC)
def test_appsync_remembers_a_yes_no_longer_than_the_token_may_be(name):
    assert {"isAuthorized": True, "resolverContext": CONTEXT, "ttlOverride": 300} == Lambda()(sample(name))
    short = Lambda(answers(exp=NOW + 7))(sample(name))
    assert 7 == short["ttlOverride"]


@pytest.mark.parametrize("name", WITHOUT_ONE_CREDENTIAL)
def test_a_missing_or_malformed_credential_is_the_word_unauthorized_and_nobody_is_asked(name):
    function = Lambda()
    with pytest.raises(Unauthorized) as no:
        function(sample(name))

    assert "Unauthorized" == str(no.value)
    assert [] == function.http.calls


@pytest.mark.parametrize("name", NOT_LET_IN)
def test_http_apis_hear_no_instead(name):
    assert {"isAuthorized": False} == Lambda()(sample(name))
    with pytest.raises(Unauthorized):
        Lambda(PHANTOMGATE__AWS__RAISE_UNAUTHORIZED="true")(sample(name))


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_event_is_refused_and_its_keys_are_logged(name):
    function = Lambda()
    event = sample(name)
    with pytest.raises(Trouble, match="no event that we know"):
        function(event)

    assert all(repr(key) in function.log for key in event)
    assert TOKEN not in function.log


@pytest.mark.parametrize(
    "event",
    [
        *(None, [], "x", 7, {}, {"type": "TOKEN"}, {"Unauthorized": 1}),
        sample("rest_token", version="1.0"),
        sample("rest_token", type="token"),
        sample("http_v2", version="1.0"),
        sample("http_v2", version=2),
        sample("http_v2", version=...),
        sample("http_v1", version="2.0"),
        sample("http_v1", version=1.0),
        sample("rest_token", methodArn=None),
        sample("rest_token", methodArn="arn:aws:lambda:eu-west-1:1:abc/prod/GET/x"),
        sample("rest_token", methodArn="arn:aws:execute-api:eu-west-1:1:abc/pr*d/GET/x"),
        sample("rest_token", methodArn="arn:aws:execute-api:eu-west-1:1:abc/prod/get/x"),
        sample("rest_token", methodArn="arn:aws:execute-api:eu-west-1:1:abc/prod/$connect/x"),
        sample("rest_token", methodArn="arn:aws:execute-api:eu-west-1:1:abc/prod"),
        sample("appsync", requestContext=None),
        sample("function_url_bearer_none_auth", requestContext={"http": {}, "domainName": "api.example.com"}),
    ],
)
def test_what_is_no_such_event_is_refused_without_the_word_that_would_make_401_of_it(event):
    with pytest.raises(Trouble) as no:
        Lambda()(event)

    assert "Unauthorized" not in str(no.value)


@pytest.mark.parametrize(
    "value", [..., None, "", 7, ["Bearer a"], "Bearer", "Bearer  ", f"Bearer {'a' * 9000}", "Basic x"]
)
def test_a_token_event_without_a_token_is_the_word(value):
    with pytest.raises(Unauthorized):
        Lambda()(sample("rest_token", authorizationToken=value))


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize(
    "trouble",
    [
        *(Unavailable("no connection"), reply(500), reply(429), reply(401), reply(200, "x", content_type="text/html")),
        *(ValueError(TOKEN), reply(200, "a.b.c", content_type="application/jwt")),
    ],
    ids=["connection", "500", "429", "401", "html", "bug", "no JWT"],
)
def test_trouble_is_raised_everywhere_and_says_neither_the_word_nor_a_secret(name, trouble):
    function = Lambda(trouble)
    event = sample(name)
    if name in (*WITHOUT_ONE_CREDENTIAL, *NOT_LET_IN):
        return
    with pytest.raises(Trouble) as no:
        function(event)

    assert "Unauthorized" not in str(no.value)
    assert no.value.__suppress_context__
    assert TOKEN not in f"{no.value}{function.log}"
    assert 1 == len(function.lines)
    assert no.value.args[0].rpartition("decision ")[2].rstrip(")") in function.log


@pytest.mark.parametrize("name", POLICIES)
def test_a_token_that_is_not_active_is_the_word(name):
    with pytest.raises(Unauthorized):
        Lambda(INACTIVE)(sample(name))


def test_a_missing_scope_is_a_deny_with_its_reason_for_the_gateway_response():
    denied = Lambda(PHANTOMGATE__POLICY__SCOPES="orders:write")(sample("rest_token"))

    assert [{"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": [BELOW]}] == denied["policyDocument"][
        "Statement"
    ]
    assert "insufficient_scope" == denied["context"]["error"]
    assert "orders:write" == denied["context"]["scope"]
    assert JWT not in json.dumps(denied)


def test_appsync_and_http_apis_say_no_to_a_missing_scope():
    function = Lambda(PHANTOMGATE__POLICY__SCOPES="orders:write")

    assert {"isAuthorized": False, "ttlOverride": 0} == function(sample("appsync"))
    assert {"isAuthorized": False} == function(sample("http_v2"))


def test_an_http_api_without_simple_answers_gets_policies_and_a_no_that_is_both():
    function = Lambda(PHANTOMGATE__AWS__HTTP_API="iam")
    allowed = function(sample("http_v2"))
    refused = function(sample("http_v2", headers={}, identitySource=None))

    resource = "arn:aws:execute-api:eu-west-1:123456789012:abcdef123/$default/*"
    assert [resource] == allowed["policyDocument"]["Statement"][0]["Resource"]
    assert "isAuthorized" not in allowed
    assert refused["isAuthorized"] is False
    assert [("Deny", [resource])] == [
        (one["Effect"], one["Resource"]) for one in refused["policyDocument"]["Statement"]
    ]


def test_the_bare_jwt_is_there_for_who_had_it_so():
    answer = Lambda(PHANTOMGATE__AWS__BEARER_PREFIX="false")(sample("rest_token"))

    assert JWT == answer["context"]["Authorization"]


def test_a_bare_token_is_one_where_the_settings_say_so_and_nowhere_else():
    function = Lambda(PHANTOMGATE__AWS__BARE_TOKEN="true")

    assert "ann" == function(sample("rest_token_raw_no_scheme"))["principalId"]
    for value in ("bearer", f"Basic {TOKEN}", f"{TOKEN},{TOKEN}", f" {TOKEN}"):
        with pytest.raises(Unauthorized):
            function(sample("rest_token", authorizationToken=value))
    with pytest.raises(Unauthorized):
        function(sample("rest_request", headers={"authorization": TOKEN}, multiValueHeaders=None))


@pytest.mark.parametrize(
    ("claims", "principal"),
    [
        ({}, "ann"),
        ({"sub": "åsa|1"}, "%C3%A5sa|1"),
        ({"sub": None, "client_id": "app"}, "app"),
        ({"sub": None, "azp": "spa"}, "spa"),
        ({"sub": 7, "client_id": "app"}, "app"),
        ({"sub": TOKEN, "client_id": "app"}, "app"),
        ({"sub": ""}, ""),
        ({"sub": None}, ""),
        ({"sub": "x" * 300}, ""),
    ],
)
def test_the_principal_is_whom_the_token_is_about_and_never_a_token(claims, principal):
    answer = Lambda(answers(**claims))(sample("rest_token"))

    if principal:
        assert principal == answer["principalId"]
    else:
        assert 64 == len(answer["principalId"])
        assert int(answer["principalId"], 16)


def test_the_context_is_flat_and_holds_nothing_that_a_remembered_one_would_break_on():
    given = answers(sub='a"b\\c{"d":1}', scope=["a", "b"], client_id=None, azp="spa", tenant={"deep": 1})
    function = Lambda(given, PHANTOMGATE__FORWARD__CLAIMS='{"X-Tenant": "tenant", "claims": "sub"}')
    context = function(sample("rest_token"))["context"]

    assert "a%22b%5Cc{%22d%22:1}" == context["sub"]
    assert "a b" == context["scope"]
    assert "spa" == context["client_id"]
    assert "" == context["X-Tenant"]
    assert "claims" not in context
    assert all(isinstance(value, (str, int)) for value in context.values())
    assert not any(char in f"{value}" for value in context.values() for char in '"\\')


@pytest.mark.parametrize("name", ["rest_token", "http_v2", "appsync"])
def test_an_answer_longer_than_aws_takes_is_trouble_with_its_reason(name):
    function = Lambda(answers(padding="x" * 6200))
    with pytest.raises(Trouble, match="bytes, AWS takes 8192"):
        function(sample(name))

    assert "AWS takes 8192" in function.log


def test_an_answer_may_be_as_long_as_aws_takes_to_the_byte():
    longest = 0
    for size in range(5600, 5900):
        try:
            answer = Lambda(answers(padding="x" * size))(sample("rest_token"))
        except Trouble:
            break
        longest = len(json.dumps(answer, separators=(",", ":")))

    assert 8190 <= longest <= 8192


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}", "Authorization": "Bearer other"},
        {"authorization": [TOKEN]},
        {"authorization": 7},
        [],
        "authorization",
        {"authorization": f"Bearer {TOKEN}\n"},
        {"authorization": "Bearer ÿ☃"},
    ],
)
def test_fields_that_could_be_read_in_two_ways_are_refused(headers):
    with pytest.raises(Unauthorized):
        Lambda()(sample("rest_request", headers=headers, multiValueHeaders=None))


@pytest.mark.parametrize(
    ("headers", "several"),
    [
        ({"AUTHORIZATION": f"bearer {TOKEN}"}, None),
        (None, {"aUthorization": [f"BEARER  {TOKEN}"]}),
        ({"Authorization": f"Bearer {TOKEN}"}, {"Authorization": [f"Bearer {TOKEN}"]}),
    ],
)
def test_a_field_is_found_however_its_name_is_written(headers, several):
    event = sample("rest_request", headers=headers, multiValueHeaders=several)

    assert "ann" == Lambda()(event)["principalId"]


@pytest.mark.parametrize(
    "several",
    [{"Authorization": ["Bearer a", "Bearer a"]}, {"Authorization": "Bearer a"}, {"Authorization": ["Bearer other"]}],
)
def test_two_maps_that_disagree_are_refused(several):
    event = sample("rest_request", headers={"Authorization": "Bearer a"}, multiValueHeaders=several)
    with pytest.raises(Unauthorized):
        Lambda()(event)


def test_a_token_in_the_query_beside_one_in_the_field_is_refused_and_alone_ignored():
    both = sample("rest_request", queryStringParameters={"access_token": "x"})
    with pytest.raises(Unauthorized):
        Lambda()(both)
    with pytest.raises(Unauthorized):
        Lambda()(
            sample("rest_request", headers=None, multiValueHeaders=None, queryStringParameters={"access_token": TOKEN})
        )
    assert {"isAuthorized": False} == Lambda()(sample("http_v2", rawQueryString="a=1&access_token=x"))


def test_the_cookies_of_an_http_api_are_one_field():
    event = http_2("GET", "/x", cookies=["a=1", "b=2"])

    assert Lambda()(event)["isAuthorized"] is True


@pytest.mark.parametrize("ttl", ["unknown", "60s"])
def test_an_answer_is_not_remembered_by_less_than_the_credential(ttl):
    function = Lambda(PHANTOMGATE__AWS__CACHE_TTL=ttl)

    assert {"isAuthorized": False} == function(http_2("GET", "/x", identities=["https://www.example.com"]))
    with pytest.raises(Unauthorized):
        function(sample("http_v1", identitySource="something else"))
    assert "aws.cache_ttl" in function.log
    assert [] == function.http.calls


def test_without_a_cache_other_identity_sources_do_no_harm():
    function = Lambda(PHANTOMGATE__AWS__CACHE_TTL="0s")

    assert function(http_2("GET", "/x", identities=["https://www.example.com"]))["isAuthorized"] is True
    assert {"isAuthorized": False} == function(http_2("GET", "/x", identities=["Bearer another"]))
    assert "ann" == function(sample("http_v1", identitySource="something else"))["principalId"]


def test_facts_are_remembered_between_events_and_judged_for_each():
    function = Lambda()
    function(rest("GET", "/a"))
    function(rest("GET", "/b"))

    assert 1 == len(function.http.calls)


def test_a_settings_problem_is_logged_with_its_remedy_and_the_next_event_tries_again():
    function = Lambda(PHANTOMGATE__POLICY__SCOPE="read")
    with pytest.raises(Trouble, match="its log says why"):
        function(sample("rest_token"))
    assert "PHANTOMGATE__POLICY__SCOPES" in function.log
    del function.environ["PHANTOMGATE__POLICY__SCOPE"]

    assert "ann" == function(sample("rest_token"))["principalId"]


def test_no_line_holds_a_secret_whatever_goes_wrong():
    for answer in (None, INACTIVE, reply(500), Unavailable("x"), RuntimeError(SECRET), reply(401)):
        function = Lambda(answer, PHANTOMGATE__LOG__ALLOWS="true", PHANTOMGATE__LOG__LEVEL="debug")
        for name in [*EVENTS, *UNKNOWN, *OVER_HTTP]:
            try:
                said = json.dumps(function(sample(name)))
            except (Trouble, Unauthorized) as no:
                said = f"{no!r}"
            assert TOKEN not in said
            assert SECRET not in said
        assert function.lines
        assert not any(secret in function.log for secret in (TOKEN, SECRET, JWT, "AXFkd2V0c2", "eyJ"))


def test_a_token_that_is_not_good_yet_or_no_more_is_the_word():
    for claims in ({"exp": NOW}, {"exp": None}, {"nbf": NOW + 60}, {"exp": inf}):
        with pytest.raises((Unauthorized, Trouble)):
            Lambda(answers(**claims) if claims.get("exp") != inf else reply(200, "a.b.c"))(sample("rest_token"))


def test_the_handlers_are_the_public_names_of_their_module():
    import phantomgate.aws

    assert ["agent", "handler"] == phantomgate.aws.__all__
    for handler in (phantomgate.aws.handler, phantomgate.aws.agent):
        with pytest.raises(Trouble):
            handler({}, None)


def test_where_a_variable_is_missing_the_log_says_which():
    function = Lambda(environ={key: value for key, value in ENVIRON.items() if key != "CANARY"})
    with pytest.raises(Trouble):
        function(sample("rest_token"))

    assert "the variable CANARY, which is not set" in function.log
