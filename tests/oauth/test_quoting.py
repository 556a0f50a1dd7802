"""What others say is escaped and bounded before it is in a log line."""

import json

import pytest

from phantomgate.oauth.quoting import listed, shown, why


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "'a'"), (None, "None"), (7, "7"), ("é\n\x1b\u202e", r"'\xe9\n\x1b\u202e'"), (["\u2028"], r"['\u2028']")],
)
def test_a_value_is_shown_in_printable_ascii(value, text):
    assert text == shown(value)


def test_a_value_is_shown_in_80_characters_and_no_more():
    assert "'" + "x" * 78 + "'" == shown("x" * 78)
    assert "'" + "x" * 79 + "..." == shown("x" * 79) == shown("x" * 100_000)


def test_names_are_listed_in_order():
    assert "a, b, c" == listed({"c", "a", "b"})


def test_a_reader_is_quoted_when_it_is_ours_and_only_named_when_it_quotes():
    assert "a JSON list, want an object" == why(ValueError("a JSON list, want an object"))
    assert "JSONDecodeError" == why(json.JSONDecodeError("Expecting value", "secret", 0))
    assert "UnicodeDecodeError" == why(UnicodeDecodeError("utf-8", b"secret", 0, 1, "invalid start byte"))
