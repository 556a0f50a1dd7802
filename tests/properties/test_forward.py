"""Claims as header values: whatever a claim holds, one field of visible ASCII that nobody can split or forge."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.backends.blocking import finish
from phantomgate.core.model import Route, Token, plain_name
from phantomgate.gateway.forward import forward_jwt, header_value

hostile = st.text(alphabet="a, %\r\n\t\x00\x7f\x1b\x85\xa0é日\u2028\U0001f600\ud800\"';:", max_size=12)
texts = hostile | st.text(max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
claims = (
    scalars | st.lists(scalars, max_size=4) | st.dictionaries(texts, scalars, max_size=2) | st.lists(st.lists(scalars))
)


@given(claims)
@example(" ")
@example(["a,admin"])
@example("a\r\nX-Admin: 1")
@example("\ud800")
def test_a_value_is_visible_ascii_without_edges(claim):
    value = header_value(claim)
    assert value.isascii()
    assert value.isprintable()  # no control characters: for ASCII that is 0x20 to 0x7E
    assert value == value.strip(" ")


@given(texts.filter(lambda text: "\ud800" not in text))
def test_a_text_can_be_read_back(text):
    assert text == unquote(header_value(text))


@given(st.text(alphabet="abcXYZ-_.~@:/ ", max_size=20).map(str.strip))
def test_a_plain_text_is_not_touched(text):
    assert text == header_value(text)


@given(st.lists(texts.filter(lambda text: "\ud800" not in text), min_size=1, max_size=5))
@example(["a,admin", "%2C"])
def test_a_list_has_as_many_elements_for_its_reader_as_it_had(items):
    read = header_value(items).split(",")
    assert items == [unquote(item) for item in read]


names = st.sampled_from(["X-User", "X-Auth-Scope", "Remote-User", "X-Groups"])


@given(
    st.dictionaries(names, st.sampled_from(["sub", "scope", "missing"]), max_size=4),
    st.dictionaries(texts, claims, max_size=3),
    claims,
)
def test_every_header_is_set_once_and_every_spelling_of_it_is_ours(wanted, others, subject):
    facts = {**others, "sub": subject}
    token = Token("a.b.c", facts, frozenset(), 1.0, 1.0)
    change = finish(forward_jwt(wanted)(Route("r"), token))
    assert ["Authorization", *wanted] == [name for name, _ in change.set]
    assert "Bearer a.b.c" == dict(change.set)["Authorization"]
    for name in ("Authorization", *wanted):
        for spelling in (name, name.lower(), name.replace("-", "_"), name.replace("-", ".").upper()):
            assert change.drops(spelling)


@given(st.text(alphabet="aA-_.xX", max_size=10))
def test_look_alikes_are_one_name(name):
    assert (
        plain_name(name)
        == plain_name(name.upper())
        == plain_name(name.replace("-", "_"))
        == plain_name(name.replace("_", "."))
    )
