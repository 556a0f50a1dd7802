"""The JWT in an introspection answer: its issuer's, an access token, and of one mind with what stands beside it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as jose
from joserfc.jwk import ECKey, OctKey

from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.introspected_jwt import check_introspected, disagreement, introspected_rules
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jws import UnknownKey
from tokens import NOW

ISSUER = "https://as.example"
KEY, OTHER = (ECKey.generate_key("P-256", {"kid": kid}) for kid in ("k1", "k2"))
KEYS = read_key_set(json.dumps({"keys": [KEY.as_dict(private=False)]}).encode(), ["ES256"])
CLAIMS = {"iss": ISSUER, "sub": "ann", "aud": "api", "scope": "read write", "exp": NOW + 60, "iat": NOW}


def signed(claims=CLAIMS, *, key=KEY, typ="at+jwt", **header):
    head = {"alg": "ES256", "kid": key.kid, "typ": typ} | header
    return jose.encode({name: value for name, value in head.items() if value is not None}, claims, key)


def check(text, stated=None):
    check_introspected(text, stated or {}, KEYS, introspected_rules(ISSUER), NOW)


@pytest.mark.parametrize("typ", ["at+jwt", "JWT", None, "phantom+jwt"])
def test_what_the_issuer_signed_passes_whatever_it_calls_its_access_tokens(typ):
    check(signed(typ=typ))


@pytest.mark.parametrize("typ", ["token-introspection+jwt", "application/logout+jwt", "dpop+jwt", "id_token+jwt"])
def test_another_kind_of_token_does_not(typ):
    with pytest.raises(Refused, match="never an access token's") as no:
        check(signed(typ=typ))
    assert Reason.BAD_ANSWER is no.value.reason


@pytest.mark.parametrize(
    "text",
    [
        signed({**CLAIMS, "iss": "https://other.example"}),
        signed({name: value for name, value in CLAIMS.items() if name != "iss"}),
        signed({name: value for name, value in CLAIMS.items() if name != "exp"}),
        signed({**CLAIMS, "at_hash": "x"}),
        signed(jku="https://evil.example"),
        signed(key=OTHER, kid="k1"),
        signed()[:-4] + "AAAA",
        jose.encode({"alg": "HS256", "kid": "k1"}, CLAIMS, OctKey.import_key("s" * 32), algorithms=["HS256"]),
        "a.b.c",
        "",
    ],
)
def test_nor_does_what_the_issuer_did_not_sign_as_an_access_token(text):
    with pytest.raises(Refused) as no:
        check(text)
    assert Reason.BAD_ANSWER is no.value.reason


def test_a_key_that_only_a_newer_set_may_have_is_told_apart():
    with pytest.raises(UnknownKey):
        check(signed(key=OTHER))


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"active": True, "username": "whatever"},
        CLAIMS,
        {"aud": ["api"], "exp": NOW + 60.7, "scope": "write read"},
        {"scp": ["write", "read"]},
    ],
)
def test_what_agrees_passes_in_whatever_form(stated):
    assert "" == disagreement(stated, CLAIMS)
    check(signed(), stated)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "https://other.example"),
        ("sub", "bob"),
        ("sub", None),
        ("aud", "other"),
        ("aud", ["api", "other"]),
        ("aud", []),
        ("exp", NOW + 61),
        ("iat", NOW - 1),
        ("scope", "read"),
        ("scope", "read write admin"),
        ("scope", ""),
    ],
)
def test_what_disagrees_does_not_and_its_name_is_said(name, value):
    with pytest.raises(Refused, match=f"its {name} is not the one that the answer states") as no:
        check(signed(), {name: value})
    assert Reason.BAD_ANSWER is no.value.reason


@pytest.mark.parametrize(("name", "value"), [("client_id", "spa"), ("jti", "1"), ("nbf", NOW)])
def test_every_claim_that_both_may_say_is_compared(name, value):
    check(signed({**CLAIMS, name: value}), {name: value})
    with pytest.raises(Refused, match=f"its {name} "):
        check(signed({**CLAIMS, name: value}), {name: value + 1 if isinstance(value, int) else "other"})


@pytest.mark.parametrize("stated", [{"exp": "soon"}, {"exp": True}, {"aud": 1}, {"scope": {"read": True}}])
def test_what_nobody_can_read_agrees_with_nothing(stated):
    with pytest.raises(Refused) as no:
        check(signed(), stated)
    assert Reason.BAD_ANSWER is no.value.reason


_CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "sub", "aud", "exp", "iat", "scope", "jti", "else"]),
    st.sampled_from(["a", "b"]) | st.none(),
)


@given(_CLAIMS, _CLAIMS)
def test_who_disagrees_does_so_both_ways(one, other):
    def said(first, second):
        try:
            return disagreement(first, second)
        except Refused:
            return "unreadable"

    assert said(one, other) == said(other, one)
