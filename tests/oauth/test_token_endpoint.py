"""RFC 6749 §4 and §5: what is asked of a token endpoint, and what its answers are to us."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.oauth.client_auth import client_secret_basic, client_secret_post
from phantomgate.oauth.token_endpoint import TokenAnswer, TokenRefused, read_token_reply, token_request
from phantomgate.testing import reply

ENDPOINT = "https://as.example/token"
GOOD = {"access_token": "canary-at", "token_type": "Bearer"}


def answer(status=200, **members):
    return reply(status, json.dumps(members), content_type="application/json")


def good(**members):
    return answer(**{**GOOD, **members})


def refused(given):
    with pytest.raises((Refused, TokenRefused)) as no:
        read_token_reply(given)
    return no.value


def test_the_request_is_a_form_with_nothing_in_the_url():
    call = token_request(
        ENDPOINT, client_secret_basic("me", "s"), [("grant_type", "authorization_code"), ("code", "a&b")], timeout=3
    )

    assert (call.method, call.url, call.timeout) == ("POST", ENDPOINT, 3)
    assert call.body == b"grant_type=authorization_code&code=a%26b"
    assert dict(call.headers) == {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": "Basic bWU6cw==",
    }


def test_the_client_s_parameters_come_after_ours():
    call = token_request(ENDPOINT, client_secret_post("me", "s"), [("grant_type", "x")], timeout=3)

    assert call.body == b"grant_type=x&client_id=me&client_secret=s"


def test_a_request_that_may_have_arrived_is_not_sent_again_unless_the_caller_says_so():
    client = client_secret_basic("me", "s")

    assert token_request(ENDPOINT, client, [], timeout=3).repeat is False
    assert token_request(ENDPOINT, client, [], timeout=3, repeat=True).repeat is True


@pytest.mark.parametrize("params", [[("code", "a"), ("code", "b")], [("client_id", "other")]])
def test_a_repeated_parameter_is_never_sent(params):
    with pytest.raises(ValueError, match="twice"):
        token_request(ENDPOINT, client_secret_post("me", "s"), params, timeout=3)


def test_audiences_and_resources_may_be_repeated():
    params = [("audience", "a"), ("audience", "b"), ("resource", "https://a"), ("resource", "https://b")]

    body = token_request(ENDPOINT, client_secret_basic("me", "s"), params, timeout=3).body

    assert body == b"audience=a&audience=b&resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb"


def test_a_whole_answer():
    said = good(
        expires_in=300,
        scope="read write",
        refresh_token="canary-rt",
        id_token="canary.id.token",
        issued_token_type="urn:ietf:params:oauth:token-type:jwt",
    )

    assert read_token_reply(said) == TokenAnswer(
        "canary-at",
        "bearer",
        300.0,
        "read write",
        "canary-rt",
        "canary.id.token",
        "urn:ietf:params:oauth:token-type:jwt",
    )


def test_what_may_be_missing_may_be_null():
    nothing = dict.fromkeys(("expires_in", "scope", "refresh_token", "id_token", "issued_token_type"))

    assert read_token_reply(good(**nothing)) == read_token_reply(good()) == TokenAnswer("canary-at", "bearer")


def test_the_secrets_of_an_answer_never_print():
    said = read_token_reply(good(refresh_token="canary-rt", id_token="canary.id.token"))

    assert "canary" not in repr(said)


@pytest.mark.parametrize("written", ["bearer", "BEARER", "Bearer"])
def test_the_token_type_is_compared_in_any_case(written):
    assert read_token_reply(good(token_type=written)).token_type == "bearer"


@pytest.mark.parametrize("kind", ["mac", "DPoP", "N_A", "", "bearer ", None, 1, ["Bearer"]])
def test_a_token_type_that_the_caller_can_t_use_is_no_answer(kind):
    assert refused(good(token_type=kind)).reason is Reason.BAD_ANSWER


def test_a_caller_who_can_use_another_token_type_says_so():
    assert read_token_reply(good(token_type="N_A"), types=("bearer", "n_a")).token_type == "n_a"


@pytest.mark.parametrize("lifetime", ["3600", True, -5, 1e99, [], 10**10 + 1])
def test_a_lifetime_that_is_none_is_no_answer(lifetime):
    assert refused(good(expires_in=lifetime)).reason is Reason.BAD_ANSWER


@pytest.mark.parametrize("lifetime", [0, 299.5, 2**31 - 1])
def test_a_lifetime_is_a_number_of_seconds(lifetime):
    assert read_token_reply(good(expires_in=lifetime)).expires_in == lifetime


def test_a_narrowed_scope_is_recorded_and_an_empty_one_is_not_a_missing_one():
    assert read_token_reply(good(scope="read")).scope == "read"
    assert read_token_reply(good(scope="")).scope == ""
    assert read_token_reply(good()).scope is None


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token", "issued_token_type"])
@pytest.mark.parametrize("value", ["", 1, {}, "a b", "a\n", "é", True])
def test_a_token_is_a_string_that_a_header_can_carry(name, value):
    assert refused(good(**{name: value})).reason is Reason.BAD_ANSWER


@pytest.mark.parametrize("value", [1, ["read"], "read\nwrite", "é"])
def test_a_scope_is_a_plain_string(value):
    assert refused(good(scope=value)).reason is Reason.BAD_ANSWER


@pytest.mark.parametrize(
    "given",
    [
        answer(token_type="Bearer"),
        answer(access_token=None, token_type="Bearer"),
        answer(access_token="x"),
        good(error="invalid_grant"),
        reply(200, json.dumps(GOOD), content_type="text/html"),
        reply(200, json.dumps(GOOD)),
        reply(200, "access_token=x&token_type=bearer", content_type="application/x-www-form-urlencoded"),
        reply(200, '{"access_token":"a","access_token":"b","token_type":"Bearer"}', content_type="application/json"),
        reply(200, '["x"]', content_type="application/json"),
        reply(201, json.dumps(GOOD), content_type="application/json"),
        reply(204),
        reply(302, location="https://as.example/login"),
        answer(400),
        answer(400, error=1),
        answer(400, error="what ever\n"),
        reply(400, "error=invalid_grant", content_type="text/plain"),
        answer(404, error="invalid_grant"),
    ],
)
def test_what_is_no_answer_is_told_apart_from_a_refusal(given):
    assert refused(given).reason is Reason.BAD_ANSWER


@pytest.mark.parametrize(
    "code",
    [
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
        "use_dpop_nonce",
    ],
)
def test_a_refused_grant_has_the_server_s_code(code):
    no = refused(answer(400, error=code, error_description="canary"))

    assert isinstance(no, TokenRefused)
    assert no.error == code
    assert "canary" not in str(no)


def test_a_grant_refused_with_403_is_a_refused_grant():
    assert refused(answer(403, error="invalid_grant")).error == "invalid_grant"


@pytest.mark.parametrize(
    "given",
    [
        answer(400, error="invalid_client"),
        answer(401, error="invalid_client"),
        answer(401, error="invalid_request"),
        reply(401),
        reply(403, "<html>", content_type="text/html"),
        reply(401, "{", content_type="application/json"),
    ],
)
def test_our_client_refused_says_nothing_of_the_grant(given):
    assert refused(given).reason is Reason.CLIENT_REFUSED


@pytest.mark.parametrize(
    "given",
    [
        reply(429),
        reply(500),
        answer(503, error="invalid_grant"),
        answer(400, error="temporarily_unavailable"),
        answer(400, error="server_error"),
    ],
)
def test_trouble_is_trouble(given):
    assert isinstance(refused(given), Unavailable)


def test_the_server_says_when_to_come_back():
    assert refused(reply(503, retry_after="17")).retry_after == 17


@given(st.integers(200, 599), st.binary(max_size=200))
def test_whatever_comes_is_an_answer_or_one_of_three_refusals(status, body):
    try:
        said = read_token_reply(reply(status, body.decode("latin-1"), content_type="application/json"))
    except (Refused, TokenRefused):
        return
    assert said.access_token
