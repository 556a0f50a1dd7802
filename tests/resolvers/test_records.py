"""A record gives back the token it was made from, to the last character of its JWT; or the claims, without one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.core.model import Source, Token
from phantomgate.oauth.claims import read_scopes
from phantomgate.resolvers.records import pack, unpack
from tokens import NOW, jwt, segment

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
scopes = st.lists(st.sampled_from(["read", "write"])).map(" ".join)


def token(text):
    return Token(text, {}, frozenset(), NOW + 60.0, 60.0)


def again(text):
    return unpack(pack(token(text)), fresh_until=7.0, issuer="as", source=Source.MEMORY)


@given(signature=st.binary(min_size=1, max_size=600), filler=st.text(max_size=200))
@example(signature=b"\xfb\xff", filler="é")
def test_the_jwt_comes_back_character_by_character(signature, filler):
    text = f"{jwt({'filler': filler}).rpartition('.')[0]}.{segment(signature)}"

    found = again(text)

    assert (text, filler, NOW + 60.0) == (found.jwt, found.claims["filler"], found.expires_at)


@given(last=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
def test_a_signature_with_bits_left_over_keeps_its_spelling(last):
    text = f"{jwt().rpartition('.')[0]}.{'s' * 85}{last}"

    assert text == again(text).jwt


def test_a_jwt_is_kept_in_three_quarters_of_its_text():
    text = f"{jwt({'filler': 'x' * 1000}).rpartition('.')[0]}.{segment(bytes(256))}"

    assert len(pack(token(text))) < 0.76 * len(text)


def test_a_header_too_long_for_its_length_is_kept_as_text():
    text = jwt(header={"alg": "ES256", "filler": "x" * 70_000})

    assert text == again(text).jwt


@given(st.dictionaries(st.text(), json_values, max_size=5), scopes)
def test_claims_without_a_jwt_come_back_as_they_were(claims, scope):
    claims = {**claims, "scope": scope}

    token = unpack(
        pack(Token("", claims, read_scopes(claims), NOW + 1.5, 0.0)), fresh_until=7.0, issuer="as", source=Source.MEMORY
    )

    assert (token.jwt, token.claims, token.expires_at) == ("", claims, NOW + 1.5)
    assert (token.scopes, token.fresh_until, token.issuer) == (frozenset(scope.split()), 7.0, "as")


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\x01",
        b"\x02" * 13,
        b"\x04" + bytes(100),
        b"\x02" + bytes(8) + b"\xff" * 50,
        b"\x03" + bytes(8),
        b"\x03" + bytes(8) + b"[]",
    ],
)
def test_what_pack_did_not_write_is_refused(record):
    with pytest.raises(ValueError, match=r".+"):
        unpack(record, fresh_until=7.0, issuer="as", source=Source.MEMORY)


@pytest.mark.parametrize(
    "text", [f"{jwt().rpartition('.')[0]}.{segment(bytes(64))}", jwt(), ""], ids=["segments", "text", "claims"]
)
def test_a_record_that_is_cut_off_or_of_another_version_is_none(text):
    made = Token(text, {"sub": "ann"}, frozenset(), NOW + 60.0, 60.0)
    record = pack(made)
    cut = [record[:length] for length in range(1 + 8 + 8 + 4 + 1)]
    for broken in (*cut, *(bytes((version,)) + record[1:] for version in (0, 4, 255))):
        with pytest.raises(ValueError):
            unpack(broken, fresh_until=7.0, issuer="as", source=Source.MEMORY)
