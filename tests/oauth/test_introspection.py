"""RFC 7662 and the phantom dialects: only one exact answer lets a token through."""

import json

import pytest

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.oauth.client_auth import client_assertion, client_secret_basic, client_secret_post
from phantomgate.oauth.introspection import introspection_request, read_introspection
from phantomgate.testing import reply
from tokens import NOW, jwt, segment

JWT = "application/jwt"
JSON = "application/json"


def read(answer, asked="jwt", **options):
    return read_introspection(answer, asked=asked, now=NOW, **options)


def refused(answer, asked="jwt", **options):
    with pytest.raises(Refused) as no:
        read(answer, asked, **options)
    return no.value


def said(**members):
    return reply(200, json.dumps(members), content_type=JSON)


def test_the_question_is_a_form_post_with_the_token_encoded_once():
    call = introspection_request("https://as/i", client_secret_basic("g", "s"), "a+b/c~d.e-f_g==", "jwt", 2.0)

    assert (call.method, call.url) == ("POST", "https://as/i")
    assert call.body == b"token=a%2Bb%2Fc~d.e-f_g%3D%3D&token_type_hint=access_token"
    assert dict(call.headers)["Accept"] == "application/jwt"
    assert dict(call.headers)["Content-Type"] == "application/x-www-form-urlencoded"
    assert "a+b" not in repr(call)


def test_it_may_be_asked_again_unless_it_shows_an_assertion_which_is_good_once():
    """RFC 7523 §3: `jti`."""
    secret = introspection_request("https://as/i", client_secret_basic("g", "s"), "t", "jwt", 2.0)
    assertion = introspection_request("https://as/i", client_assertion("g", "a.b.c"), "t", "jwt", 2.0)
    assert (True, False) == (secret.retry, assertion.retry)


def test_client_secret_post_adds_parameters():
    call = introspection_request("https://as/i", client_secret_post("g", "s&x=1"), "t", "json", 2.0)

    assert call.body == b"token=t&token_type_hint=access_token&client_id=g&client_secret=s%26x%3D1"
    assert dict(call.headers)["Accept"] == "application/json"


def test_a_jwt_answer_is_the_token():
    token = jwt(sub="åsa")

    found = read(reply(200, token, content_type="Application/JWT; charset=utf-8", cache_control="max-age=60"))

    assert found.jwt == token
    assert found.claims["sub"] == "åsa"
    assert found.expires_at == NOW + 3600
    assert found.freshness == 60


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_line_end_after_the_jwt_is_no_part_of_it(end):
    assert read(reply(200, jwt() + end, content_type=JWT)).jwt == jwt()


@pytest.mark.parametrize("body", ["\n\n", " ", "\r"])
def test_anything_else_around_the_jwt_is_no_answer(body):
    assert refused(reply(200, jwt() + body, content_type=JWT)).reason is Reason.BAD_ANSWER
    assert refused(reply(200, "\ufeff" + jwt(), content_type=JWT)).reason is Reason.BAD_ANSWER


@pytest.mark.parametrize("member", ["phantom_token", "jwt"])
def test_json_with_an_embedded_jwt_is_understood(member):
    found = read(said(active=True, **{member: jwt()}), "json")

    assert found.jwt == jwt()


def test_json_may_shorten_a_tokens_life_and_not_prolong_it():
    assert read(said(active=True, jwt=jwt(), exp=NOW + 10), "json").expires_at == NOW + 10
    assert read(said(active=True, jwt=jwt(), exp=NOW + 9999), "json").expires_at == NOW + 3600


def test_two_different_jwts_in_one_answer_are_none():
    answer = said(active=True, jwt=jwt(), phantom_token=jwt(sub="eve"))

    assert refused(answer, "json").reason is Reason.BAD_ANSWER


def test_204_means_inactive_to_who_asked_for_a_jwt_and_nothing_to_who_did_not():
    assert refused(reply(204)).reason is Reason.INACTIVE
    assert refused(reply(204), "json").reason is Reason.BAD_ANSWER


def test_active_false_is_inactive_whatever_else_it_says():
    for asked in ("jwt", "json"):
        assert refused(said(active=False, jwt=jwt()), asked).reason is Reason.INACTIVE


@pytest.mark.parametrize("active", ["true", 1, None, [], {}, "yes"])
def test_active_that_is_not_a_boolean_is_no_answer(active):
    assert refused(said(active=active, jwt=jwt()), "json").reason is Reason.BAD_ANSWER


def test_active_without_a_jwt_is_no_answer():
    assert refused(said(active=True, sub="ann", exp=NOW + 60), "json").reason is Reason.BAD_ANSWER


@pytest.mark.parametrize(
    "body",
    ["", " ", "[]", "true", "null", '"x"', "{", '{"active":true,"active":false}', '{"active":true}x', '{"a":NaN}'],
)
def test_json_that_is_not_one_strict_object_is_no_answer(body):
    assert refused(reply(200, body, content_type=JSON), "json").reason is Reason.BAD_ANSWER


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, "<html>login</html>", content_type="text/html"),
        reply(200, jwt(), content_type="text/plain"),
        reply(200, jwt()),
        reply(201, jwt(), content_type=JWT),
        reply(301, location="https://evil.example/"),
        reply(307, location="https://evil.example/"),
        reply(400, '{"error":"invalid_request"}', content_type=JSON),
        reply(404),
        reply(405),
        reply(410),
        reply(200, "a.b", content_type=JWT),
        reply(200, "", content_type=JWT),
        reply(200, jwt(header={"alg": "none"}), content_type=JWT),
        reply(200, jwt(header={"alg": "nOnE"}), content_type=JWT),
        reply(200, jwt(header={}), content_type=JWT),
        reply(200, jwt(header={"alg": "ES256", "typ": "token-introspection+jwt"}), content_type=JWT),
        reply(200, jwt(header={"alg": "ES256", "typ": "Application/Token-Introspection+JWT"}), content_type=JWT),
        reply(200, f"{segment({'alg': 'ES256'})}.{segment([])}.x", content_type=JWT),
        reply(200, f"{segment({'alg': 'ES256'})}.{segment(b'{')}.x", content_type=JWT),
    ],
    ids=lambda answer: f"{answer.status}-{len(answer.body)}",
)
def test_what_is_no_answer_to_our_question_is_a_bad_gateway(answer):
    no = refused(answer)

    assert no.reason is Reason.BAD_ANSWER
    assert no.reason.status == 502


def test_two_content_types_are_no_answer():
    answer = reply(200, jwt(), content_type=JWT)
    answer.headers.add(b"Content-Type", b"application/jwt")

    assert refused(answer).reason is Reason.BAD_ANSWER


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_our_client_is_never_the_callers_fault(status):
    no = refused(reply(status))

    assert no.reason is Reason.CLIENT_REFUSED
    assert no.reason.status == 502


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_a_server_in_trouble_is_unavailable(status):
    no = refused(reply(status))

    assert isinstance(no, Unavailable)
    assert no.reason.status == 503
    assert no.retry_after == 5


@pytest.mark.parametrize(
    ("sent", "kept"), [("7", 7), ("0", 1), ("86400", 60), ("Wed, 21 Oct", 5), ("-1", 5), ("9" * 99, 60)]
)
def test_retry_after_is_passed_on_within_a_minute(sent, kept):
    assert refused(reply(429, retry_after=sent)).retry_after == kept


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW}, Reason.EXPIRED),
        ({"exp": NOW - 1}, Reason.EXPIRED),
        ({"exp": None}, Reason.EXPIRED),
        ({"exp": str(NOW + 60)}, Reason.INVALID_TOKEN),
        ({"exp": True}, Reason.INVALID_TOKEN),
        ({"exp": 10**60}, Reason.INVALID_TOKEN),
        ({"nbf": NOW + 6}, Reason.INVALID_TOKEN),
        ({"iat": NOW + 6}, Reason.INVALID_TOKEN),
        ({"nbf": "soon"}, Reason.INVALID_TOKEN),
        ({"cnf": {"jkt": "x"}}, Reason.BOUND_TOKEN),
        ({"cnf": {}}, Reason.BOUND_TOKEN),
        ({"token_type": "DPoP"}, Reason.BOUND_TOKEN),
        ({"token_type": 7}, Reason.BOUND_TOKEN),
    ],
    ids=str,
)
def test_a_token_that_can_not_be_used_is_the_callers_fault(claims, reason):
    for answer in (reply(200, jwt(claims), content_type=JWT), said(active=True, jwt=jwt(claims))):
        no = refused(answer)
        assert no.reason is reason
        assert no.reason.status == 401


@pytest.mark.parametrize("claims", [{"exp": NOW - 1}, {"nbf": NOW + 6}, {"cnf": {"jkt": "x"}}, {"token_type": "DPoP"}])
def test_what_the_json_knows_counts_even_when_the_jwt_does_not_say_it(claims):
    assert refused(said(active=True, jwt=jwt(), **claims), "json").reason.status == 401


def test_times_within_the_skew_are_fine():
    assert read(reply(200, jwt(nbf=NOW + 5, iat=NOW + 5), content_type=JWT)).jwt


def test_an_answer_of_another_issuer_is_the_servers_fault():
    good = reply(200, jwt(), content_type=JWT)

    assert read(good, issuer="https://as.example").jwt
    assert refused(good, issuer="https://other.example").reason is Reason.BAD_ANSWER
    assert read(reply(200, jwt(iss=None), content_type=JWT), issuer="https://as.example").jwt


def test_no_refusal_quotes_the_answer():
    for answer in (
        reply(200, '{"active": "CANARY"}', content_type=JSON),
        reply(200, "CANARY", content_type=JWT),
        reply(200, '{"CANARY', content_type=JSON),
        reply(200, b"\xffCANARY", content_type=JSON),
        reply(500, "CANARY"),
        reply(200, jwt(iss="CANARY"), content_type=JWT),
        reply(200, jwt(token_type="CANARY"), content_type=JWT),
    ):
        no = refused(answer, issuer="https://as.example")
        assert "CANARY" not in f"{no!r} {no} {no.__cause__!r}"
