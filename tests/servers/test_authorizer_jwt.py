"""In the place of the Node JWT authorizer: `JWKS_URI` and `RESOURCE`, and no less checked than elsewhere."""

from __future__ import annotations

import pytest

from issuing import key_reply, signed
from lambdas import Lambda, rest
from phantomgate.adapters.aws_answers import Trouble, Unauthorized
from phantomgate.core.errors import Unavailable
from phantomgate.testing import FakeClock, reply
from tokens import NOW, jwt

RESOURCE = "arn:aws:execute-api:eu-west-1:123456789012:abc/*/GET/*"
ENVIRON = {"JWKS_URI": "https://as.example/jwks", "RESOURCE": RESOURCE}
KEYS = key_reply("k1")
JWT_HEADER = {"alg": "ES256", "kid": "k1"}


def function(answer=KEYS, clock=None, **more: str) -> Lambda:
    return Lambda(answer, ENVIRON, clock, **more)


@pytest.mark.parametrize("typ", ["at+jwt", "JWT", "jwt", "application/at+jwt", None])
def test_a_jwt_that_verifies_is_let_in_and_forwarded(typ):
    token = signed(header={**JWT_HEADER, **({"typ": typ} if typ else {})}, aud=None, iss=None)
    answer = function()(rest("GET", "/x", token))

    assert [RESOURCE] == answer["policyDocument"]["Statement"][0]["Resource"]
    assert ("ann", f"Bearer {token}") == (answer["principalId"], answer["context"]["Authorization"])


@pytest.mark.parametrize("named", ["jku", "x5u", "x5c"])
def test_a_header_that_says_where_a_key_is_is_believed_in_nothing(named):
    header = {**JWT_HEADER, named: ["MIIB"] if named == "x5c" else "https://evil.example/jwks"}
    servers = function()

    assert "ann" == servers(rest("GET", "/x", signed(header=header)))["principalId"]
    with pytest.raises(Unauthorized):
        servers(rest("GET", "/x", signed("k2", header)))
    assert {ENVIRON["JWKS_URI"]} == {call.url for call in servers.http.calls}


def test_a_bare_jwt_is_one_too():
    token = signed()
    assert "ann" == function()(rest("GET", "/x") | {"authorizationToken": token})["principalId"]


@pytest.mark.parametrize(
    "token",
    [
        signed(header={**JWT_HEADER, "typ": "logout+jwt"}),
        signed(header={**JWT_HEADER, "typ": "dpop+jwt"}),
        signed(header={**JWT_HEADER, "typ": "id"}),
        signed(nonce="n"),
        signed(at_hash="h"),
        signed(token_use="id"),
        signed(sub=None),
        signed(sub=7),
        signed(exp=None),
        signed(exp=NOW),
        signed(exp="soon"),
        signed(nbf=NOW + 60),
        signed(iat=NOW + 60),
        signed("k2", {"alg": "ES256", "kid": "k1"}),
        signed("k2", {"alg": "ES256", "kid": "k2"}),
        signed(header={**JWT_HEADER, "jwk": {}}),
        signed(header={"alg": "none"}),
        signed(header={"alg": "HS256", "kid": "k1"}),
        jwt(),
        "opaque",
        "a.b.c",
        signed()[:-2],
    ],
)
def test_what_does_not_verify_or_is_no_access_token_is_the_word(token):
    with pytest.raises(Unauthorized):
        function()(rest("GET", "/x", token))


def test_an_issuer_and_an_audience_are_checked_where_they_are_configured():
    more = {"PHANTOMGATE__POLICY__ISSUERS": "https://as.example", "PHANTOMGATE__POLICY__AUDIENCES": "api"}
    checked = function(**more)

    assert "ann" == checked(rest("GET", "/x", signed()))["principalId"]
    for wrong in ({"iss": "https://evil.example"}, {"iss": None}, {"aud": "other"}, {"aud": None}):
        with pytest.raises(Unauthorized):
            checked(rest("GET", "/x", signed(**wrong)))
    assert "says nothing about iss" not in checked.log


def test_the_absence_of_issuer_and_audience_is_warned_of_once():
    lenient = function()
    for _ in range(2):
        lenient(rest("GET", "/x", signed()))

    assert 1 == lenient.log.count("says nothing about iss")
    assert 1 == lenient.log.count("says nothing about aud")


@pytest.mark.parametrize("answer", [Unavailable("x"), reply(500), reply(200, "no JSON"), reply(404)])
def test_without_keys_nothing_is_decided(answer):
    with pytest.raises(Trouble):
        function(answer)(rest("GET", "/x", signed()))


def test_a_key_that_is_taken_back_is_trusted_no_more_and_a_new_one_is_looked_for_at_once():
    clock = FakeClock()
    answers = [key_reply("k1", max_age=60), key_reply("k2", max_age=60)]
    rotating = function(answers, clock)
    rotating(rest("GET", "/x", signed("k1")))
    assert "ann" == rotating(rest("GET", "/x", signed("k2", {"alg": "ES256", "kid": "k2"}, sub="ann")))["principalId"]
    assert 2 == len(rotating.http.calls)

    for token in ("k3", "k4"):  # an unknown key may not be looked for again so soon
        with pytest.raises(Unauthorized):
            rotating(rest("GET", "/x", signed(token, {"alg": "ES256", "kid": token})))
    assert 2 == len(rotating.http.calls)
    clock.advance(61)
    with pytest.raises(Unauthorized):
        rotating(rest("GET", "/x", signed("k1", sub="bob")))


def test_no_token_is_logged():
    told = function(PHANTOMGATE__LOG__ALLOWS="true")
    token = signed()
    told(rest("GET", "/x", token))
    with pytest.raises(Unauthorized):
        told(rest("GET", "/x", signed(exp=NOW)))

    assert "eyJ" not in told.log
    assert token.rpartition(".")[2] not in told.log
