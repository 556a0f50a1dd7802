"""Scope strategies: exact is equality, the others grant what they say and nothing more, and none is ever quadratic."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers, Request, Route, Token
from phantomgate.gateway.judge import scopes

segments = st.sampled_from(["orders", "read", "a", "*", "order", "ordersheet", "x"])
names = st.builds(
    lambda parts, marks: "".join(part + mark for part, mark in zip(parts, [*marks, "", "", "", ""], strict=False)),
    st.lists(segments, min_size=1, max_size=4),
    st.lists(st.sampled_from([".", ":"]), min_size=3, max_size=3),
).map(lambda name: name.rstrip(".:"))
sets = st.frozensets(names, max_size=3)
STRATEGIES = ["exact", "hierarchic", "wildcard"]


def granted(strategy: str, have: frozenset[str], wanted: frozenset[str], any_of: frozenset[str] = frozenset()) -> bool:
    token = Token("j", {}, have, 1.0, 1.0)
    try:
        scopes(strategy)(Request("GET", "/", Headers()), Route("r", wanted, any_of), token)
    except Refused as no:
        refused = no
    else:
        return True
    assert Reason.INSUFFICIENT_SCOPE is refused.reason
    assert sorted(wanted | any_of) == refused.scope.split(" ")
    return False


def parts(scope: str) -> list[str]:
    return scope.replace(":", ".").split(".")


def covers(strategy: str, have: str, wanted: str) -> bool:
    """One granted scope and one wanted, by the letter of the strategy."""
    if have == wanted:
        return True
    if strategy == "hierarchic":
        return len(wanted) > len(have) and wanted[: len(have)] == have and wanted[len(have)] in ".:"
    if strategy == "wildcard":
        ours, theirs = parts(have), parts(wanted)
        marks = [mark for mark in have if mark in ".:"], [mark for mark in wanted if mark in ".:"]
        last = ours[-1] == "*"
        if len(theirs) < len(ours) or (len(theirs) > len(ours) and not last):
            return False
        if marks[0] != marks[1][: len(marks[0])]:
            return False
        return all(one in ("*", other) for one, other in zip(ours, theirs, strict=False))
    return False


@given(st.sampled_from(STRATEGIES), sets, sets, sets)
@example("wildcard", frozenset({"orders.*"}), frozenset({"orders"}), frozenset())
@example("wildcard", frozenset({"*"}), frozenset({"orders.read"}), frozenset())
@example("wildcard", frozenset({"*.read"}), frozenset({"orders.x.read"}), frozenset())
@example("wildcard", frozenset({"a.*.read"}), frozenset({"a.x:y.read"}), frozenset())
@example("hierarchic", frozenset({"orders"}), frozenset({"ordersheet"}), frozenset())
def test_all_of_these_and_one_of_those(strategy, have, wanted, any_of):
    def has(scope: str) -> bool:
        return any(covers(strategy, one, scope) for one in have)

    expected = all(map(has, wanted)) and (not any_of or any(map(has, any_of)))
    assert expected == granted(strategy, have, wanted, any_of)


@given(st.sampled_from(STRATEGIES), sets, sets)
def test_more_scopes_never_take_a_permission_away(strategy, have, wanted):
    if granted(strategy, have, wanted):
        assert granted(strategy, have | {"another.scope"}, wanted)
    assert granted(strategy, have | wanted, wanted)


@given(st.sampled_from(STRATEGIES), sets.filter(bool))
def test_nothing_granted_is_nothing_allowed(strategy, wanted):
    assert not granted(strategy, frozenset(), wanted)
    assert not granted(strategy, frozenset({""}), wanted)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("have", ["*." * 500 + "*", "a." * 5000 + "*", "*" * 1000, "a*" * 1000])
def test_a_hostile_scope_of_a_token_costs_no_more_than_its_length(strategy, have):
    assert not granted(strategy, frozenset({have}), frozenset({"a." * 400 + "b"}))
