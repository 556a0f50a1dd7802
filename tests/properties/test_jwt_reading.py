"""Whatever comes, reading ends in an answer or in the refusal that it documents, and no changed token is an answer."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from phantomgate.core.base64url import base64url
from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.algorithms import ALGORITHMS
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.jwt_rules import access_token_rules
from phantomgate.oauth.strict_json import read_object
from phantomgate.oauth.unverified import read_unverified
from refusals import why_not
from signing import ALL, AUDIENCE, ISSUER, key, key_set_body, keys, signature_of, signed, token, with_signature
from tokens import NOW, segment

RULES = access_token_rules(ISSUER, [AUDIENCE])
EVERY_KEY = keys(*(key(alg) for alg in ALL), algorithms=ALL)
GOOD = {alg: token(key(alg)) for alg in ALL}
REASONS = {
    Reason.INVALID_TOKEN,
    Reason.EXPIRED,
    Reason.WRONG_ISSUER,
    Reason.WRONG_AUDIENCE,
    Reason.BOUND_TOKEN,
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
header_names = st.sampled_from(
    ["alg", "kid", "typ", "cty", "crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"]
) | st.text(max_size=5)
claim_names = st.sampled_from(
    ["iss", "aud", "exp", "nbf", "iat", "sub", "client_id", "jti", "cnf", "token_type", "typ", "nonce", "events"]
) | st.text(max_size=5)
jwk_names = st.sampled_from(["kty", "crv", "alg", "use", "key_ops", "kid", "n", "e", "x", "y", "d", "k"]) | st.text(
    max_size=3
)
jwk_values = json_values | st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "P-384", "Ed25519", "AQAB", "AA", *ALL])
jwk_changes = st.tuples(st.sampled_from(ALL), st.dictionaries(jwk_names, jwk_values, max_size=3))


def judged(jws: str) -> str | None:
    """Why *jws* is refused, or None. Anything but a refusal of the documented kind goes through."""
    no = _refusal(jws)
    if no is None:
        return None
    assert no.reason in REASONS
    assert no.detail.isascii()
    assert no.detail.isprintable()
    assert len(no.detail) < 500
    return no.detail


def _refusal(jws: str) -> Refused | None:
    try:
        verify(jws, EVERY_KEY, RULES, NOW)
    except Refused as no:
        return no
    return None


@given(st.text() | st.text("eyJhbGciOiJSUzI1NiJ9._-="))
@example("")
@example("." * 20000)
@example("a" * 16384)
def test_any_text_is_refused(text):
    assert judged(text) is not None


@settings(max_examples=300)
@given(st.sampled_from(ALL), st.data())
def test_a_good_token_with_anything_changed_is_refused(alg, data):
    good = GOOD[alg]
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 3)))
    bad = good[:start] + data.draw(st.text("AZaz09-_.=+/ \n\u00e9", max_size=3)) + good[end:]

    assert judged(good) is None
    assert (judged(bad) is None) == (bad == good)


@settings(max_examples=300)
@given(st.sampled_from(ALL), st.data())
def test_a_signature_with_a_bit_changed_is_refused(alg, data):
    signature = bytearray(signature_of(GOOD[alg]))
    bit = data.draw(st.integers(0, len(signature) * 8 - 1))
    signature[bit // 8] ^= 1 << bit % 8

    assert judged(with_signature(GOOD[alg], bytes(signature))) is not None


@given(st.sampled_from(ALL), st.sampled_from(ALL))
def test_a_part_of_one_token_does_not_fit_another(alg, other):
    parts = [GOOD[alg].split("."), GOOD[other].split(".")]

    for choice in range(1, 7):
        mixed = ".".join(parts[choice >> place & 1][place] for place in range(3))
        assert (judged(mixed) is None) == (mixed in (GOOD[alg], GOOD[other]))


@settings(max_examples=300)
@given(st.sampled_from(ALL), st.dictionaries(header_names, json_values, max_size=4))
def test_any_header_well_signed_is_judged_and_no_more(alg, changes):
    header = {"alg": alg, "kid": f"{alg}-0", "typ": "at+jwt", **changes}

    judged(signed(key(alg), json.dumps(header).encode(), json.loads(base64url(GOOD[alg].split(".")[1].encode()))))


@settings(max_examples=300)
@given(st.sampled_from(ALL), st.dictionaries(claim_names, json_values, max_size=5))
def test_any_claims_well_signed_are_judged_and_no_more(alg, changes):
    judged(token(key(alg), **changes))


@given(st.sampled_from(ALL), st.binary(max_size=200))
def test_any_payload_well_signed_is_judged_and_no_more(alg, payload):
    assert judged(token(key(alg), payload)) is not None


@given(st.binary(max_size=200))
def test_a_segment_has_one_spelling(data):
    spelling = segment(data).encode()

    assert data == base64url(spelling)
    for other in (spelling + b"=", spelling + b"\n", b" " + spelling, spelling + b"!"):
        assert why_not(base64url, other)


@given(st.binary(max_size=60))
def test_what_is_read_from_base64url_is_written_the_same_again(text):
    if why_not(base64url, text) is None:
        assert text == segment(base64url(text)).encode()


@given(st.binary(max_size=300))
@example(b'{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}')
def test_a_key_set_of_any_bytes_is_read_or_refused(body):
    if why_not(lambda text: read_key_set(text, ["RS256"]), body) is None:
        assert isinstance(read_object(body)["keys"], list)


@settings(max_examples=300)
@given(st.lists(jwk_changes, max_size=4))
def test_keys_of_any_shape_are_used_skipped_or_the_set_refused(drawn):
    body = key_set_body(*({**key(alg).jwk, **changes} for alg, changes in drawn))

    said = why_not(lambda text: read_key_set(text, ALL), body)
    if said is not None:
        assert said.startswith("a key set ")
        return
    key_set = read_key_set(body, ALL)
    assert len(drawn) <= len(key_set.keys) + len(key_set.skipped)
    assert all(one.alg in ALGORITHMS for one in key_set.keys)
    assert all(why.isascii() and why.isprintable() and len(why) < 200 for _, why in key_set.skipped)


@given(st.text())
def test_an_unverified_jwt_is_read_or_refused(text):
    assert why_not(read_unverified, text)


@given(json_values, st.sampled_from(["", " ", "\n\t\r "]))
def test_strict_json_reads_what_python_wrote_or_refuses_it(value, space):
    text = space + json.dumps({"a": value}, allow_nan=True) + space

    if why_not(read_object, text.encode()):
        assert "NaN" in text or "Infinity" in text or "\\ud" in text or "e+" in text or len(text) > 64 or "[" in text
    else:
        assert json.dumps({"a": value}) == json.dumps(read_object(text.encode()))
