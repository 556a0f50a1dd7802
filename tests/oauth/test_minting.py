"""RFC 9068: what a token of ours says, and what it never says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.minting import NEVER_COPIED, MintRules, minted_claims
from tokens import NOW

RULES = MintRules("https://gateway.example", "orders", 300.0)


def mint(facts, rules=RULES, **more):
    given = {"audience": "orders", "scopes": frozenset(), "expires_at": NOW + 3600.0, "now": float(NOW), "jti": "j1"}
    return minted_claims(rules, facts, **{**given, **more})


def refused(facts, rules=RULES, **more):
    with pytest.raises(Refused) as no:
        mint(facts, rules, **more)
    return no.value.reason


def test_a_token_of_ours_says_what_rfc_9068_wants_and_no_more():
    facts = {
        "sub": "ann",
        "client_id": "spa",
        "iss": "https://as.example",
        "aud": "as",
        "email": "a@example",
        "jti": "x",
    }

    assert mint(facts, scopes=frozenset(("write", "read"))) == {
        "iss": "https://gateway.example",
        "aud": "orders",
        "sub": "ann",
        "client_id": "spa",
        "scope": "read write",
        "jti": "j1",
        "iat": NOW,
        "exp": NOW + 300,
    }


def test_only_claims_on_the_list_are_copied_and_never_one_that_is_ours():
    rules = MintRules("https://gateway.example", "orders", 300.0, claims=("tenant", "missing", *sorted(NEVER_COPIED)))

    made = mint(dict.fromkeys(NEVER_COPIED, "evil") | {"tenant": "t1", "sub": "ann", "email": "a"}, rules)

    assert made["tenant"] == "t1"
    assert made["iss"] == "https://gateway.example"
    assert set(made) == {"tenant", "iss", "aud", "exp", "iat", "jti", "sub", "client_id"}


@pytest.mark.parametrize(
    ("expires_at", "exp"),
    [(NOW + 60, NOW + 60), (NOW + 60.9, NOW + 60), (NOW + 300.5, NOW + 300), (NOW + 9e9, NOW + 300)],
)
def test_it_never_outlives_its_source(expires_at, exp):
    assert mint({"sub": "ann"}, expires_at=expires_at)["exp"] == exp


@given(st.floats(0, 1e6), st.floats(0, 2e6))
def test_whatever_the_times_it_ends_with_the_source_or_earlier(now, expires_at):
    if not now < int(expires_at):
        assert refused({"sub": "ann"}, now=now, expires_at=expires_at) is Reason.EXPIRED
        return
    exp = mint({"sub": "ann"}, now=now, expires_at=expires_at)["exp"]
    assert now < exp <= expires_at
    assert exp <= now + 300


def test_with_less_than_a_second_left_nothing_is_minted():
    assert refused({"sub": "ann"}, now=NOW + 0.1, expires_at=NOW + 0.9) is Reason.EXPIRED


def test_a_token_without_an_owner_is_its_clients():
    assert mint({"client_id": "batch"})["sub"] == "batch"


def test_a_user_never_becomes_his_client():
    assert refused({"client_id": "spa", "username": "ann"}) is Reason.BAD_ANSWER
    named = MintRules("https://gateway.example", "orders", 300.0, subject="username")
    assert mint({"client_id": "spa", "username": "ann"}, named)["sub"] == "ann"
    assert refused({"client_id": "spa", "sub": "ann"}, named) is Reason.BAD_ANSWER


@pytest.mark.parametrize("facts", [{}, {"sub": ""}, {"sub": 7}, {"sub": None}, {"sub": "ann", "client_id": ["a"]}])
def test_facts_that_name_nobody_make_no_token(facts):
    assert refused(facts) is Reason.BAD_ANSWER
