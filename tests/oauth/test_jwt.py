"""RFC 7519 §7.2: the signature first, then what was signed; one refusal for the first thing that is wrong."""

import pytest

from phantomgate.core.errors import Reason
from phantomgate.oauth.jws import UnknownKey
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import access_token_rules
from signing import ALL, AUDIENCE, ISSUER, claims_of, key, keys, refusal, token, with_signature
from tokens import NOW

RULES = access_token_rules(ISSUER, [AUDIENCE])
SIGNER = key("ES256")
KEYS = keys(SIGNER)


@pytest.mark.parametrize("alg", ALL)
def test_a_good_token_of_every_algorithm(alg):
    verified = verify(token(key(alg)), keys(key(alg)), RULES, NOW)

    assert claims_of() == verified.claims
    assert {"alg": alg, "typ": "at+jwt", "kid": f"{alg}-0"} == dict(verified.header)


def test_the_signature_is_looked_at_before_what_was_signed():
    for bad in (
        token(SIGNER, exp=0),
        token(SIGNER, iss="x"),
        token(SIGNER, b"\xff"),
        token(SIGNER, header={"typ": "x"}),
    ):
        said = refusal(verify, with_signature(bad, bytes(64)), KEYS, RULES, NOW).detail
        assert said.startswith("the signature is wrong")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"7",
        b"{",
        b'{"sub":"ann","sub":"eve"}',
        b'{"a":{"b":1,"b":2}}',
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":1e400}',
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"sub":"\xff"}',
        b'{"sub":"\\ud800"}',
        b'{"a":[["\\ud800"]]}',
        b'\xef\xbb\xbf{"sub":"ann"}',
        '{"sub":"ann"}'.encode("utf-16"),
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b'{"sub":"ann"}{"sub":"eve"}',
        b'{"sub":"ann"}\0',
        token(SIGNER).encode(),
    ],
    ids=lambda payload: ascii(payload[:20]),
)
def test_claims_have_one_meaning(payload):
    no = refusal(verify, token(SIGNER, payload), KEYS, RULES, NOW)

    assert Reason.INVALID_TOKEN is no.reason
    assert no.detail.startswith("the claims can't be read: ")
    assert len(no.detail) < 200


def test_a_token_may_be_nested_no_deeper_than_once_and_not_even_that():
    inner = token(SIGNER)
    for _ in range(5):
        inner = token(SIGNER, inner.encode(), header={"cty": "JWT"})

    assert "cty is JWT" in refusal(verify, inner, KEYS, RULES, NOW).detail


def test_a_missing_key_is_told_apart_so_that_a_newer_set_can_be_fetched():
    assert isinstance(refusal(verify, token(key("ES256", 1)), KEYS, RULES, NOW), UnknownKey)
    for bad in (token(SIGNER, exp=0), token(SIGNER, header={"alg": "ES512"}), with_signature(token(SIGNER), bytes(64))):
        assert not isinstance(refusal(verify, bad, KEYS, RULES, NOW), UnknownKey)


def test_the_size_can_be_bounded_lower():
    jwt = token(SIGNER)

    assert verify(jwt, KEYS, RULES, NOW, max_bytes=len(jwt))
    said = refusal(verify, jwt, KEYS, RULES, NOW, max_bytes=len(jwt) - 1).detail
    assert f"a token of {len(jwt)} bytes, want at most {len(jwt) - 1}" == said


def test_the_same_token_is_the_same_whether_its_header_is_remembered_or_not():
    fresh, warm = keys(SIGNER), KEYS
    verify(token(SIGNER), warm, RULES, NOW)

    for jwt in (token(SIGNER), token(SIGNER, exp=0), with_signature(token(SIGNER), bytes(64)), token(SIGNER) + "="):
        outcomes = []
        for key_set in (fresh, warm):
            try:
                outcomes.append(verify(jwt, key_set, RULES, NOW).claims)
            except Exception as no:  # noqa: BLE001 - whatever it is, it has to be the same
                outcomes.append(repr(no))
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("changes", [{"exp": 0}, {"iss": "x"}, {"aud": "x"}, {"nonce": "x"}, {"cnf": {}}, {"iat": "x"}])
def test_the_log_is_never_told_the_token_nor_its_subject(changes):
    jwt = token(SIGNER, sub="a-secret-subject", jti="a-secret-name", **changes)
    said = refusal(verify, jwt, KEYS, RULES, NOW).detail

    assert "a-secret" not in said
    for piece in jwt.split("."):
        assert piece[:16] not in said
