"""The parts of a split token: what may be pushed, under which key, and what can't be a signature."""

import contextlib
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.oauth.split_token import Pushed, joined, key_of, read_key, read_pushed
from tokens import NOW, jwt, segment

HALF, _, SIGNATURE = jwt().rpartition(".")
DIGEST = sha256(SIGNATURE.encode()).digest()


def test_both_parts_make_the_jwt_and_the_key_is_the_hash_of_one():
    pushed = read_pushed(b64encode(DIGEST).decode(), HALF)

    assert pushed == Pushed(DIGEST, HALF.encode(), NOW + 3600)
    assert key_of(SIGNATURE) == DIGEST
    assert joined(pushed.half, SIGNATURE) == jwt()


@pytest.mark.parametrize("number", range(20))
def test_a_hash_is_read_in_either_alphabet_with_or_without_padding(number):
    digest = sha256(bytes([number])).digest()
    for text in (b64encode(digest).decode(), urlsafe_b64encode(digest).decode()):
        assert read_key(text) == read_key(text.rstrip("=")) == digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        DIGEST.hex(),
        b64encode(DIGEST[:31]).decode(),
        b64encode(DIGEST).decode() + "=",
        "+-" + "A" * 41,
        "é" * 43,
    ],
)
def test_what_is_no_sha_256_is_refused(text):
    with pytest.raises(ValueError):
        read_key(text)


@pytest.mark.parametrize(
    "half",
    [
        "",
        HALF + ".",
        jwt(),
        HALF.split(".")[0],
        "." + HALF,
        HALF + "\n",
        HALF + "=",
        f"{segment([])}.{segment({'exp': NOW})}",
        ".".join([segment({}), segment(b"{")]),
        ".".join([segment({}), segment(b'{"exp":1,"exp":2}')]),
        f"{segment({})}.{segment({})}",
        f"{segment({})}.{segment({'exp': '1'})}",
        f"{segment({})}.{segment({'exp': True})}",
        f"{segment({})}.{segment({'exp': -1})}",
        f"{segment({})}.{segment({'exp': NOW, 'x': 'a' * 16_384})}",
    ],
)
def test_what_is_no_part_of_a_jwt_is_refused_and_not_quoted(half):
    with pytest.raises(ValueError) as no:
        read_pushed(b64encode(DIGEST).decode(), half)
    assert not half or half not in str(no.value)


@pytest.mark.parametrize("value", ["", "short", "a" * 42, "a" * 1025, "a" * 43 + "=", "a." * 30, "é" * 50, jwt()])
def test_what_can_not_be_a_signature_has_no_key(value):
    assert key_of(value) is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_pushed_is_read_or_a_value_error(name, half):
    with contextlib.suppress(ValueError):
        read_pushed(name, half)
