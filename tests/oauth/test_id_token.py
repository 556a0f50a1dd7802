"""ID tokens and logout tokens by vectors of the specification, and properties of both."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import signing
from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.id_token import check_login, check_refreshed, half_hash, id_token_rules
from phantomgate.oauth.jwt import Verified, verify
from phantomgate.oauth.logout_token import EVENT, MAX_AGE, logout_token_rules, read_ended
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


def refused(rules, claims, **header):
    with pytest.raises(Refused) as no:
        checked(rules, claims, **header)
    return no.value.reason


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp", "iat"])
def test_an_id_token_has_what_the_specification_requires(claim):
    assert refused(id_token_rules(ISSUER, "spa"), id_claims(**{claim: None})) is Reason.INVALID_TOKEN


@pytest.mark.parametrize(
    ("header", "claims", "reason"),
    [
        *(({"typ": typ}, {}, Reason.INVALID_TOKEN) for typ in ("at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt")),
        *(({name: "x"}, {}, Reason.INVALID_TOKEN) for name in ("jwk", "jku", "x5u", "x5c")),
        *(({}, {"sub": sub}, Reason.INVALID_TOKEN) for sub in ("", 7, ["ann"])),
        ({}, {"iss": f"{ISSUER}/"}, Reason.WRONG_ISSUER),
        ({}, {"aud": "another"}, Reason.WRONG_AUDIENCE),
        ({}, {"aud": ["another"], "azp": "spa"}, Reason.WRONG_AUDIENCE),
        ({}, {"exp": NOW}, Reason.EXPIRED),
        ({}, {"iat": NOW + 6}, Reason.INVALID_TOKEN),
    ],
)
def test_what_is_no_id_token_of_this_issuer_for_us_and_now_is_refused(header, claims, reason):
    assert refused(id_token_rules(ISSUER, "spa"), id_claims(**claims), **header) is reason


@pytest.mark.parametrize("mark", [{"typ": "ID"}, {"token_use": "id"}, {"purpose": "id"}, {"purpose": "id_token"}])
def test_an_id_token_may_be_marked_as_one_in_its_claims(mark):
    assert mark.items() <= checked(id_token_rules(ISSUER, "spa"), id_claims(**mark)).items()


@pytest.mark.parametrize("name", ["typ", "token_use", "purpose"])
@pytest.mark.parametrize("value", ["Bearer", "access", "access_token", "refresh", "Refresh", "", 1, ["id"]])
def test_what_is_marked_as_another_kind_of_token_is_no_id_token(name, value):
    assert refused(id_token_rules(ISSUER, "spa"), id_claims(**{name: value})) is Reason.INVALID_TOKEN


@pytest.mark.parametrize(
    "claims", [{"aud": ["spa"]}, {"aud": ["spa"], "azp": "spa"}, {"aud": ["spa", "b"], "azp": "spa"}, {"azp": "spa"}]
)
def test_an_id_token_is_for_us(claims):
    assert checked(id_token_rules(ISSUER, "spa"), id_claims(**claims))


@pytest.mark.parametrize(
    "claims", [{"aud": ["spa", "b"]}, {"aud": ["spa", "b"], "azp": "b"}, {"azp": "b"}, {"azp": ""}, {"azp": ["spa"]}]
)
def test_an_id_token_that_another_asked_for_is_not_for_us(claims):
    assert refused(id_token_rules(ISSUER, "spa"), id_claims(**claims)) is Reason.WRONG_AUDIENCE


def said(**claims):
    return Verified({"alg": "ES256"}, id_claims(**claims))


@pytest.mark.parametrize("nonce", [None, "", "another", 1, ["n"]])
def test_an_id_token_is_of_this_login(nonce):
    check_login(said(nonce="n"), nonce="n", access_token="at")
    with pytest.raises(Refused, match="nonce is missing or not that of this login"):
        check_login(said(nonce=nonce), nonce="n", access_token="at")


@pytest.mark.parametrize("at_hash", ["", half_hash("another", "ES256"), half_hash("at", "ES384"), 1, ["x"]])
def test_an_id_token_came_with_its_access_token(at_hash):
    good = half_hash("at", "ES256")
    check_login(said(nonce="n", at_hash=good), nonce="n", access_token="at")
    check_refreshed(said(at_hash=good), {}, "at")
    for check in (
        lambda one: check_login(one, nonce="n", access_token="at"),
        lambda one: check_refreshed(one, {}, "at"),
    ):
        with pytest.raises(Refused, match="at_hash is not that of the access token"):
            check(said(nonce="n", at_hash=at_hash))


@pytest.mark.parametrize("name", ["sub", "nonce", "auth_time", "sid"])
def test_a_refreshed_id_token_is_of_the_same_person_and_login(name):
    check_refreshed(said(**{name: "a"}), {name: "a"}, "at")
    check_refreshed(said(**{name: None}), {name: "a"}, "at")
    check_refreshed(said(**{name: "a"}), {}, "at")
    with pytest.raises(Refused, match=f"{name} is not that of the login"):
        check_refreshed(said(**{name: "b"}), {name: "a"}, "at")


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "jti", "events"])
def test_a_logout_token_has_what_the_specification_requires(claim):
    rules = logout_token_rules(ISSUER, "spa")

    assert refused(rules, logout_claims(**{claim: None}), typ="logout+jwt") is Reason.INVALID_TOKEN


def test_a_logout_token_is_no_older_than_what_is_remembered_of_it():
    rules = logout_token_rules(ISSUER, "spa")

    assert checked(rules, logout_claims(iat=NOW - MAX_AGE), typ="logout+jwt")
    assert refused(rules, logout_claims(iat=NOW - MAX_AGE - 1), typ="logout+jwt") is Reason.INVALID_TOKEN


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "n"}, {"sub": ""}, {"sub": None, "sid": ""}, {"sid": ""}, {"sid": 1}, {"sub": None}, {"events": []},
        {"events": {}}, {"events": {EVENT: []}}, {"events": {EVENT: None}}, {"events": {f"{EVENT}/": {}}},
    ],
)  # fmt: skip
def test_what_ends_nobody_s_session_is_no_logout_token(claims):
    said = logout_claims() | {name: value for name, value in claims.items() if value is not None}
    for name in [name for name, value in claims.items() if value is None]:
        del said[name]

    assert refused(logout_token_rules(ISSUER, "spa"), said, typ="logout+jwt") is Reason.INVALID_TOKEN


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
