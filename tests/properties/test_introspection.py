"""Whatever an authorization server answers: a refusal, or facts about a token that is active and has not expired."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.model import Headers
from phantomgate.core.ports import HttpReply
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.oauth.introspection import Answer, Introspected, introspection_request, read_introspection
from phantomgate.oauth.unverified import read_unverified
from phantomgate.testing import reply
from tokens import NOW, jwt, segment

ISSUER = "https://as.example"
SKEW = 5.0

times = st.sampled_from(
    [NOW + 60, NOW, NOW - 1, NOW + 5, NOW + 6, 0, -1, True, None, "soon", [], 10**18, NOW + 0.5, {}]
)
odd = st.sampled_from([None, True, False, 0, 1, "", "x", "true", [], ["x"], {}, {"a": 1}, 1.5])
facts = st.fixed_dictionaries(
    {"exp": times},
    optional={
        "nbf": times, "iat": times, "iss": odd | st.just(ISSUER), "aud": odd, "scope": odd, "sub": odd, "cnf": odd,
        "token_type": odd | st.sampled_from(["Bearer", "bearer", "DPoP", "access_token"]), "active": odd,
    },
)  # fmt: skip
likely = st.fixed_dictionaries({"exp": st.just(NOW + 60)}, optional={"iss": st.just(ISSUER), "iat": st.just(NOW)})
heads = st.sampled_from(
    [{"alg": "RS256"}, {"alg": "RS256", "typ": "at+jwt"}, {"alg": "none"}, {"alg": "None"}, {}, {"alg": 1}, {"alg": ""},
     {"alg": "RS256", "typ": "token-introspection+jwt"}, {"alg": "RS256", "typ": "application/Token-Introspection+JWT"},
     {"alg": "RS256", "typ": ["x"]}]
)  # fmt: skip
jwts = st.builds(
    lambda claims, head: f"{segment(head)}.{segment(claims)}.c2ln", likely | facts, st.just({"alg": "RS256"}) | heads
)
members = st.fixed_dictionaries(
    {"active": st.just(True) | odd},
    optional={
        "phantom_token": jwts | odd,
        "jwt": jwts | odd,
        "exp": times,
        "nbf": times,
        "iss": odd,
        "cnf": odd,
        "token_type": odd,
    },
)
bodies = st.one_of(
    jwts.map(str.encode),
    members.map(lambda said: json.dumps(said).encode()),
    st.binary(max_size=40),
    jwts.map(lambda text: text.encode() + b"\r\n"),
    jwts.map(lambda text: b" " + text.encode()),
)
types = st.sampled_from(
    ["application/jwt", "application/json", "application/jwt; charset=utf-8", "Application/JSON", "text/html", "",
     "application/token-introspection+jwt", "application/jwt, text/html"]
)  # fmt: skip
statuses = st.just(200) | st.sampled_from(
    [100, 201, 204, 206, 301, 302, 304, 400, 401, 403, 404, 418, 429, 500, 503, 599]
)
fields = st.lists(
    st.tuples(st.just("Content-Type"), types)
    | st.tuples(st.just("Cache-Control"), st.sampled_from(["no-store", "max-age=60", "max-age=x", "private"]))
    | st.tuples(
        st.sampled_from(["Retry-After", "Age", "Set-Cookie"]), st.sampled_from(["", "7", "x", "-1", "99999999"])
    ),
    max_size=4,
)
replies = st.builds(
    lambda status, first, more, body: HttpReply(status, Headers.of([("Content-Type", first), *more]), body),
    statuses, types, st.just([]) | fields, bodies,
)  # fmt: skip


@given(replies, st.sampled_from(["jwt", "json"]), st.sampled_from(["", ISSUER]))
@example(reply(200, jwt(exp=NOW + 60), content_type="application/jwt"), "jwt", "")
@example(reply(200, jwt(exp=NOW), content_type="application/jwt"), "jwt", "")
@example(reply(200, jwt(exp=NOW - 1), content_type="application/jwt"), "jwt", "")
@example(reply(200, json.dumps({"active": True, "jwt": jwt(), "exp": NOW}), content_type="application/json"), "jwt", "")
def test_every_answer_is_a_refusal_or_an_active_token_that_has_not_expired(answer, asked, issuer):
    said = outcome(answer, asked, issuer)
    if isinstance(said, Refused):
        check_refusal(said, answer)
    else:
        check_facts(said, answer, issuer)


def outcome(answer: HttpReply, asked: Answer, issuer: str = "") -> Introspected | Refused:
    try:
        return read_introspection(answer, asked=asked, now=NOW, issuer=issuer, clock_skew=SKEW)
    except Refused as no:
        return no


def check_refusal(no: Refused, answer: HttpReply) -> None:
    assert no.reason in {
        Reason.INACTIVE, Reason.EXPIRED, Reason.INVALID_TOKEN, Reason.BOUND_TOKEN, Reason.BAD_ANSWER,
        Reason.CLIENT_REFUSED, Reason.UNAVAILABLE,
    }  # fmt: skip
    if answer.status >= 500 or answer.status == 429:
        assert isinstance(no, Unavailable)
        assert 1 <= (no.retry_after or 0) <= 60
    elif answer.status in (401, 403):
        assert Reason.CLIENT_REFUSED is no.reason
    elif answer.status not in (200, 204):
        assert Reason.BAD_ANSWER is no.reason


def check_facts(said: Introspected, answer: HttpReply, issuer: str) -> None:
    """What was believed, looked at again from the other side."""
    assert 200 == answer.status
    [content_type] = answer.headers.all(b"content-type")
    if content_type.lower().startswith(b"application/json"):
        statement = json.loads(answer.body)
        assert statement["active"] is True
        assert {said.jwt} == {statement[name] for name in ("phantom_token", "jwt") if name in statement}
        assert "exp" not in statement or said.expires_at <= statement["exp"]
        assert statement.get("iss", issuer) == issuer or not issuer
        assert statement.get("cnf") is None
    else:
        assert content_type.lower().startswith(b"application/jwt")
        assert said.jwt.encode() == answer.body.rstrip(b"\r\n")
    header, claims = read_unverified(said.jwt)
    assert claims == said.claims
    assert header["alg"].lower() not in ("none", "")
    assert "introspection" not in str(header.get("typ", "")).lower()
    assert NOW < said.expires_at <= claims["exp"]
    assert type(claims["exp"]) is not bool
    assert all(claims[name] <= NOW + SKEW for name in ("nbf", "iat") if name in claims)
    assert claims.get("iss", issuer) == issuer or not issuer
    assert claims.get("cnf") is None
    assert str(claims.get("token_type") or "bearer").lower() in ("bearer", "access_token")
    assert said.freshness is None or said.freshness >= 0


@given(replies, st.sampled_from(["jwt", "json"]))
def test_no_refusal_quotes_the_answer(answer, asked):
    spoiled = HttpReply(answer.status, answer.headers, answer.body.replace(b'"x"', b'"canary"') + b"canary")
    said = outcome(spoiled, asked)
    assert not isinstance(said, Refused) or "canary" not in str(said)


@given(st.text(max_size=40), st.sampled_from(["jwt", "json"]))
def test_a_question_never_has_the_token_anywhere_but_in_its_form(token, answer):
    call = introspection_request(
        "https://as.example/i", client_secret_basic("id", "secret"), "canary" + token, answer, 2.0
    )
    assert ("POST", "https://as.example/i") == (call.method, call.url)
    assert all("canary" not in value for _, value in call.headers)
    assert call.body.startswith(b"token=canary")
    assert call.body.endswith(b"&token_type_hint=access_token")
    assert "canary" not in repr(call)
