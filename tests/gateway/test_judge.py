"""Each policy is one check: it lets the good through and refuses the rest for its own reason."""

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, Route, Token
from phantomgate.gateway import judge
from tokens import NOW

REQUEST = Request("GET", "/", Headers())


def token(scopes="read", expires_at=NOW + 60.0, **claims):
    return Token("j.w.t", claims, frozenset(scopes.split()), expires_at, 60.0)


def verdict(policy, token, **rules):
    """None, or the reason of the refusal."""
    route = Route("r", **{name: frozenset(values) for name, values in rules.items()})
    try:
        policy(REQUEST, route, token)
    except Refused as no:
        return no.reason
    return None


def test_a_token_ends_at_exp_and_not_a_second_later(clock):
    policy = judge.not_expired(clock.now)

    assert verdict(policy, token(expires_at=NOW + 0.001)) is None
    assert verdict(policy, token(expires_at=NOW)) is Reason.EXPIRED
    assert verdict(policy, token(expires_at=NOW - 1)) is Reason.EXPIRED


def test_a_token_begins_at_nbf_give_or_take_the_skew(clock):
    policy = judge.not_expired(clock.now)

    assert verdict(policy, token(nbf=NOW + 5)) is None
    assert verdict(policy, token(nbf=NOW + 6)) is Reason.INVALID_TOKEN
    assert verdict(policy, token(nbf="now")) is Reason.INVALID_TOKEN


def test_the_issuer_is_compared_whole():
    policy = judge.issuer()

    assert verdict(policy, token(iss="https://as"), issuers=["https://as"]) is None
    for iss in ("https://as/", "https://as.evil", "HTTPS://AS", None, ["https://as"]):
        assert verdict(policy, token(iss=iss), issuers=["https://as"]) is Reason.WRONG_ISSUER
    assert verdict(policy, token(), issuers=["https://as"]) is Reason.WRONG_ISSUER
    assert verdict(policy, token()) is None


@pytest.mark.parametrize("aud", ["api", ["web", "api"]])
def test_one_audience_of_ours_is_enough(aud):
    assert verdict(judge.audience(), token(aud=aud), audiences=["api", "api2"]) is None


@pytest.mark.parametrize(
    ("aud", "reason"),
    [
        ("api2", Reason.WRONG_AUDIENCE),
        ([], Reason.WRONG_AUDIENCE),
        ("API", Reason.WRONG_AUDIENCE),
        (None, Reason.INVALID_TOKEN),
        ([7], Reason.INVALID_TOKEN),
        ({"api": 1}, Reason.INVALID_TOKEN),
    ],
)
def test_no_audience_of_ours_is_refused(aud, reason):
    assert verdict(judge.audience(), token(aud=aud), audiences=["api"]) is reason


def test_a_missing_audience_is_refused_where_one_is_wanted():
    assert verdict(judge.audience(), token(), audiences=["api"]) is Reason.WRONG_AUDIENCE
    assert verdict(judge.audience(), token()) is None


@pytest.mark.parametrize(
    ("strategy", "granted", "wanted", "allowed"),
    [
        ("exact", "read write", "read", True),
        ("exact", "read", "read write", False),
        ("exact", "orders", "orders.read", False),
        ("exact", "*", "read", False),
        ("hierarchic", "orders", "orders.read", True),
        ("hierarchic", "orders", "orders:read.all", True),
        ("hierarchic", "orders", "ordersheet", False),
        ("hierarchic", "orders.read", "orders", False),
        ("hierarchic", "orders.read", "orders.read", True),
        ("wildcard", "orders.*", "orders.read", True),
        ("wildcard", "orders.*", "orders.read.all", True),
        ("wildcard", "orders.*", "orders", False),
        ("wildcard", "orders.*.read", "orders.eu.read", True),
        ("wildcard", "orders.*.read", "orders.eu.x.read", False),
        ("wildcard", "or*", "orders", False),
        ("wildcard", "*", "orders.read", True),
        ("wildcard", "orders.+", "orders.+", True),
        ("wildcard", "orders.+", "orders..", False),
        ("wildcard", "a.b", "a:b", False),
        ("wildcard", "openid orders.*", "openid orders.read", True),
    ],
)
def test_scope_strategies(strategy, granted, wanted, allowed):
    expected = None if allowed else Reason.INSUFFICIENT_SCOPE

    assert verdict(judge.scopes(strategy), token(granted), scopes=wanted.split()) is expected


def test_one_of_the_any_scopes_is_enough_and_none_is_not():
    policy = judge.scopes()

    assert verdict(policy, token("read"), any_scopes=["read", "write"]) is None
    assert verdict(policy, token("other"), any_scopes=["read", "write"]) is Reason.INSUFFICIENT_SCOPE
    assert verdict(policy, token("read"), scopes=["base"], any_scopes=["read"]) is Reason.INSUFFICIENT_SCOPE
    assert verdict(policy, token("base"), scopes=["base"], any_scopes=["read"]) is Reason.INSUFFICIENT_SCOPE


def test_the_challenge_asks_for_all_that_the_operation_needs():
    with pytest.raises(Refused) as no:
        judge.scopes()(REQUEST, Route("r", frozenset({"b", "a"}), frozenset({"c"})), token("a"))

    assert no.value.scope == "a b c"
    assert no.value.detail == "lacks b"


@pytest.mark.parametrize(
    ("issuer", "aud", "reason"),
    [
        ("main", "api", None),
        ("main", ["x", "api"], None),
        ("main", "other", Reason.WRONG_AUDIENCE),
        ("main", None, Reason.WRONG_AUDIENCE),
        ("main", 7, Reason.INVALID_TOKEN),
        ("lenient", "other", None),
        ("removed", "api", Reason.WRONG_ISSUER),
        ("", "api", Reason.WRONG_ISSUER),
    ],
)
def test_the_audience_is_that_of_the_token_s_own_issuer(issuer, aud, reason):
    policy = judge.audience_of_issuer({"main": frozenset({"api"}), "lenient": frozenset()})
    claims = {} if aud is None else {"aud": aud}
    assert verdict(policy, Token("j.w.t", claims, frozenset(), NOW + 60.0, 60.0, issuer=issuer)) is reason
