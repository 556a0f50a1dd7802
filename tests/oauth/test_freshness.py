"""RFC 9111: what the server lets us remember, and that doubt means no."""

import pytest

from phantomgate.core.model import Headers
from phantomgate.oauth.freshness import read_freshness


def fresh(*cache_control, age=None):
    fields = [("cache-control", value) for value in cache_control]
    return read_freshness(Headers.of(fields + ([] if age is None else [("age", age)])))


def test_nothing_said_is_nothing_known():
    assert fresh() is None
    assert fresh("private") is None
    assert fresh("public, s-maxage=60") is None


@pytest.mark.parametrize(
    "value", ["max-age=60", "Max-Age=60", "private, max-age=60", "max-age=60 , must-revalidate", ",max-age=60,"]
)
def test_max_age_counts(value):
    assert fresh(value) == 60


def test_age_is_taken_off():
    assert fresh("max-age=60", age="50") == 10
    assert fresh("max-age=60", age="99") == 0


@pytest.mark.parametrize(
    "value",
    [
        "no-store",
        "no-cache",
        "max-age=60, no-store",
        'no-cache="x"',
        "max-age=0",
        "max-age=abc",
        "max-age=-1",
        'max-age="60"',
        "max-age",
        "max-age=",
        "max-age=60, max-age=60",
        "max-age=6 0",
        "max-age=+5",
        "max-age=1_0",
        "max-age=٣",
        "=",
        'x="',
    ],
)
def test_no_or_doubt_is_zero(value):
    assert fresh(value.encode("utf-8").decode("latin-1")) == 0


def test_directives_over_several_fields_are_one_list():
    assert fresh("max-age=60", "no-store") == 0
    assert fresh("max-age=60", "max-age=70") == 0
    assert fresh("private", "max-age=60") == 60


def test_a_bad_age_is_doubt():
    assert fresh("max-age=60", age="-1") == 0
    assert fresh("max-age=60", age="x") == 0


def test_a_huge_number_is_only_large():
    assert fresh("max-age=99999999999999999999") == 9999999999
