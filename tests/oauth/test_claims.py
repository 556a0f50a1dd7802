"""RFC 7519 §4.1, RFC 8693 §4.2: a claim is read as the type that it has, or the token is refused."""

import math

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.claims import MAX_TIME, check_unbound, read_audiences, read_scopes, read_time


def refused(read, *given):
    with pytest.raises(Refused) as no:
        read(*given)
    return no.value.reason


@pytest.mark.parametrize("value", [0, 0.5, 1_700_000_000, MAX_TIME])
def test_a_time_is_a_number_of_seconds_up_to_the_end_of_the_year_9999(value):
    assert value == read_time({"exp": value}, "exp")
    assert type(read_time({"exp": value}, "exp")) is float


@pytest.mark.parametrize("value", [-1, -0.5, MAX_TIME + 1, math.inf, math.nan, True, "1700000000", None, [], {}])
def test_what_is_no_time_that_anybody_means_is_refused(value):
    assert refused(read_time, {"exp": value}, "exp") is Reason.INVALID_TOKEN


@pytest.mark.parametrize("value", [["read", "", "write"], "read write", " read  write ", ["write", "read"]])
@pytest.mark.parametrize("name", ["scope", "scp"])
def test_a_scope_is_never_the_empty_word(name, value):
    assert frozenset(("read", "write")) == read_scopes({name: value})
    assert frozenset() == read_scopes({name: [""]}) == read_scopes({name: ""}) == read_scopes({})


def test_scope_goes_before_scp():
    assert frozenset(("read",)) == read_scopes({"scope": "read", "scp": "write"})
    assert frozenset() == read_scopes({"scope": "", "scp": "write"})


@pytest.mark.parametrize("value", [None, 1, True, {"read": 1}, ["read", 1], [["read"]]])
def test_a_scope_or_audience_of_another_type_is_refused_rather_than_guessed_at(value):
    assert refused(read_scopes, {"scope": value}) is Reason.INVALID_TOKEN
    assert refused(read_scopes, {"scp": value}) is Reason.INVALID_TOKEN
    assert refused(read_audiences, {"aud": value}) is Reason.INVALID_TOKEN


def test_an_audience_is_one_name_or_several():
    assert frozenset(("a b",)) == read_audiences({"aud": "a b"})
    assert frozenset(("a", "b")) == read_audiences({"aud": ["a", "b"]})
    assert frozenset() == read_audiences({})


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", "access_token", "Access_Token", None])
def test_a_bearer_token_is_bound_to_nothing(kind):
    check_unbound({"token_type": kind, "cnf": None})


@pytest.mark.parametrize(
    "claims",
    [{"cnf": {}}, {"cnf": ""}, {"cnf": False}, *({"token_type": kind} for kind in ("DPoP", "", "N_A", 1, ["Bearer"]))],
)
def test_a_token_that_is_bound_to_a_key_or_is_of_another_kind_is_none(claims):
    assert refused(check_unbound, claims) is Reason.BOUND_TOKEN
