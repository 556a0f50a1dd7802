"""The listener for pushes: who may push, what is taken, for how long it is kept, and that nothing of it is told."""

from __future__ import annotations

import asyncio
import base64
from hashlib import sha256
from urllib.parse import quote, urlencode

import pytest
from aiohttp.test_utils import TestClient, TestServer

from phantomgate.backends.memory import MemoryCache
from phantomgate.servers.pushes import MAX_BODY, Pushes, pushes
from tokens import NOW, jwt, segment

SECRET = "canary-secret-of-the-pusher"
GOOD = {"Authorization": f"Bearer {SECRET}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HALF, _, SIGNATURE = jwt().rpartition(".")
DIGEST = sha256(SIGNATURE.encode()).digest()
HASH = base64.b64encode(DIGEST).decode()


def basic(text):
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.fixture
def halves(clock):
    return MemoryCache(max_entries=100, max_bytes=1 << 20, ticks=clock.ticks)


@pytest.fixture
def ask(clock, halves):
    def asked(method, path="/split-tokens", body=b"", headers=GOOD):
        async def play():
            app = pushes(Pushes(halves, SECRET, clock.now))
            async with (
                TestClient(TestServer(app)) as client,
                client.request(method, path, data=body, headers=headers) as answer,
            ):
                assert answer.headers["Cache-Control"] == "no-store"
                assert "canary" not in await answer.text()
                assert HALF not in await answer.text()
                return answer.status

        return asyncio.run(play())

    return asked


def form(**changed):
    fields = {"client_id": "spa", "scope": "read", "token": HALF, "signatureHash": HASH, **changed}
    return urlencode({name: value for name, value in fields.items() if value is not None}).encode()


def held(halves, key=DIGEST):
    return asyncio.run(halves.get(key))


@pytest.mark.parametrize(
    ("expiration", "seconds"),
    [(None, 3600), ("60", 60), ("7200", 3600)],
)
def test_a_form_is_kept_as_long_as_it_says_and_no_longer_than_its_token(ask, halves, expiration, seconds):
    assert ask("POST", body=form(expiration=expiration), headers=GOOD | FORM) == 204
    assert held(halves) == (HALF.encode(), seconds)


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("", 3600),
        (f"?expiration={NOW + 60}", 60),
        (f"?expiration={NOW + 7200}", 3600),
        ("?expiration_ttl=60", 60),
        (f"?expiration_ttl=60&expiration={NOW + 30}", 30),
    ],
)
@pytest.mark.parametrize("name", [quote(HASH, safe=""), HASH.rstrip("=").replace("+", "-").replace("/", "_")])
def test_a_value_is_kept_under_its_key(ask, halves, query, seconds, name):
    assert ask("PUT", f"/split-tokens/{name}{query}", HALF.encode()) == 204
    assert held(halves) == (HALF.encode(), seconds)


def test_a_hash_with_slashes_is_a_path_however_it_is_written(ask, halves):
    digest = b"\xff" * 32
    for name in (quote(base64.b64encode(digest).decode(), safe=""), base64.b64encode(digest).decode()):
        assert ask("PUT", f"/split-tokens/{name}", HALF.encode()) == 204
        assert held(halves, digest)
        assert ask("DELETE", f"/split-tokens/{name}") == 204
        assert held(halves, digest) is None


def test_a_deletion_is_answered_the_same_whether_there_was_something_or_not(ask, halves):
    ask("POST", body=form(), headers=GOOD | FORM)
    assert [ask("DELETE", f"/split-tokens/{quote(HASH, safe='')}") for _ in range(2)] == [204, 204]
    assert held(halves) is None


@pytest.mark.parametrize("headers", [GOOD, basic(f"anybody:{SECRET}"), {"Authorization": f"bearer  {SECRET}"}])
def test_the_secret_is_shown_as_a_token_or_a_password(ask, headers):
    assert ask("DELETE", f"/split-tokens/{HASH}", headers=headers) == 204


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {SECRET}x"},
        {"Authorization": f"Bearer {SECRET[:-1]}"},
        {"Authorization": SECRET},
        {"Authorization": f"Digest {SECRET}"},
        {"Authorization": "Basic !!"},
        {"Authorization": "Basic /w=="},
        basic(SECRET),
        basic(f"{SECRET}:"),
        [("Authorization", f"Bearer {SECRET}"), ("Authorization", f"Bearer {SECRET}")],
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/split-tokens"), ("DELETE", f"/split-tokens/{HASH}"), ("GET", "/")]
)
def test_without_the_secret_nothing_is_done_and_nothing_told(ask, halves, headers, method, path):
    asyncio.run(halves.put(DIGEST, b"x.y", 60))

    assert ask(method, path, body=b"\xff" * (MAX_BODY + 1), headers=headers) == 401
    assert held(halves) == (b"x.y", 60)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        form(signatureHash=None),
        form(signatureHash="x"),
        form(token=None),
        form(token=jwt()),
        form(expiration="soon"),
        form(expiration="-1"),
        form(expiration="1e9"),
        form(expiration=""),
        form(expiration="0"),
        form() + b"&token=x",
        form() + b"&client_id=spa",
        form() + b"&&",
        form(token=f"{segment({})}.{segment({'exp': NOW})}"),
    ],
)
def test_a_form_that_is_not_right_is_not_taken(ask, halves, body):
    assert ask("POST", body=body, headers=GOOD | FORM) == 400
    assert len(halves) == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", f"/split-tokens/{HASH}?expiration=x", HALF.encode(), 400),
        ("PUT", f"/split-tokens/{HASH}?expiration={NOW}", HALF.encode(), 400),
        ("PUT", f"/split-tokens/{HASH}?expiration=1&expiration=2", HALF.encode(), 400),
        ("PUT", "/split-tokens/x", HALF.encode(), 400),
        ("PUT", f"/split-tokens/{HASH}", b"\xff", 400),
        ("PUT", f"/split-tokens/{HASH}", b"a" * (MAX_BODY + 1), 413),
        ("POST", "/split-tokens", b"a" * (MAX_BODY + 1), 413),
        ("DELETE", "/split-tokens/x", b"", 400),
        ("GET", f"/split-tokens/{HASH}", b"", 405),
        ("GET", "/metrics", b"", 404),
    ],
)
def test_what_is_not_right_is_not_taken(ask, halves, method, path, body, status):
    assert ask(method, path, body) == status
    assert len(halves) == 0


def test_the_secret_never_prints(halves, clock):
    assert SECRET not in repr(Pushes(halves, SECRET, clock.now))
