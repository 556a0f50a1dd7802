"""Cookies of format v1 that others sealed open here, and ours there; then what an existing agent's do at /decide."""

from __future__ import annotations

import os

import pytest

from attacks.authority import Authority
from attacks.harness import TOKEN, Gate, LoopThread, forwarded
from interop.node_v1 import node_opens, node_seals
from phantomgate.core.errors import Unreadable
from phantomgate.session.keys import read_session_key
from phantomgate.session.sealing import open_sealed, seal, seal_v1
from sealed import ISSUER, KEY, OLD_KEY, ring

pytestmark = pytest.mark.interop

PLAINTEXTS = ["x", TOKEN, "42665300-efe8-419d-be52-07b53e208f46", "tökén ✓", "a.b.c" * 500, '{"codeVerifier":"v"}']
ORIGIN = "https://www.example.com"


def test_what_node_seals_opens_here():
    for sealed, plaintext in zip(node_seals(KEY, *PLAINTEXTS), PLAINTEXTS, strict=True):
        opened = open_sealed(ring(OLD_KEY, KEY), "any", ISSUER, sealed, legacy=True)
        assert (plaintext, 1) == (opened.plaintext.decode(), opened.version)
        with pytest.raises(Unreadable):
            open_sealed(ring(OLD_KEY), "any", ISSUER, sealed, legacy=True)


def test_what_is_sealed_here_opens_in_node():
    key = read_session_key(KEY)
    sealed = [seal_v1(key, plaintext.encode(), random=os.urandom) for plaintext in PLAINTEXTS]

    assert PLAINTEXTS == node_opens(KEY, *sealed)
    assert [None] * len(sealed) == node_opens(OLD_KEY, *sealed)


def test_node_takes_no_format_v2_for_its_own():
    assert [None] == node_opens(KEY, seal(ring(), "any", ISSUER, b"x", random=os.urandom))


@pytest.fixture(scope="module")
def gate():
    """A gate with the settings of somebody who moves from an existing agent and proxy."""
    session = {
        "keys": ("env:KEY",),
        "trusted_web_origins": (ORIGIN,),
        "cookie_prefix": "example",
        "host_prefix": False,
        "cookie_domain": "example.com",
    }
    loop, authority = LoopThread(), Authority()
    authority.issue(TOKEN, sub="alice", exp=1_800_000_300)
    gate = Gate(loop, authority, session=session)
    yield gate
    gate.close()
    authority.close()
    loop.close()


@pytest.fixture(scope="module")
def cookies():
    """What an existing agent has set: access token, refresh token, ID token and CSRF token."""
    at, auth, identity, csrf = node_seals(KEY, TOKEN, "refresh-token", "a.b.c", "C" * 64)
    return f"theme=dark; example-at={at}; example-auth={auth}; example-id={identity}; example-csrf={csrf}"


def test_the_cookies_of_an_existing_agent_work(gate, cookies):
    got = gate.ask(*forwarded("GET", "/orders"), ("Cookie", cookies))
    posted = gate.ask(
        *forwarded("POST", "/orders"), ("Cookie", cookies), ("Origin", ORIGIN), ("x-example-csrf", "C" * 64)
    )

    assert [200, 200] == [got.status, posted.status]
    assert ["theme=dark"] == got.all("cookie") == posted.all("cookie")
    assert got.one("authorization").startswith("Bearer ey")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("Origin", ORIGIN)], 403),
        ([("Origin", ORIGIN), ("x-example-csrf", "D" * 64)], 403),
        ([("x-example-csrf", "C" * 64)], 403),
        ([("Origin", "https://evil.example"), ("x-example-csrf", "C" * 64)], 403),
    ],
)
def test_and_are_checked_as_our_own(fields, status, gate, cookies):
    assert status == gate.ask(*forwarded("DELETE", "/orders/1"), ("Cookie", cookies), *fields).status


def test_a_cookie_that_was_put_in_the_place_of_another_is_still_asked_about(gate, cookies):
    """v1 can't tell them apart; the authorization server can."""
    csrf = cookies.rpartition("=")[2]

    assert 401 == gate.ask(*forwarded("GET", "/orders"), ("Cookie", f"example-at={csrf}")).status
