"""RFC 8693: what is asked, which answers are a JWT that may go upstream, and whose fault a refusal is."""

import json

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.oauth.token_endpoint import TokenRefused
from phantomgate.oauth.token_exchange import ExchangeRules, exchange_request, read_exchange, refusal
from phantomgate.testing import reply
from tokens import NOW, jwt

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
CLIENT = client_secret_basic("gateway", "s")


def answer(**members):
    said = {"access_token": jwt(aud="orders"), "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", **members}
    said = {name: value for name, value in said.items() if value is not None}
    return reply(200, json.dumps(said), content_type="application/json")


def body(rules, audience=""):
    return exchange_request("https://as.example/token", CLIENT, rules, "opaque+1", audience, timeout=2).body.decode()


def test_the_request_names_the_grant_the_token_and_whom_it_is_for():
    assert body(ExchangeRules(audience="orders", scope=("read", "write"))) == (
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
        "&subject_token=opaque%2B1"
        "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
        "&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
        "&audience=orders&scope=read+write"
    )


@pytest.mark.parametrize(
    ("rules", "audience", "target"),
    [
        (ExchangeRules(), "", ()),
        (ExchangeRules(), "stock", (("audience", "stock"),)),
        (ExchangeRules("orders"), "", (("audience", "orders"),)),
        (ExchangeRules("orders"), "stock", (("audience", "stock"),)),
        (ExchangeRules(resource="https://orders"), "", (("resource", "https://orders"),)),
        (ExchangeRules(resource="https://orders"), "https://stock", (("resource", "https://stock"),)),
        (ExchangeRules("orders", "https://o"), "stock", (("resource", "https://o"), ("audience", "stock"))),
    ],
)
def test_a_route_takes_the_place_of_the_audience_or_else_of_the_resource(rules, audience, target):
    assert rules.target(audience) == target


def test_the_types_of_both_tokens_are_told():
    asked = body(ExchangeRules("orders", subject_type="jwt", requested_type="jwt"))

    assert asked.count("token-type%3Ajwt") == 2


def test_an_exchange_may_be_repeated_for_it_uses_nothing_up():
    assert exchange_request("https://as.example/token", CLIENT, ExchangeRules("o"), "t", "", timeout=2).repeat


@pytest.mark.parametrize(
    ("members", "expires_at"),
    [
        ({}, NOW + 3600),
        ({"expires_in": 60}, NOW + 60),
        ({"expires_in": 7200}, NOW + 3600),
        ({"issued_token_type": JWT, "token_type": "N_A"}, NOW + 3600),
        ({"issued_token_type": JWT, "token_type": "bearer"}, NOW + 3600),
        ({"refresh_token": "never-kept"}, NOW + 3600),
        ({"access_token": jwt(nbf=NOW + 5)}, NOW + 3600),
    ],
)
def test_a_jwt_ends_when_it_says_or_the_server_does(members, expires_at):
    assert read_exchange(answer(**members), now=NOW).expires_at == expires_at


@pytest.mark.parametrize(
    "members",
    [
        {"issued_token_type": None},
        {"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"issued_token_type": "access_token"},
        {"token_type": "N_A"},
        {"token_type": "DPoP"},
        {"access_token": "opaque"},
        {"access_token": jwt() + ".x"},
        {"access_token": jwt()[:-86]},
        {"access_token": "a.b.c"},
        {"access_token": jwt(header={"alg": "none"})},
        {"access_token": jwt(header={"alg": "RS256", "typ": "token-introspection+jwt"})},
        {"access_token": jwt(header={"alg": "RS256", "typ": "application/Token-Introspection+JWT"})},
        {"access_token": jwt(exp=None)},
        {"access_token": jwt(exp="soon")},
        {"access_token": jwt(exp=NOW)},
        {"access_token": jwt(nbf=NOW + 6)},
        {"access_token": jwt(nbf="now")},
        {"access_token": jwt(cnf={"jkt": "x"})},
        {"expires_in": 0},
        {"expires_in": "60"},
    ],
)
def test_what_may_not_go_upstream_is_the_server_s_fault(members):
    with pytest.raises(Refused) as no:
        read_exchange(answer(**members), now=NOW)
    assert no.value.reason is Reason.BAD_ANSWER


@pytest.mark.parametrize(
    ("code", "scope", "granted", "reason"),
    [
        ("invalid_grant", (), "", Reason.INVALID_TOKEN),
        ("invalid_request", (), "", Reason.INVALID_TOKEN),
        ("interaction_required", (), "", Reason.INVALID_TOKEN),
        ("login_required", (), "", Reason.INVALID_TOKEN),
        ("invalid_target", (), "", Reason.CLIENT_REFUSED),
        ("invalid_target", ("write",), "read", Reason.CLIENT_REFUSED),
        ("unauthorized_client", (), "", Reason.CLIENT_REFUSED),
        ("unsupported_grant_type", (), "", Reason.CLIENT_REFUSED),
        ("whatever_else", (), "", Reason.CLIENT_REFUSED),
        ("invalid_scope", ("read",), "read", Reason.CLIENT_REFUSED),
        ("invalid_scope", ("read", "write"), "read", Reason.INSUFFICIENT_SCOPE),
        ("invalid_scope", (), "read", Reason.CLIENT_REFUSED),
    ],
)
def test_a_refusal_is_the_token_s_the_scope_s_or_ours(code, scope, granted, reason):
    no = refusal(TokenRefused(code), ExchangeRules("orders", scope=scope), frozenset(granted.split()))

    assert no.reason is reason
    assert code in no.detail
    assert no.scope == ("read write" if reason is Reason.INSUFFICIENT_SCOPE else "")
