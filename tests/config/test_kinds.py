"""Kinds of values: types are never bent, and a variable's text becomes what TOML would have given."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.config.kinds import SWITCH, choice, found, from_json, list_of, number, words
from phantomgate.config.settings import LISTS, SECTIONS
from phantomgate.core.nouns import fields
from refusals import why_not

NUMBER = number(1, 256)
LETTERS = words("letters", r"[a-z]+", "small letters", optional=False)
LIST = list_of(LETTERS, want='["a"]')
ANYTHING = st.recursive(
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)


@pytest.mark.parametrize("value", ["2", "two", 0, 257, 2.0, True, None, [], {}, -1, 10**30])
def test_a_number_is_an_integer_within_bounds(value):
    with pytest.raises(ValueError, match="want a whole number from 1 to 256"):
        NUMBER.read(value)


@pytest.mark.parametrize(
    ("text", "value"), [("2", 2), ("1_000", 1000), ("two", "two"), ("", ""), ("\uff12", "\uff12"), (" 2", " 2")]
)
def test_a_variable_holds_digits_or_no_number(text, value):
    assert value == NUMBER.from_text(text)


@pytest.mark.parametrize("value", ["true", 1, 0, None, "yes", []])
def test_a_switch_is_true_or_false(value):
    with pytest.raises(ValueError, match="want true or false"):
        SWITCH.read(value)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("True", "True"), ("1", "1"), ("", "")])
def test_a_variable_holds_true_or_false_in_small_letters(text, value):
    assert value == SWITCH.from_text(text)


@pytest.mark.parametrize("value", ["Basic", "", 1, None, ["basic"], {}])
def test_a_choice_is_one_of_its_words(value):
    with pytest.raises(ValueError, match='want one of "basic", "post"'):
        choice("basic", "post").read(value)


def test_words_that_are_optional_may_be_empty_and_others_not():
    assert words("letters", r"[a-z]+", "small letters").read("") == ""
    with pytest.raises(ValueError, match='is ""; want small letters'):
        LETTERS.read("")


def test_a_pattern_holds_for_the_whole_text():
    with pytest.raises(ValueError, match="small letters"):
        LETTERS.read("abc\n")


def test_a_list_says_which_of_its_items_are_wrong():
    with pytest.raises(ValueError, match=r'item 2 is "B"; want small letters; item 3 is 3; want small letters'):
        LIST.read(["a", "B", 3])


@pytest.mark.parametrize("value", ["a", 1, None, {"a": 1}])
def test_a_list_is_a_list(value):
    with pytest.raises(ValueError, match=r'want a list, such as \["a"\]'):
        LIST.read(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("a,b", ["a", "b"]), (" a , b ", ["a", "b"]), ("", []), (" ", []), ('["a", "b"]', ["a", "b"]), ("a,", ["a", ""])],
)
def test_a_variable_holds_a_list_with_commas_or_as_json(text, value):
    assert value == LIST.from_text(text)


@pytest.mark.parametrize("text", ['["canary"', "[" * 100_000, "[" + "9" * 5000 + "]", "[NaN, canary]"])
def test_json_that_is_none_is_not_quoted(text):
    with pytest.raises(ValueError, match="is not JSON") as no:
        from_json(text)
    assert "canary" not in str(no.value)


@given(st.text())
def test_json_in_a_variable_gives_a_value_or_a_value_error(text):
    said = why_not(from_json, text)
    assert "is not JSON" in said if said is not None else repr(from_json(text)) == repr(json.loads(text))


def test_a_number_that_python_would_not_print_is_only_called_large():
    assert found(16**5000) == "a very large number"


@given(ANYTHING)
def test_what_was_found_is_short_and_printable(value):
    said = found(value)
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 500


@given(ANYTHING)
def test_every_kind_gives_a_value_or_a_value_error(value):
    for kind in (NUMBER, SWITCH, LETTERS, LIST, choice("a")):
        said = why_not(kind.read, value)
        assert said is None or "want" in said


@pytest.mark.parametrize("section", [*SECTIONS.values(), *LISTS.values()])
def test_a_default_of_ours_is_what_anybody_would_have_written(section):
    """Defaults are not checked at each start; here they are."""
    made = section()
    for one in fields(section):
        if one.metadata:
            kind, default = one.metadata["kind"], one.metadata["default"]
            assert kind.read(default) == getattr(made, one.name), one.name
