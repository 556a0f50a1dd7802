"""RFC 7519 §4.1, RFC 9068 §4, RFC 8725 §3: a token is what it has to be, for us, now, and nothing else."""

import json
from dataclasses import replace

import pytest

from phantomgate.core.errors import Reason
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import ABSENT, ACCESS_TOKEN, RFC_9068, access_token_rules, check_type
from refusals import why_not
from signing import AUDIENCE, ISSUER, claims_of, key, keys, refusal, signed, token
from tokens import NOW

SIGNER = key("EdDSA")
KEYS = keys(SIGNER)
RULES = access_token_rules(ISSUER, [AUDIENCE, "https://other.example"])
EVERY_TYPE = access_token_rules(ISSUER, [AUDIENCE], types=["at+jwt", "JWT", ABSENT])


def refused(reason, rules=RULES, now=NOW, header=None, **changes):
    """What the log says about a token with *changes*, which has to be refused for *reason*."""
    no = refusal(verify, token(SIGNER, header=header, **changes), KEYS, rules, now)
    assert reason is no.reason
    assert no.detail.isascii()
    assert no.detail.isprintable()
    assert len(no.detail) < 300
    return no.detail


def accepted(rules=RULES, now=NOW, header=None, **changes):
    """The claims of a token with *changes*, which has to be good."""
    return verify(token(SIGNER, header=header, **changes), KEYS, rules, now).claims


def invalid(rules=RULES, **changes):
    return refused(Reason.INVALID_TOKEN, rules, **changes)


# -- rules that can't be made --------------------------------------------------------------------------------------


def test_an_issuer_has_a_name_audiences_and_types():
    def make(change):
        given = {"issuer": ISSUER, "audiences": [AUDIENCE], "types": ["at+jwt"], **change}
        access_token_rules(given["issuer"], given["audiences"], types=given["types"])

    assert why_not(make, {}) is None
    assert "an issuer without a name, want what its tokens have as iss" == why_not(make, {"issuer": ""})
    for audiences in ([], [""], [AUDIENCE, ""]):
        why = "an issuer without audiences, want what its tokens have as aud"
        assert why == why_not(make, {"audiences": audiences})
    assert "an issuer without accepted types, want at+jwt" == why_not(make, {"types": []})


OTHER_TYPES = [
    "client-authentication+jwt",
    "dpop+jwt",
    "entity-statement+jwt",
    "id_token+jwt",
    "jwk-set+jwt",
    "kb+jwt",
    "logout+jwt",
    "oauth-authz-req+jwt",
    "secevent+jwt",
    "token-introspection+jwt",
]


@pytest.mark.parametrize("typ", OTHER_TYPES)
def test_the_type_of_something_else_can_not_be_accepted(typ):
    for spelling in (typ, typ.upper(), f"application/{typ}"):
        why = f"{typ} is never the type of an access token"
        assert why == why_not(lambda types: access_token_rules(ISSUER, [AUDIENCE], types=types), ["at+jwt", spelling])


# -- typ -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_an_access_token_says_that_it_is_one(typ):
    assert accepted(header={"typ": typ})


@pytest.mark.parametrize("typ", ["JWT", "jwt", None, "at", "at+jwt ", " at+jwt", "jwt+at", "x/at+jwt", *OTHER_TYPES])
def test_every_other_type_is_refused(typ):
    assert f"typ is {typ and typ.lower()!r}, want one of at+jwt" == invalid(header={"typ": typ})


@pytest.mark.parametrize("typ", OTHER_TYPES)
def test_no_list_lets_in_the_type_of_something_else(typ):
    assert "want one of at+jwt, jwt, none" in invalid(EVERY_TYPE, header={"typ": typ})


def test_an_issuer_can_have_types_of_its_own():
    for typ in ("at+jwt", "JWT", None, "application/jwt"):
        assert accepted(EVERY_TYPE, header={"typ": typ})
    only_absent = access_token_rules(ISSUER, [AUDIENCE], types=[ABSENT])
    assert accepted(only_absent, header={"typ": None})
    assert "typ is 'at+jwt', want one of none" == invalid(only_absent)
    assert "want a media type" in invalid(only_absent, header={"typ": "application/"})


# -- a key of its own ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
@pytest.mark.parametrize("value", ["https://as.example/jwks.json", {}, [], SIGNER.jwk, 1])
def test_a_token_that_brings_a_key_is_refused_unless_its_issuer_does_so(name, value):
    assert f"the header has {name}: a token doesn't bring its key" == invalid(header={name: value})
    another = "jku" if name == "x5c" else "x5c"
    others = access_token_rules(ISSUER, [AUDIENCE], tolerated={"jwk", "jku", "x5u", "x5c"} - {name})
    said = invalid(others, header={name: value, another: []})
    assert f"the header has {name}: a token doesn't bring its key" == said
    assert accepted(access_token_rules(ISSUER, [AUDIENCE], tolerated=[name]), header={name: value})


def test_a_thumbprint_is_not_a_key():
    assert accepted(header={"x5t": "AQAB", "x5t#S256": "AQAB", "url": "https://as.example"})


# -- other kinds of token ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("nonce", "an ID token"),
        ("at_hash", "an ID token"),
        ("c_hash", "an ID token"),
        ("events", "a logout token or security event"),
        ("token_introspection", "an introspection response"),
        ("htm", "a DPoP proof"),
        ("htu", "a DPoP proof"),
    ],
)
@pytest.mark.parametrize("value", ["x", "", {}, 0])
def test_what_looks_like_another_kind_of_token_is_refused_whatever_its_type(name, whose, value):
    for rules, typ in ((RULES, "at+jwt"), (EVERY_TYPE, "JWT"), (EVERY_TYPE, None)):
        said = invalid(rules, header={"typ": typ}, **{name: value})
        assert f"it has {name}, as {whose} has, and is no access token" == said


@pytest.mark.parametrize(
    ("name", "own", "others"),
    [
        (
            "typ",
            ["Bearer", "at+jwt", "JWT"],
            ["ID", "id", "Refresh", "Offline", "Logout", "Serialized-ID", "Setup", 1, {}, []],
        ),
        ("token_use", ["access"], ["id", "ID", "refresh", 1, True]),
        ("purpose", ["access_token", "billing"], ["id", "id_token", "refresh_token", "refresh", {}]),
    ],
)
def test_a_server_that_tells_its_tokens_apart_by_a_claim_is_understood(name, own, others):
    for value in own:
        assert accepted(EVERY_TYPE, header={"typ": "JWT"}, **{name: value})
    for value in others:
        assert f"{name} is {value!r}, which is no access token's" == invalid(
            EVERY_TYPE, header={"typ": "JWT"}, **{name: value}
        )


def test_every_mark_is_looked_at():
    assert "typ is 'ID'" in invalid(EVERY_TYPE, purpose="access_token", token_use="access", typ="ID")
    assert "it has nonce" in invalid(EVERY_TYPE, purpose="access_token", token_use="access", typ="Bearer", nonce="n")


def test_an_assertion_of_a_client_about_itself_is_refused():
    assert "iss and sub are the same" in invalid(sub=ISSUER)
    assert "iss and sub are the same" in invalid(EVERY_TYPE, sub="web", iss="web", aud=ISSUER)


# -- required, and text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "sub"])
def test_an_access_token_has_what_everybody_needs(name):
    assert f"{name} is missing" == invalid(**{name: None})


@pytest.mark.parametrize("name", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
def test_the_strict_profile_requires_what_rfc_9068_requires(name):
    strict = access_token_rules(ISSUER, [AUDIENCE], required=RFC_9068)

    assert accepted(strict)
    assert f"{name} is missing" == invalid(strict, **{name: None})


def test_the_rest_is_required_of_nobody():
    assert accepted(client_id=None, jti=None, iat=None, scope=None)


def test_what_an_issuer_leaves_out_need_not_be_required():
    assert accepted(access_token_rules(ISSUER, [AUDIENCE], required=("iss", "aud", "exp")), sub=None)


def test_exp_is_needed_whoever_requires_it():
    lax = access_token_rules(ISSUER, [AUDIENCE], required=())

    assert "exp is missing" == invalid(lax, exp=None)
    assert "iss is None" in refused(Reason.WRONG_ISSUER, lax, iss=None)
    assert "aud is None, want a string or an array of strings" == invalid(lax, aud=None)


@pytest.mark.parametrize("name", ["sub", "client_id", "jti"])
@pytest.mark.parametrize("value", [1, 0, 1.5, True, [], ["ann"], {}, ""])
def test_a_name_is_text(name, value):
    assert f"{name} is {value!r}, want a string" == invalid(**{name: value})


def test_a_name_of_null_is_not_missing():
    claims = json.dumps({**claims_of(), "sub": None}).encode()

    assert "sub is None, want a string" == refusal(verify, token(SIGNER, claims), KEYS, RULES, NOW).detail


def test_names_that_only_look_alike_are_other_claims():
    for alike in ({"Sub": "admin"}, {"SUB": "admin"}, {"sub\0": "admin"}, {"\u017fub": "admin"}):
        assert "sub is missing" == invalid(sub=None, **alike)
        assert "ann" == accepted(**alike)["sub"]


# -- iss -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "iss",
    [
        f"{ISSUER}/",
        ISSUER.upper(),
        "https://AS.example",
        "https://as%2Eexample",
        "https://as.example.evil",
        "https://as.exampl",
        "http://as.example",
        "https://as.good@as.example",
        f" {ISSUER}",
        f"{ISSUER}\n",
        "",
        [ISSUER],
        {ISSUER: 1},
        1,
        True,
    ],
)
def test_the_issuer_is_exactly_ours(iss):
    assert f"want '{ISSUER}'" in refused(Reason.WRONG_ISSUER, iss=iss)


def test_an_issuer_of_null_is_nobody():
    claims = json.dumps({**claims_of(), "iss": None}).encode()

    assert Reason.WRONG_ISSUER is refusal(verify, token(SIGNER, claims), KEYS, RULES, NOW).reason


# -- aud -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["x", AUDIENCE], [AUDIENCE, "https://other.example"]])
def test_the_audience_is_one_of_ours(aud):
    assert accepted(aud=aud)


@pytest.mark.parametrize(
    "aud",
    [
        "https://api.example.evil",
        "https://api.exampl",
        "https://api.example/",
        "https://API.example",
        f"{AUDIENCE} https://x",
        "web",
        ISSUER,
        "",
        [],
        ["x"],
        ["web", ISSUER],
        [""],
    ],
)
def test_an_audience_that_is_not_exactly_ours_is_refused(aud):
    said = refused(Reason.WRONG_AUDIENCE, aud=aud)

    assert f"aud is {aud!r}, want one of {AUDIENCE}, https://other.example" == said


@pytest.mark.parametrize("aud", [1, True, {}, {AUDIENCE: 1}, [1], [AUDIENCE, 1], [AUDIENCE, None], [[AUDIENCE]]])
def test_an_audience_is_a_string_or_an_array_of_them(aud):
    assert f"aud is {aud!r}, want a string or an array of strings" == invalid(aud=aud)


def test_what_a_token_says_is_bounded_in_the_log():
    assert "..." in refused(Reason.WRONG_AUDIENCE, aud=["x" * 2000])
    assert "..." in refused(Reason.WRONG_ISSUER, iss="\n" * 2000)
    assert "..." in invalid(sub=["\u202e" * 500])


# -- exp, nbf, iat -------------------------------------------------------------------------------------------------


def test_a_token_ends_at_exp_without_leeway():
    assert accepted(exp=NOW + 1, now=NOW)
    assert accepted(exp=NOW + 0.5, now=NOW + 0.4)
    assert "exp was 0 s ago" == refused(Reason.EXPIRED, exp=NOW)
    assert "exp was 1 s ago" == refused(Reason.EXPIRED, exp=NOW - 1)
    assert "exp was 0 s ago" == refused(Reason.EXPIRED, exp=NOW + 0.5, now=NOW + 0.5)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [str(NOW + 1), True, [], {}, [NOW], -1, 1e15, 253_402_300_800, -0.5])
def test_a_time_is_a_number_that_somebody_could_mean(name, value):
    assert f"{name} is not a time" == invalid(**{name: value})


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_of_null_is_no_time(name):
    claims = json.dumps({**claims_of(), name: None}).encode()

    assert f"{name} is not a time" == refusal(verify, token(SIGNER, claims), KEYS, RULES, NOW).detail


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_may_have_begun_up_to_the_clock_skew_ahead(name):
    assert accepted(**{name: NOW + 5})
    assert accepted(**{name: 0})
    assert f"{name} is 6 s in the future, want at most 5" == invalid(**{name: NOW + 6})
    patient = access_token_rules(ISSUER, [AUDIENCE], clock_skew=60)
    assert accepted(patient, **{name: NOW + 60})
    assert f"{name} is 61 s in the future, want at most 60" == invalid(patient, **{name: NOW + 61})


def test_the_clock_skew_does_not_prolong_a_token():
    assert refused(Reason.EXPIRED, access_token_rules(ISSUER, [AUDIENCE], clock_skew=60), exp=NOW)


def test_times_with_a_fraction_are_times():
    assert accepted(exp=NOW + 10.25, iat=NOW - 0.5, nbf=NOW + 4.999)


# -- scope ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scope", "scp"])
@pytest.mark.parametrize("value", ["read", "read write", "", "a:b.c/d?e", "!#[]~ x", ["read", "write"], []])
def test_a_scope_is_words(name, value):
    assert value == accepted(**{name: value})[name]


@pytest.mark.parametrize("name", ["scope", "scp"])
@pytest.mark.parametrize(
    "value", ["read  write", " read", "read ", " ", "read\twrite", "read\n", "r\u00a0w", 'a"b', "a\\b", "\x7f", "é"]
)
def test_a_scope_that_others_might_split_differently_is_refused(name, value):
    assert f"{name} is {value!a}, want words with one space between" == invalid(**{name: value})


# -- bound to a key ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cnf", [{"jkt": "x"}, {"x5t#S256": "x"}, {"jkt": "x", "x5t#S256": "y"}, {"unknown": 1}, {}, [], "", "x", 0, False]
)
def test_a_token_that_is_bound_to_a_key_is_no_bearer_token(cnf):
    assert "bound to a key" in refused(Reason.BOUND_TOKEN, cnf=cnf)


@pytest.mark.parametrize("kind", ["DPoP", "N_A", "refresh_token", "mac", "", 1, []])
def test_a_token_of_another_type_is_no_bearer_token(kind):
    assert "token_type is not Bearer" == refused(Reason.BOUND_TOKEN, token_type=kind)


def test_a_bearer_token_may_say_so():
    assert accepted(token_type="bearer")
    assert accepted(token_type="Bearer")


# -- rules are a list ----------------------------------------------------------------------------------------------


def test_every_check_runs_in_its_order_and_the_first_refusal_counts():
    ran = []

    def noting(name, check):
        def run(*args):
            ran.append(name)
            check(*args)

        return run

    names = [check.__name__ for check in ACCESS_TOKEN]
    noted = replace(RULES, checks=tuple(noting(check.__name__, check) for check in ACCESS_TOKEN))
    assert accepted(noted)
    assert names == ran

    ran.clear()
    invalid(noted, header={"typ": "JWT"}, exp=0)
    assert [check_type.__name__] == ran


def test_another_kind_of_token_is_another_list():
    def check_introspects(header, claims, rules, now):
        assert "token_introspection" in claims

    statement = replace(RULES, types=frozenset({"token-introspection+jwt"}), checks=(check_type, check_introspects))
    jws = signed(
        SIGNER,
        {"alg": "EdDSA", "kid": "EdDSA-0", "typ": "token-introspection+jwt"},
        {"token_introspection": {"active": True}},
    )

    assert verify(jws, KEYS, statement, NOW)
    assert Reason.INVALID_TOKEN is refusal(verify, jws, KEYS, EVERY_TYPE, NOW).reason
