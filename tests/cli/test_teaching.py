"""Help is filled to the width there is: prose is, what means something is, and what is to be copied is not."""

from __future__ import annotations

import pytest

from phantomgate.cli.teaching import filled


def test_prose_is_filled_and_paragraphs_stay_apart():
    assert ["One two", "three.", "", "Four."] == filled("One\ntwo three.\n\nFour.\n", 10)


def test_what_is_to_be_copied_stays_as_it_is():
    text = "Such as:\n\n  phantomgate explain --path /orders \\\n      --header 'A: b'\n  END"
    assert text.split("\n") == filled(text, 20)


def test_a_meaning_goes_on_below_where_it_began():
    assert ["codes:", "  1  it is", "     too", "     long", "  2  good"] == filled(
        "codes:\n  1  it is\n     too long\n  2  good", 10
    )


def test_meanings_that_are_far_away_come_below_when_one_is_too_long():
    words = "  phantomgate package --layer  a layer\n  phantomgate package          the function of all that is here"

    assert words.split("\n") == filled(words, 80)
    assert [
        "  phantomgate package --layer",
        "      a layer",
        "  phantomgate package",
        "      the function of all that is here",
    ] == filled(words, 40)


@pytest.mark.parametrize("width", [20, 40, 80, 118])
def test_no_word_is_lost(width):
    text = "One two-three four,\nfive.\n\n  a  six seven eight nine\n     ten\n  b  eleven\n\nTwelve."
    assert text.split() == " ".join(filled(text, width)).split()
