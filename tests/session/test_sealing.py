"""What is sealed opens where it was sealed for, and nowhere else."""

import hmac
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, given
from hypothesis import strategies as st

from phantomgate.core.base64url import base64url, base64url_text
from phantomgate.core.errors import Unreadable
from phantomgate.session.keys import KeyRing, SessionKey, read_session_key
from phantomgate.session.sealing import MAX_SEALED, open_sealed, seal, seal_v1
from sealed import ISSUER, KEY, OLD_KEY, Numbered, ring

NAME = "__Host-example-at"
plaintexts = st.binary(min_size=1, max_size=200)


def sealed(plaintext=b"token", name=NAME, issuer=ISSUER, keys=None):
    return seal(keys or ring(), name, issuer, plaintext, random=Numbered())


def sealed_v1(plaintext=b"token", key=KEY):
    return seal_v1(read_session_key(key), plaintext, random=Numbered())


def opened(text, name=NAME, issuer=ISSUER, keys=None, legacy=True):
    return open_sealed(keys or ring(), name, issuer, text, legacy=legacy)


def unreadable(text, **where):
    with pytest.raises(Unreadable) as no:
        opened(text, **where)
    return str(no.value)


@given(plaintexts)
def test_what_was_sealed_opens(plaintext):
    assert opened(sealed(plaintext)).plaintext == plaintext
    assert opened(sealed_v1(plaintext)).plaintext == plaintext


@given(plaintexts, st.integers(min_value=0), st.booleans())
def test_any_bit_that_is_flipped_makes_it_unreadable(plaintext, bit, v1):
    data = bytearray(base64url((sealed_v1 if v1 else sealed)(plaintext).encode()))
    at = bit % (len(data) * 8)
    data[at // 8] ^= 1 << at % 8

    unreadable(base64url_text(bytes(data)))


@given(plaintexts, st.integers(min_value=0), st.booleans())
def test_any_part_that_is_missing_makes_it_unreadable(plaintext, length, v1):
    text = (sealed_v1 if v1 else sealed)(plaintext)

    unreadable(text[: length % len(text)])
    unreadable(text[1 + length % len(text) :])


@given(st.text(max_size=200))
def test_no_other_text_opens(text):
    unreadable(text)


@given(plaintexts, st.sampled_from("ABab01-_ =.\n"))
def test_one_value_has_one_spelling(plaintext, extra):
    for text in (sealed(plaintext), sealed_v1(plaintext)):
        for other in (text + extra, extra + text, text + "=", text[:5] + extra + text[5:]):
            unreadable(other)
        if "-" in text or "_" in text:
            unreadable(text.replace("-", "+").replace("_", "/"))


def test_a_value_opens_in_the_cookie_and_for_the_issuer_it_was_sealed_for_and_nowhere_else():
    text = sealed()

    assert opened(text).plaintext == b"token"
    for name in ("__Host-example-csrf", "example-at", "__Host-example-at.1", ""):
        assert "another cookie or issuer" in unreadable(text, name=name)
    for issuer in ("https://as.example/", "https://as.example2", ""):
        assert "another cookie or issuer" in unreadable(text, issuer=issuer)
    assert "another cookie" in unreadable(sealed(name="a", issuer="bc"), name="ab", issuer="c")


def test_a_value_names_its_key_and_a_new_key_logs_nobody_out():
    before = sealed(keys=ring(OLD_KEY))
    both = ring(KEY, OLD_KEY)

    assert (opened(before, keys=both).plaintext, opened(before, keys=both).newest) == (b"token", False)
    assert opened(before, keys=both).key_id == ring(OLD_KEY).newest.id
    assert (opened(sealed(keys=both), keys=both).version, opened(sealed(keys=both), keys=both).newest) == (2, True)
    unreadable(before, keys=ring(KEY))


def test_format_v1_is_opened_by_every_key_and_never_the_newest():
    found = opened(sealed_v1(key=OLD_KEY), keys=ring(KEY, OLD_KEY))

    assert (found.version, found.newest, found.key_id) == (1, False, ring(OLD_KEY).newest.id)
    assert "none of our keys" in unreadable(sealed_v1(key=OLD_KEY))


def test_format_v1_is_read_only_where_it_is_wanted():
    assert "version 1, want 2" in unreadable(sealed_v1(), legacy=False)


def test_v2_without_its_binding_is_no_v1_and_v1_is_no_v2():
    v2, v1 = base64url(sealed().encode()), base64url(sealed_v1().encode())

    unreadable(base64url_text(b"\x01" + v2[5:]))
    unreadable(base64url_text(b"\x02" + ring().newest.id + v1[1:]))


@pytest.mark.parametrize("version", [0, 3, 255])
def test_other_versions_are_unreadable(version):
    data = base64url(sealed().encode())

    assert f"version {version}" in unreadable(base64url_text(bytes([version]) + data[1:]))


def test_there_is_always_something_inside():
    for empty in (sealed(b""), sealed_v1(b"")):
        assert "want more than" in unreadable(empty)


def test_what_is_too_long_for_cookies_is_not_looked_at():
    assert f"want at most {MAX_SEALED}" in unreadable("A" * (MAX_SEALED + 1))
    assert "version 0" in unreadable("A" * MAX_SEALED)


def test_two_sealings_of_one_value_differ():
    random = Numbered()

    assert seal(ring(), NAME, ISSUER, b"x", random=random) != seal(ring(), NAME, ISSUER, b"x", random=random)


def test_nothing_secret_prints():
    text = sealed(b"very-secret-token")

    assert "very-secret" not in repr(opened(text))
    assert text not in unreadable(text, name="other")


def test_a_value_of_an_existing_agent_opens():
    """Sealed by others, with the key that their manuals print, which a ring would refuse."""
    key = bytes.fromhex("4e4636356d65563e4c73233847503e3b21436e6f7629724950526f4b5e2e4e50")
    theirs = KeyRing((SessionKey(b"id  ", v1=key, v2=key),))
    text = "AcYBf995tTBVsLtQLvOuLUZXHm2c-XqP8t7SKmhBiQtzy5CAw4h_RF6rXyg6kHrvhb8x4WaLQC6h3mw6a3O3Q9A"

    assert opened(text, keys=theirs).plaintext == b"42665300-efe8-419d-be52-07b53e208f46"


@given(plaintexts, st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_two_places_are_one(plaintext, name, other_name, issuer, other_issuer):
    text = sealed(plaintext, name, issuer)

    if (name, issuer) != (other_name, other_issuer):
        unreadable(text, name=other_name, issuer=other_issuer)
    assert opened(text, name=name, issuer=issuer).plaintext == plaintext


@given(plaintexts, st.binary(min_size=32, max_size=32).filter(lambda key: len(set(key)) > 16))
def test_no_other_key_opens(plaintext, key):
    assume(key.hex() not in (KEY, OLD_KEY))

    for text in (sealed(plaintext), sealed_v1(plaintext)):
        unreadable(text, keys=ring(key.hex(), OLD_KEY))


def test_format_v2_is_what_its_description_says():
    """Written anew from docs/decisions/0013-session-cookies.md, so that no change of ours goes unnoticed."""
    secret, iv, plaintext = bytes.fromhex(KEY), b"twelve bytes", b"the access token"

    def derived(label):
        return hmac.digest(secret, b"phantomgate session " + label + b"\x01", "sha256")

    head = b"\x02" + derived(b"key id")[:4]
    bound = head + b"\x00\x11__Host-example-at" + b"\x00\x12https://as.example"
    whole = head + iv + AESGCM(derived(b"cookie v2")).encrypt(iv, plaintext, bound)
    text = urlsafe_b64encode(whole).rstrip(b"=").decode()

    assert seal(ring(), NAME, ISSUER, plaintext, random=lambda size: iv) == text
    assert opened(text).plaintext == plaintext
