"""RFC 6749 §2.3.1: client credentials survive every character."""

import base64

from phantomgate.oauth.client_auth import (
    assertion_claims,
    bearer_token,
    client_assertion,
    client_id_only,
    client_secret_basic,
    client_secret_basic_raw,
    client_secret_post,
)
from tokens import NOW


def test_basic_encodes_both_parts_before_joining_them():
    auth = client_secret_basic("a:b", "p%ss w+rd:é")

    scheme, _, encoded = dict(auth.headers)["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded) == b"a%3Ab:p%25ss+w%2Brd%3A%C3%A9"
    assert auth.params == ()


def test_raw_basic_joins_both_parts_as_they_are():
    auth = client_secret_basic_raw("gateway", "p%ss w+rd:é$!")

    scheme, _, encoded = dict(auth.headers)["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded) == "gateway:p%ss w+rd:é$!".encode()
    assert auth.params == ()


def test_post_sends_parameters_and_no_header():
    auth = client_secret_post("gateway", "s3cret")

    assert auth.headers == ()
    assert auth.params == (("client_id", "gateway"), ("client_secret", "s3cret"))


def test_a_secret_never_prints():
    for shown in (client_secret_basic, client_secret_basic_raw, client_secret_post):
        auth = shown("gateway", "s3cret")
        assert "s3cret" not in repr(auth)
        assert "czNjcmV0" not in repr(auth)


def test_an_assertion_says_who_for_whom_once_and_for_a_minute():
    assert assertion_claims("gateway", "https://as.example", now=NOW + 0.9, jti="j1") == {
        "iss": "gateway",
        "sub": "gateway",
        "aud": "https://as.example",
        "jti": "j1",
        "iat": NOW,
        "exp": NOW + 60,
    }


def test_what_was_signed_goes_into_the_body():
    auth = client_assertion("gateway", "a.b.c")

    assert auth.headers == ()
    assert auth.params == (
        ("client_id", "gateway"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", "a.b.c"),
    )
    assert "a.b.c" not in repr(auth)


def test_a_token_of_our_own_is_a_bearer_token():
    auth = bearer_token("gateway", "t0ken")

    assert (auth.headers, auth.params) == ((("Authorization", "Bearer t0ken"),), ())
    assert "t0ken" not in repr(auth)


def test_a_certificate_is_named_by_the_client_it_is_for():
    assert client_id_only("gateway").params == (("client_id", "gateway"),)
