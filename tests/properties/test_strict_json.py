"""Strict JSON beside the standard library's: the same for what is good, a ValueError for all else, nothing more."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.oauth.strict_json import MAX_DEPTH, read_object

strings = st.text(max_size=12)  # Hypothesis makes no surrogates here
numbers = st.integers(-(10**60), 10**60) | st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(
    st.none() | st.booleans() | numbers | strings,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(strings, below, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(strings, trees, max_size=5)


def depth(value: object) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, below), default=0) if isinstance(value, (dict, list)) else 0


def brackets(value: object) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, (dict, list)) + sum(map(brackets, below))


@given(objects, st.booleans(), st.sampled_from([None, 2]))
def test_what_is_good_is_read_as_everybody_reads_it(value, escaped, indent):
    data = json.dumps(value, ensure_ascii=escaped, indent=indent).encode()
    if depth(value) <= MAX_DEPTH:
        assert value == read_object(data)
        assert json.dumps(value) == json.dumps(read_object(data))  # 1 is not 1.0 is not True
    else:
        with pytest.raises(ValueError, match="nested"):
            read_object(data)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0dea1.eE-+ \ntruefalsn\ud800', max_size=60).map(
    lambda text: text.encode("utf-8", "surrogatepass")
))  # fmt: skip
@example(b'{"a":[["\\ud800"]]}')
@example(b'{"a":{"b":[{"c":"\\udfff"}]}}')
@example(b'{"\\ud800":1}')
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"a":"' + b"[" * 1000)
@example(b'{"a":"\\' + b"[{" * 1000)
@example(b"\xef\xbb\xbf{}")
@example(b'{"a":' + b"9" * 5000 + b"}")
@example(b'{"a":1e999}')
@example(b'{"a":NaN}')
@example('{"a":1}'.encode("utf-16"))
def test_anything_is_one_good_object_or_a_value_error(data):
    try:
        value = read_object(data)
    except ValueError:
        return
    assert isinstance(value, dict)
    assert depth(value) <= MAX_DEPTH
    assert value == json.loads(data)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")  # whoever passes it on can do so
    assert all(math.isfinite(number) for number in value.values() if isinstance(number, float))


@given(objects.filter(bool), st.data())
def test_a_key_twice_is_no_object_at_any_depth(value, data):
    key = data.draw(st.sampled_from(sorted(value)))
    text = json.dumps(value)
    twice = f"{{{json.dumps(key)}: 0, {text[1:]}"
    for shape in ("%s", '{"outer": %s}', '{"outer": [%s]}'):
        with pytest.raises(ValueError, match=r"twice|nested"):
            read_object((shape % twice).encode())


@given(st.integers(1, 60), st.text(alphabet="[{", min_size=60, max_size=60))
def test_the_depth_is_counted_exactly(levels, kinds):
    text = ""
    for kind in kinds[: levels - 1]:
        text += kind if kind == "[" else '{"a":'
    closing = {"[": "]", "{": "}"}
    text = '{"a":' + text + "1" + "".join(closing[kind] for kind in reversed(kinds[: levels - 1])) + "}"
    if levels <= MAX_DEPTH:
        assert levels == depth(read_object(text.encode()))
    else:
        with pytest.raises(ValueError, match="nested"):
            read_object(text.encode())


@given(st.integers(1, 200), st.booleans())
def test_an_integer_has_an_end(digits, negative):
    text = ("-" if negative else "") + "9" * digits
    if len(text) <= 64:
        assert {"a": int(text)} == read_object(f'{{"a":{text}}}'.encode())
    else:
        with pytest.raises(ValueError, match="digits"):
            read_object(f'{{"a":{text}}}'.encode())
