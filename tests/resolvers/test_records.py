"""A record gives back the token it was made from, to the last character of its JWT."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.core.model import Source, Token
from phantomgate.resolvers.records import pack, unpack
from tokens import NOW, jwt, segment


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


@pytest.mark.parametrize(
    "record", [b"", b"\x01", b"\x02" * 13, b"\x03" + bytes(100), b"\x02" + bytes(8) + b"\xff" * 50]
)
def test_what_pack_did_not_write_is_refused(record):
    with pytest.raises(ValueError, match=r".+"):
        unpack(record, fresh_until=7.0, issuer="as", source=Source.MEMORY)
