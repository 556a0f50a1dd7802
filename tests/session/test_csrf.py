"""A session's values, and the double submit that is bound to them."""

import pytest

from phantomgate.core.errors import Reason, Refused, Unreadable
from phantomgate.session.csrf import SessionToken, check_double_submit, open_token, seal_token
from phantomgate.session.keys import read_session_key
from phantomgate.session.sealing import seal, seal_v1
from sealed import ISSUER, KEY, OLD_KEY, Numbered, ring

SESSION, OTHER = b"s" * 16, b"o" * 16


def opened(text, name="csrf", keys=None):
    return open_token(keys or ring(), name, ISSUER, text, legacy=True)


def refusal(header, csrf, session=SESSION):
    with pytest.raises(Refused) as no:
        check_double_submit(header, csrf, session)
    assert no.value.reason is Reason.FORGED_REQUEST
    return no.value.detail


def test_a_token_is_sealed_with_the_session_it_is_of():
    token = SessionToken(SESSION, "tokén")
    text = seal_token(ring(), "csrf", ISSUER, token, random=Numbered())

    assert opened(text) == token
    assert opened(text).newest
    assert not opened(text, keys=ring(OLD_KEY, KEY)).newest
    assert "tok" not in repr(token)
    assert repr(SESSION) not in repr(token)


def test_a_token_of_format_v1_has_no_session():
    text = seal_v1(read_session_key(KEY), "tokén".encode(), random=Numbered())

    assert opened(text) == SessionToken(b"", "tokén")
    assert not opened(text).newest


@pytest.mark.parametrize("inside", [b"", b"s" * 15, b"s" * 16, b"s" * 16 + b"\xff"])
def test_what_holds_no_session_and_value_is_unreadable(inside):
    with pytest.raises(Unreadable):
        opened(seal(ring(), "csrf", ISSUER, inside, random=Numbered()))


def test_nothing_is_sealed_without_a_session():
    with pytest.raises(ValueError, match="want 16"):
        seal_token(ring(), "csrf", ISSUER, SessionToken(b"", "x"), random=Numbered())


def test_the_header_repeats_the_token_of_the_same_session():
    check_double_submit(b"token", SessionToken(SESSION, "token"), SESSION)
    check_double_submit(b"token", SessionToken(b"", "token"), b"")


@pytest.mark.parametrize("header", [None, b""])
def test_without_a_header_the_request_is_forged(header):
    assert "no CSRF header" in refusal(header, SessionToken(SESSION, "token"))
    assert "no CSRF header" in refusal(header, SessionToken(SESSION, ""))


@pytest.mark.parametrize("header", [b"toke", b"token2", b"Token", b" token", b"t\xf6ken"])
def test_another_header_is_forged(header):
    assert "not what the CSRF cookie holds" in refusal(header, SessionToken(SESSION, "token"))


def test_a_pair_of_cookie_and_header_from_another_session_is_forged():
    assert "another session" in refusal(b"token", SessionToken(OTHER, "token"))


def test_the_formats_do_not_mix():
    """Else an old cookie of the attacker's, which is bound to nothing, would do beside the victim's session."""
    assert "another session" in refusal(b"token", SessionToken(b"", "token"))
    assert "another session" in refusal(b"token", SessionToken(SESSION, "token"), session=b"")
