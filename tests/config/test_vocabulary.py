"""Words of HTTP and OAuth: nothing that a header or a challenge couldn't carry gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.config.vocabulary import CLAIMS, CLIENT_ID, METHODS, PATH, REALM, SCOPES, SECRET, TEXTS
from refusals import why_not


@pytest.mark.parametrize("scope", ["read", "orders:write", "https://as.example/scope", "a.b/*"])
def test_a_scope_is_a_scope_token(scope):
    assert (scope,) == SCOPES.read([scope])


@pytest.mark.parametrize("scope", ["", "read write", 'a"b', "a\\b", "é", "a\n", 1])
def test_what_a_challenge_could_not_carry_is_no_scope(scope):
    with pytest.raises(ValueError, match=r"item 1 is .*want one scope"):
        SCOPES.read([scope])


@pytest.mark.parametrize("realm", ["", 'a"b', "a\\b", "é", "a\r\nb"])
def test_a_realm_needs_no_escapes(realm):
    with pytest.raises(ValueError, match="without quotes"):
        REALM.read(realm)


def test_a_realm_may_have_spaces():
    assert REALM.read("my api") == "my api"


@pytest.mark.parametrize("method", ["post", "Post", "", "GET POST", "GET,"])
def test_a_method_that_would_never_match_is_refused(method):
    with pytest.raises(ValueError, match="in capitals"):
        METHODS.read([method])


def test_methods_nobody_has_heard_of_are_methods():
    assert METHODS.read(["GET", "M-SEARCH"]) == ("GET", "M-SEARCH")


@pytest.mark.parametrize("path", ["orders", "/a b", "/é", "/a\n", 7])
def test_a_path_begins_with_a_slash_and_is_visible_ascii(path):
    with pytest.raises(ValueError, match="want a path such as"):
        PATH.read(path)


@pytest.mark.parametrize("text", ["", " ", "a ", "é", "a\nb"])
def test_an_audience_is_printable_and_not_padded(text):
    with pytest.raises(ValueError, match="item 1"):
        TEXTS.read([text])


def test_a_client_id_is_printable_ascii():
    assert CLIENT_ID.read("my client/1") == "my client/1"
    with pytest.raises(ValueError, match="authorization server knows us"):
        CLIENT_ID.read("a\nb")


def test_claims_are_header_and_claim():
    assert CLAIMS.read({"X-User": "sub", "X_Tenant": "https://as.example/tenant"}) == {
        "X-User": "sub",
        "X_Tenant": "https://as.example/tenant",
    }


@pytest.mark.parametrize(
    "header",
    [
        *("Authorization", "authorization", "Proxy-Authorization", "Proxy_Authorization", "Cookie", "Host"),
        *("Content-Length", "content.length", "Transfer-Encoding", "Transfer_Encoding", "Connection", "Keep-Alive"),
        *("TE", "Trailer", "Upgrade", "Proxy-Connection", "Proxy-Authenticate", "Forwarded", "X-Forwarded-For"),
        *(
            "X_Forwarded_Proto",
            "X-Original-URI",
            "X-Accel-Redirect",
            "x-accel-expires",
            "Cache-Control",
            "Content-Type",
        ),
    ],
)
def test_a_header_with_a_meaning_of_its_own_is_no_place_for_a_claim(header):
    with pytest.raises(ValueError, match='has a meaning of its own; choose another name, such as "X-User"'):
        CLAIMS.read({header: "sub"})


@pytest.mark.parametrize("pair", [("X-User", "x-user"), ("X-User", "X_User"), ("X.User", "X-User")])
def test_two_headers_that_servers_take_for_one_are_refused(pair):
    with pytest.raises(ValueError, match="are one header to many servers; keep one"):
        CLAIMS.read(dict.fromkeys(pair, "sub"))


@pytest.mark.parametrize("header", ["", "X User", "X:User", "X-Üser", "X\r\nY", "(X)"])
def test_what_is_no_token_is_no_header(header):
    with pytest.raises(ValueError, match="can't be the name of a header"):
        CLAIMS.read({header: "sub"})


@pytest.mark.parametrize("claim", ["", 1, None, ["sub"], " sub", "a\nb"])
def test_a_claim_is_named_by_text(claim):
    with pytest.raises(ValueError, match="want a table of header = claim"):
        CLAIMS.read({"X-User": claim})


@pytest.mark.parametrize("value", ["X-User=sub", ["X-User"], 1, None])
def test_claims_are_a_table(value):
    with pytest.raises(ValueError, match=r'such as \{ "X-User" = "sub" \}'):
        CLAIMS.read(value)


def test_every_wrong_claim_is_told_at_once():
    with pytest.raises(ValueError, match=r'"Host".*"X User".*"X-A" = 1'):
        CLAIMS.read({"Host": "sub", "X User": "sub", "X-A": 1})


@pytest.mark.parametrize("reference", ["env:NAME", "env:_a1", "file:/run/secrets/a", "file:relative", ""])
def test_a_secret_is_named_by_where_it_is(reference):
    assert reference == SECRET.read(reference)


@pytest.mark.parametrize(
    "value", ["canary", "env:", "env:1canary", "env:can ary", "ENV:canary", "file:", "canary:env", 17, ["canary"], None]
)
def test_whatever_stands_in_place_of_a_reference_is_not_repeated(value):
    with pytest.raises(ValueError, match='"env:NAME" or "file:/run/secrets/NAME"') as no:
        SECRET.read(value)
    assert "canary" not in str(no.value)
    assert "17" not in str(no.value)


@pytest.mark.parametrize(
    "reference",
    ["aws-sm:prod/gateway#secret", "aws-sm:prod", "aws-ssm:/prod/gateway", "aws-sm:arn:aws:a:b:1:secret:x-Y"],
)
def test_secrets_kept_by_aws_are_references(reference):
    assert reference == SECRET.read(reference)


@pytest.mark.parametrize("reference", ["aws-sm:", "aws-ssm:", "aws-sm:a#", "aws-sm:a#b#c", "aws-ssm:a#b", "aws-sm:a b"])
def test_what_aws_could_not_have_is_no_reference(reference):
    with pytest.raises(ValueError, match="is not a reference"):
        SECRET.read(reference)


@given(st.one_of(st.text(), st.dictionaries(st.text(), st.one_of(st.text(), st.integers()), max_size=3)))
def test_reading_gives_a_value_or_a_value_error(value):
    for kind in (CLAIMS, SECRET, SCOPES, METHODS, PATH, REALM, CLIENT_ID, TEXTS):
        for one in (value, [value]):
            assert why_not(kind.read, one) != ""
