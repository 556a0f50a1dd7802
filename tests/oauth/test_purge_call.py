"""A purge call is believed when it is signed with our secret, lately, and names exactly one thing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.oauth.purge_call import GOOD_FOR, purge_signature, read_purge
from tokens import NOW

SECRET = "canary-secret-of-thirty-two-characters"


def read(said, *, secret=SECRET, signed_at=NOW, now=NOW):
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return read_purge(purge_signature(body, secret, signed_at), body, SECRET, now)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"token": "opaque"}, ("token", "opaque", "")),
        ({"sub": "alice"}, ("sub", "alice", "")),
        ({"sid": "s1", "issuer": "main"}, ("sid", "s1", "main")),
        ({"client_id": "web", "issuer": ""}, ("client_id", "web", "")),
        ({"issuer": "main"}, ("issuer", "main", "main")),
    ],
)
def test_what_is_signed_is_read(said, found):
    assert (*found, float(NOW)) == read(said)


@pytest.mark.parametrize(
    "said",
    [{}, {"sub": "a", "sid": "b"}, {"sub": ""}, {"sub": 7}, {"sub": "a", "issuer": 7}, {"sub": "a", "more": 1},
     {"issuer": ""}, b"[]", b"", b"{", b'{"sub":"a","sub":"b"}', b"\xff"],
)  # fmt: skip
def test_what_names_not_exactly_one_thing_is_refused(said):
    with pytest.raises(ValueError):
        read(said)


@pytest.mark.parametrize("seconds", [-GOOD_FOR - 1, GOOD_FOR + 1, 1e9])
def test_a_call_of_another_time_is_refused(seconds):
    with pytest.raises(PermissionError):
        read({"sub": "a"}, now=NOW + seconds)
    assert read({"sub": "a"}, now=NOW + (GOOD_FOR if seconds > 0 else -GOOD_FOR))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1",
        "v1=00",
        f"t={NOW}, v1={'0' * 64}",
        f"t={NOW},v1={'A' * 64}",
        f"t=-1, v1={'0' * 64}",
        "Bearer " + SECRET,
    ],
)
def test_who_can_t_sign_is_refused(header):
    with pytest.raises(PermissionError):
        read_purge(header, b'{"sub":"a"}', SECRET, NOW)
    with pytest.raises(PermissionError):
        read({"sub": "a"}, secret="another")


def test_two_signatures_are_none():
    one = purge_signature(b'{"sub":"a"}', SECRET, NOW)
    with pytest.raises(PermissionError):
        read_purge(one + one, b'{"sub":"a"}', SECRET, NOW)


@given(body=st.binary(max_size=80), header=st.text(max_size=90), at=st.integers(0, 2 * NOW))
def test_nothing_that_isn_t_ours_is_read(body, header, at):
    with pytest.raises(PermissionError):
        read_purge(header, body, SECRET, NOW)
    with pytest.raises(PermissionError):
        read_purge(purge_signature(body + b"!", SECRET, NOW), body, SECRET, NOW)
    with pytest.raises(PermissionError):
        read_purge(purge_signature(body, SECRET, NOW).replace(f"t={NOW}", f"t={NOW - 1}"), body, SECRET, NOW)
