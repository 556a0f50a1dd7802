"""An event ends what it names, by whatever profile it names it; another event ends nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.core.errors import Refused
from phantomgate.oauth.security_event import OVER, read_event
from tokens import NOW

REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


def event(uri=REVOKED, told=None, **claims):
    return {"iat": NOW, "events": {uri: {} if told is None else told}, **claims}


ALICE = {"format": "iss_sub", "iss": "https://as.example", "sub": "alice"}


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        (event(sub_id=ALICE), ("sub", "alice")),
        (event(told={"subject": ALICE}), ("sub", "alice")),
        (event(sub="alice"), ("sub", "alice")),
        (event(sub="alice", sid="s1"), ("sid", "s1")),
        (event(sub_id={"format": "complex", "user": ALICE}), ("sub", "alice")),
        (
            event(sub_id={"format": "complex", "user": ALICE, "session": {"format": "opaque", "id": "s1"}}),
            ("sid", "s1"),
        ),
        (event(min(OVER), sub_id=ALICE), ("sub", "alice")),
    ],
)
def test_whom_an_event_names_is_found(claims, found):
    assert [(*found, float(NOW))] == read_event(claims)


@pytest.mark.parametrize("uri", ["https://schemas.openid.net/secevent/ssf/event-type/verification", "", "x"])
def test_an_event_that_isn_t_ours_ends_nothing(uri):
    assert [] == read_event(event(uri, sub_id=ALICE))


@pytest.mark.parametrize(
    "claims",
    [event(), event(sub_id={"format": "email", "email": "a@example"}), event(told=7), event(sub_id={"user": "alice"}),
     event(sub_id={"sub": 7}), event(sub_id={"session": {"id": 7}}), {"iat": NOW, "events": {}},
     {"iat": NOW, "events": []}],
)  # fmt: skip
def test_one_of_ours_that_names_nobody_is_an_error(claims):
    with pytest.raises(ValueError):
        read_event(claims)


NAMES = ["sub", "sid", "user", "session", "id"]
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sub", "sid", "user", "session", "id"]), inner)
    ),
    max_leaves=8,
)


@given(subject=JSON, told=JSON, iat=JSON)
def test_whatever_is_in_it_is_text_or_an_error(subject, told, iat):
    try:
        found = read_event({"iat": iat, "sub_id": subject, "events": {REVOKED: told}})
    except (ValueError, Refused):
        return
    assert all(isinstance(value, str) and value for _, value, _ in found)
