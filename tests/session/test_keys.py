"""The key ring."""

import pytest

from phantomgate.session.keys import key_ring, read_session_key
from sealed import KEY, OLD_KEY, ring


def test_a_key_has_a_short_name_of_its_own_and_never_prints():
    key = read_session_key(KEY)

    assert len(key.id) == 4
    assert key.id != read_session_key(OLD_KEY).id
    assert key == read_session_key(KEY.upper())
    assert key.id not in bytes.fromhex(KEY)
    for secret in (KEY, key.v2.hex(), repr(key.v1), repr(key.v2)):
        assert secret not in repr(key) + repr(ring())


def test_format_v2_never_seals_under_the_key_of_format_v1():
    key = read_session_key(KEY)

    assert key.v1 == bytes.fromhex(KEY)
    assert len(key.v2) == 32
    assert key.v2 != key.v1


def test_the_first_key_is_the_newest_and_all_are_found_by_name():
    two = ring(KEY, OLD_KEY)

    assert two.newest == read_session_key(KEY)
    assert two.by_id(read_session_key(OLD_KEY).id) == read_session_key(OLD_KEY)
    assert two.by_id(b"none") is None


@pytest.mark.parametrize("text", ["", "password", KEY[:-2], KEY + "00", KEY[:-1] + "g", KEY + "\n", f" {KEY}"[:64]])
def test_what_is_no_key_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match="64 hexadecimal") as no:
        read_session_key(text)

    assert not text or text not in str(no.value)


@pytest.mark.parametrize("text", ["00" * 32, "ab" * 32, "deadbeef" * 8, "0123456789abcdef" * 4, KEY[:32] * 2])
def test_a_key_that_repeats_itself_is_refused(text):
    with pytest.raises(ValueError, match="repeats itself"):
        read_session_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50",
        "cc26d51be30dd69f11369c6a7af214ef5fce70a6f6ef19f02ab55d4cff4bce5d",
        "fda91643fce9af565bdc34cd965b48da75d1f5bd8846bf0910dd6d7b10f06dfe",
        "7b99279ab87533d3c238db874a842a91ee26a76027f3c03c317504963d2c9926",
        bytes(range(32)).hex(),
        bytes(range(1, 33)).hex(),
        bytes(range(31, -1, -1)).hex(),
    ],
)
def test_the_keys_of_manuals_are_refused(text):
    with pytest.raises(ValueError, match="an example"):
        read_session_key(text)


def test_a_ring_holds_at_least_one_key_and_none_twice():
    with pytest.raises(ValueError, match="no key"):
        key_ring([])
    with pytest.raises(ValueError, match="twice"):
        ring(KEY, OLD_KEY, KEY)
