"""An event ends what it names, by whatever profile it names it; another event ends nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import signing
from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.security_event import OVER, read_event, security_event_rules
from tokens import NOW

REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


def event(uri=REVOKED, told=None, **claims):
    return {"iat": NOW, "events": {uri: {} if told is None else told}, **claims}


KEY = signing.key("ES256")
RULES = security_event_rules("https://as.example", frozenset(("https://api.example", "https://gateway.example")))


def checked(header=None, **changes):
    head = {"alg": "ES256", "kid": KEY.jwk["kid"], "typ": "secevent+jwt", **(header or {})}
    pushed = {"iss": "https://as.example", "aud": "https://api.example", "jti": "j", **event(sub="alice"), **changes}
    payload = {name: value for name, value in pushed.items() if value is not None}
    return verify(signing.signed(KEY, head, payload), signing.keys(KEY), RULES, NOW).claims


def test_an_event_is_believed_that_its_issuer_pushes_to_us():
    assert [("sub", "alice", float(NOW))] == read_event(checked())
    assert checked(aud=["https://other.example", "https://gateway.example"])
    assert checked({"typ": "application/SecEvent+JWT"})
    assert checked(exp=NOW - 1)  # it is about what is over, for ever


@pytest.mark.parametrize(
    ("header", "claims", "reason"),
    [
        *(({"typ": typ}, {}, Reason.INVALID_TOKEN) for typ in ("JWT", "at+jwt", "logout+jwt", "id_token+jwt")),
        *(({name: "x"}, {}, Reason.INVALID_TOKEN) for name in ("jwk", "jku", "x5u", "x5c")),
        *(({}, {name: None}, Reason.INVALID_TOKEN) for name in ("iss", "aud", "iat", "jti", "events")),
        *(({}, {name: value}, Reason.INVALID_TOKEN) for name in ("sub", "jti") for value in ("", 7, [])),
        ({}, {"iss": "https://other.example"}, Reason.WRONG_ISSUER),
        ({}, {"aud": "https://other.example"}, Reason.WRONG_AUDIENCE),
        ({}, {"aud": []}, Reason.WRONG_AUDIENCE),
        ({}, {"iat": NOW + 6}, Reason.INVALID_TOKEN),
    ],
)
def test_what_is_no_event_of_this_issuer_for_us_and_by_now_is_refused(header, claims, reason):
    with pytest.raises(Refused) as no:
        checked(header, **claims)
    assert no.value.reason is reason


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
     {"iat": NOW, "events": []}, {"iat": NOW, "events": [REVOKED]}, {"iat": NOW, "events": REVOKED}],
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
