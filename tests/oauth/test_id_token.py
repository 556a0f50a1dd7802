"""ID tokens and logout tokens by vectors of the specification, and properties of both."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import signing
from phantomgate.core.errors import Refused
from phantomgate.oauth.id_token import half_hash, id_token_rules
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.logout_token import EVENT, logout_token_rules, read_ended
from tokens import NOW

KEY = signing.key("ES256")
ISSUER = "https://as.example"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def id_claims(**changes):
    said = {"iss": ISSUER, "sub": "ann", "aud": "spa", "exp": NOW + 60, "iat": NOW, **changes}
    return {name: value for name, value in said.items() if value is not None}


def logout_claims(**changes):
    said = {"iss": ISSUER, "sub": "ann", "aud": "spa", "exp": NOW + 60, "iat": NOW, "jti": "j", "events": {EVENT: {}}}
    return {name: value for name, value in (said | changes).items() if value is not None}


def checked(rules, claims, **header):
    head = {"alg": "ES256", "kid": KEY.jwk["kid"], **header}
    return verify(signing.signed(KEY, head, claims), signing.keys(KEY), rules, NOW).claims


def test_the_hash_of_an_access_token_is_that_of_the_specification():
    # OpenID Connect Core appendix A.3 and A.4
    assert "77QmUPtjPfzWtF2AnpK9RQ" == half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256")
    assert 43 == len(half_hash("x", "RS512")) == len(half_hash("x", "EdDSA"))
    assert 32 == len(half_hash("x", "ES384"))
    assert 76 == len(half_hash("x", "Ed448"))


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "id_token+jwt", "application/jwt"])
def test_an_id_token_may_say_what_it_is(typ):
    header = {} if typ is None else {"typ": typ}

    assert "ann" == checked(id_token_rules(ISSUER, "spa"), id_claims(), **header)["sub"]


@pytest.mark.parametrize("claim", ["events", "token_introspection", "htm", "htu"])
def test_another_kind_of_token_is_no_id_token(claim):
    with pytest.raises(Refused, match=claim):
        checked(id_token_rules(ISSUER, "spa"), id_claims(**{claim: "x"}))


def test_a_logout_token_says_whose_session_ends():
    rules = logout_token_rules(ISSUER, "spa")

    assert ("ann", "", NOW, "j") == read_ended(checked(rules, logout_claims(), typ="logout+jwt"))
    assert ("", "s1", NOW, "j") == read_ended(checked(rules, logout_claims(sub=None, sid="s1"), typ="logout+jwt"))


def test_no_token_is_both():
    rules = id_token_rules(ISSUER, "spa"), logout_token_rules(ISSUER, "spa")
    for claims in (id_claims(), logout_claims(), id_claims() | logout_claims()):
        for typ in (None, "JWT", "logout+jwt"):
            good = []
            for one in rules:
                try:
                    checked(one, claims, **({} if typ is None else {"typ": typ}))
                    good.append(one)
                except Refused:
                    pass
            assert len(good) < 2


@given(
    st.sampled_from(["iss", "sub", "aud", "azp", "exp", "iat", "nonce", "at_hash", "events", "typ", "token_use"]),
    JSON,
)
def test_a_claim_of_any_shape_is_refused_or_harmless(name, value):
    for rules, claims, typ in (
        (id_token_rules(ISSUER, "spa"), id_claims(), "JWT"),
        (logout_token_rules(ISSUER, "spa"), logout_claims(), "logout+jwt"),
    ):
        try:
            said = checked(rules, json.loads(json.dumps({**claims, name: value})), typ=typ)
        except Refused:
            continue
        assert (ISSUER, "spa") == (said["iss"], said["aud"] if isinstance(said["aud"], str) else "spa")
        assert NOW < said["exp"]
