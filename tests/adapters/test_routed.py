"""The path that is judged: the one that the application routes on, in one spelling, and nothing hidden in it."""

from __future__ import annotations

from urllib.parse import quote, quote_from_bytes, unquote, unquote_to_bytes

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phantomgate.adapters.routed import UNREADABLE, routed_path, spelled
from phantomgate.core.errors import Refused
from phantomgate.core.model import Headers, Request, Route
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule

TABLE = route_table([Rule("/**", (), Route("any"))], Route("policy"))


def judged(raw: bytes, path: str | None = None) -> str:
    return routed_path(unquote(raw.decode("latin-1")) if path is None else path, raw, "", "")[0]


def passes(path: str) -> bool:
    try:
        TABLE(Request("GET", path, Headers()))
    except Refused:
        return False
    return True


SPELLINGS = [
    (b"/orders/1", "/orders/1"),
    (b"/", "/"),
    (b"/%61dmin", "/admin"),
    (b"/%7Ejoe", "/~joe"),
    (b"/%40me,%2B1", "/@me,+1"),
    (b"/caf%c3%a9", "/caf%C3%A9"),
    (b'/"x"', "/%22x%22"),
    (b"/a.b", "/a.b"),
]


@pytest.mark.parametrize(("raw", "path"), SPELLINGS)
def test_there_is_one_spelling_of_a_path(raw, path):
    assert path == judged(raw)
    assert passes(path)


HIDDEN = [
    b"/a%2Fb", b"/a%2fb", b"/%2e%2e/b", b"/a/%2E/b", b"/a%5Cb", b"/a\\b", b"/a;b", b"/a%3Bb", b"//a", b"/a//b",
    b"/a/../b",
    b"/a%00", b"/a%0a", b"/a%20b", b"/a b", b"/a%3Fb", b"/a%23b", b"/a%2561", b"/a%zz", b"/a%", b"*", b"", b"/%c0%af",
    b"/a%7f",
]  # fmt: skip


@pytest.mark.parametrize("raw", HIDDEN)
def test_what_decoding_hides_is_refused_by_the_table(raw):
    assert not passes(judged(raw) if raw else routed_path("", None, "", "x")[0])


@pytest.mark.parametrize(
    "path", ["/a%2Fb", "/a%61", "/a b", "/a;b", "/a\\b", "/a?b", "/a#b", "//a", "/a/../b", "/a\x00", "/a\n", "*"]
)
def test_where_the_server_keeps_what_was_sent_the_decoded_path_is_looked_at(path):
    assert not passes(routed_path(path, None, "", "")[0])


@pytest.mark.parametrize("path", ["/public", "/a/b", "/A", "/\ufffd"])
def test_a_path_that_somebody_rewrote_without_the_other_is_refused(path):
    got, note = routed_path(path, b"/a", "", "")
    assert UNREADABLE == got
    assert "rewrite" in note


@given(st.text(min_size=1), st.sampled_from([quote, lambda text: quote(text, safe=""), lambda text: text]))
def test_what_decodes_to_one_path_is_judged_as_one_or_refused(text, encode):
    """The application sees the decoded path only: whatever two requests it can't tell apart are judged alike."""
    text = "/" + text
    try:
        raw = encode(text).encode("utf-8")
    except UnicodeEncodeError:
        assume(False)
    assume(raw.startswith(b"/"))
    decoded = unquote(raw.decode("utf-8"))
    with_raw, without = routed_path(decoded, raw, "", "")[0], routed_path(decoded, None, "", "")[0]
    assert with_raw == without or not passes(with_raw) or not passes(without)


@given(st.binary(max_size=12), st.data())
def test_encoding_more_or_in_small_letters_changes_nothing(octets, data):
    plain = b"/" + quote_from_bytes(octets, safe="/").encode()
    chosen = "".join(
        data.draw(st.sampled_from([chr(octet), f"%{octet:02x}", f"%{octet:02X}"]))
        if chr(octet).isalnum() and octet < 128
        else f"%{octet:02x}"
        for octet in octets
    )
    other = b"/" + chosen.encode()
    assert unquote_to_bytes(plain) == unquote_to_bytes(other)
    assert spelled(plain) == spelled(other) or b"/" in octets or b"." in octets  # what is hidden stays hidden


@given(st.binary())
def test_any_bytes_have_a_spelling_in_ascii_and_it_is_stable(raw):
    once = spelled(raw)
    assert once.isascii()
    assert once == spelled(once.encode())


ROOTS = [
    ("/api/x", "/api", "/api", "/api/x"),
    ("/api", "/api", "/api", "/api"),
    ("/x", "/api", "/api", "/api/x"),
    ("/apix", "/api", "/api", UNREADABLE),
    ("/y/api/x", "/api", "/api", UNREADABLE),
    ("/api/x", "/api", "", UNREADABLE),
    ("/api/x", "", "/api", UNREADABLE),
    ("/x", "/a", "/b", UNREADABLE),
]


@pytest.mark.parametrize(("path", "root", "expected", "whole"), ROOTS)
def test_the_root_is_the_expected_one_and_at_the_beginning(path, root, expected, whole):
    assert whole == routed_path(path, path.encode(), root, expected)[0]
    assert whole == routed_path(path, None, root, expected)[0]


def test_a_note_quotes_little_and_safely():
    note = routed_path("/x", None, "/\n" + "a" * 500, "")[1]
    assert "\n" not in note
    assert len(note) < 200
