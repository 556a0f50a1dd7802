"""Cache-Control and Age: never more than the server said, and nothing at all where there is a doubt."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.core.model import Headers
from phantomgate.oauth.freshness import read_freshness

directives = st.sampled_from(
    ["no-store", "no-cache", "private", "public", "max-age=60", "max-age=0", "s-maxage=9", "max-age=abc",
    'max-age="60"',
     "max-age=-1", "max-age", "max-age=", "Max-Age=7", "must-revalidate", 'x="a, max-age=9"', 'x="', "x=y",
     "=", "max-age =1",
     "max-age=00000000000060", "", " ", "\t", 'no-cache="a"']
)  # fmt: skip
fields = st.lists(st.lists(directives, max_size=4).map(", ".join) | st.text(max_size=20), max_size=3)
ages = st.lists(
    st.integers(0, 10**12).map(str) | st.text(max_size=8) | st.sampled_from([" 5 ", "0" * 12 + "50", "9" * 5000]),
    max_size=2,
)


def latin(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def headers(cache_control: list[str], age: list[str]) -> Headers:
    return Headers.of(
        [*((b"Cache-Control", latin(value)) for value in cache_control), *((b"Age", latin(value)) for value in age)]
    )


@given(fields, ages)
@example(["max-age=60"], [" " * 12 + "5"])
@example(["max-age=60"], ["0" * 12 + "50"])
@example(["max-age=60"], ["9" * 5000])
@example(["max-age=" + "9" * 5000], [])
def test_whatever_the_server_says_is_a_number_of_seconds_or_nothing(cache_control, age):
    seconds = read_freshness(headers(cache_control, age))
    assert seconds is None or 0.0 <= seconds < 10**10


@given(fields, ages)
@example(["max-age=60"], ["0" * 12 + "50"])
def test_no_doubtful_answer_is_remembered_for_longer_than_its_only_max_age(cache_control, age):
    seconds = read_freshness(headers(cache_control, age))
    said = ",".join(cache_control)
    if re.search(r"(?i)(^|[,\s])no-(store|cache)([,\s=]|$)", said) and '"' not in said:
        assert 0.0 == seconds
    if seconds:
        [most] = re.findall(r"(?i)max-age=(\d+)", re.sub(r'"[^"]*"', "", said))
        assert seconds <= int(most) - sum(int(one) for one in age)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.sampled_from(["max-age={}", "private, MAX-AGE={}", "x=y,max-age={},z"]),
)
def test_what_is_left_is_max_age_less_age(most, age, shape):
    assert max(most - age, 0) == read_freshness(headers([shape.format(most)], [str(age)]))


@given(
    st.lists(st.sampled_from(["private", "public", "s-maxage=5", "must-revalidate", "x=y"]), max_size=4, unique=True)
)
def test_a_server_that_does_not_say_how_long_leaves_it_to_us(said):
    assert None is read_freshness(headers([", ".join(said)] if said else [], []))
