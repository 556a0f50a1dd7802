"""RFC 7662 alone: facts without a JWT, for whoever makes one of them."""

import json

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.introspection import read_introspection
from phantomgate.testing import reply
from tokens import NOW, jwt


def read(facts, **more):
    answer = reply(200, json.dumps(facts), content_type="application/json")
    return read_introspection(answer, asked="json", now=NOW, **{"without_jwt": 300.0, **more})


def reason(facts, **more):
    with pytest.raises(Refused) as no:
        read(facts, **more)
    return no.value.reason


def test_the_facts_are_the_answer_and_there_is_no_jwt():
    said = read({"active": True, "sub": "ann", "scope": "read", "exp": NOW + 60})

    assert (said.jwt, said.expires_at) == ("", NOW + 60)
    assert said.claims == {"sub": "ann", "scope": "read", "exp": NOW + 60}


def test_times_may_be_fractions():
    assert read({"active": True, "exp": NOW + 60.25, "iat": NOW - 0.5, "nbf": NOW - 0.5}).expires_at == NOW + 60.25


def test_facts_without_an_end_hold_as_long_as_the_caller_says():
    assert read({"active": True, "sub": "ann"}).expires_at == NOW + 300


def test_a_jwt_that_is_there_is_read_as_ever():
    said = read({"active": True, "jwt": jwt(sub="eve")})

    assert (said.jwt, said.claims["sub"]) == (jwt(sub="eve"), "eve")
    assert reason({"active": True, "jwt": None}) is Reason.BAD_ANSWER


def test_who_can_not_do_without_a_jwt_has_no_answer():
    assert reason({"active": True, "sub": "ann", "exp": NOW + 60}, without_jwt=None) is Reason.BAD_ANSWER


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"exp": NOW}, Reason.EXPIRED),
        ({"exp": "soon"}, Reason.INVALID_TOKEN),
        ({"nbf": NOW + 60}, Reason.INVALID_TOKEN),
        ({"iat": NOW + 60}, Reason.INVALID_TOKEN),
        ({"cnf": {"jkt": "x"}}, Reason.BOUND_TOKEN),
        ({"token_type": "DPoP"}, Reason.BOUND_TOKEN),
        ({"iss": "https://other.example"}, Reason.BAD_ANSWER),
        ({"active": False}, Reason.INACTIVE),
        ({"active": "true"}, Reason.BAD_ANSWER),
    ],
)
def test_facts_are_checked_as_a_jwts_are(facts, why):
    assert reason({"active": True, "exp": NOW + 60, **facts}, issuer="https://as.example") is why
