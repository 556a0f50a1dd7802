"""RFC 6749 §2.3.1: client credentials survive every character."""

import base64

from phantomgate.oauth.client_auth import client_secret_basic, client_secret_post


def test_basic_encodes_both_parts_before_joining_them():
    auth = client_secret_basic("a:b", "p%ss w+rd:é")

    scheme, _, encoded = dict(auth.headers)["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(encoded) == b"a%3Ab:p%25ss+w%2Brd%3A%C3%A9"
    assert auth.params == ()


def test_post_sends_parameters_and_no_header():
    auth = client_secret_post("gateway", "s3cret")

    assert auth.headers == ()
    assert auth.params == (("client_id", "gateway"), ("client_secret", "s3cret"))


def test_a_secret_never_prints():
    for auth in (client_secret_basic("gateway", "s3cret"), client_secret_post("gateway", "s3cret")):
        assert "s3cret" not in repr(auth)
        assert "czNjcmV0" not in repr(auth)
