"""nginx remembers decisions: exactly as long as it was told, for exactly the requests that they are about."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from interop import decision_stub, echo_api
from interop.asking import ask
from interop.nginx_server import nginx
from interop.processes import until
from interop.stubbed import settings_file

pytestmark = pytest.mark.interop

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ."
ROUTES = '[[routes]]\npath = "/**"'


@pytest.fixture(scope="module")
def backs():
    """(decision stub, echo API), which every nginx of this module shares."""
    with decision_stub.running() as stub, echo_api.running() as api:
        yield stub, api


@pytest.fixture(scope="module", params=["cached", "cached-set-misc"])
def by_token(request, backs, tmp_path_factory):
    """nginx as it is without [[routes]]."""
    with _nginx(request.param, backs, tmp_path_factory, "") as server:
        yield server


@pytest.fixture(scope="module", params=["cached", "cached-set-misc"])
def by_request(request, backs, tmp_path_factory):
    """nginx as it is with [[routes]]."""
    with _nginx(request.param, backs, tmp_path_factory, ROUTES) as server:
        yield server


@pytest.fixture(
    scope="module",
    params=[(variant, more) for more in ("", ROUTES) for variant in ("cached", "cached-set-misc")],
    ids=["by_token", "by_token-set-misc", "by_request", "by_request-set-misc"],
)
def server(request, backs, tmp_path_factory):
    """Each of them in turn."""
    variant, more = request.param
    with _nginx(variant, backs, tmp_path_factory, more) as server:
        yield server


def _nginx(variant, backs, tmp_path_factory, more):
    settings = settings_file(tmp_path_factory.mktemp("settings"), backs[0].port, more)
    return nginx(settings, backs[1].port, variant=variant)


@pytest.fixture
def stub(backs):
    """The decision service, having seen nothing; it lets everything in, for five minutes."""
    backs[0].seen.clear()
    backs[1].requests.clear()
    lets_in(backs[0], 300)
    return backs[0]


_numbers = itertools.count()


@pytest.fixture
def token():
    """A token that no other test uses."""
    return f"opaque-{next(_numbers)}-Zm9vYmFyYmF6"


def lets_in(stub, seconds, *fields, jwt=JWT):
    """The answer of a phantomgate that allows for *seconds*."""
    stub.says(
        200,
        ("Authorization", f"Bearer {jwt}"),
        *fields,
        ("X-Accel-Expires", str(seconds)),
        ("Cache-Control", f"private, max-age={seconds}"),
    )


def test_a_remembered_decision_is_not_asked_for_again(server, stub, token):
    lets_in(stub, 300, jwt=JWT + "first")
    answers = [ask(server.port, "/orders", token=token)]
    lets_in(stub, 300, jwt=JWT + "second")
    answers += [ask(server.port, "/orders", token=token) for _ in range(5)]
    got = {value for answer in answers for name, value in answer.json["headers"] if name == "authorization"}
    assert (1, {f"Bearer {JWT}first"}) == (len(stub.seen), got)


def test_another_token_is_another_decision(server, stub, token):
    for presented in (token, token + "x", token.upper(), token[:-1]):
        ask(server.port, "/orders", token=presented)
    assert 4 == len(stub.seen)


@pytest.mark.parametrize("authorization", ["Bearer {}", "bearer {}", "Bearer  {}", "Bearer {},", "Bearer {}="])
def test_every_spelling_of_the_field_is_judged_by_itself(server, stub, token, authorization):
    """What nginx took for the same could be a field that phantomgate refuses."""
    ask(server.port, "/orders", token=token)
    ask(server.port, "/orders", ("Authorization", authorization.format(token)))
    assert (1 if authorization == "Bearer {}" else 2) == len(stub.seen)


@pytest.mark.parametrize(
    "field",
    [
        ("If-None-Match", "*"), ("If-Modified-Since", "Thu, 01 Jan 2037 00:00:00 GMT"), ("If-Match", '"x"'),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Range", "bytes=0-0"), ("If-Range", '"x"'),
        ("Cache-Control", "no-cache"), ("Cache-Control", "only-if-cached"), ("Pragma", "no-cache"), ("Vary", "*"),
        ("X-Accel-Expires", "@4102444800"), ("X-Accel-Redirect", "/_phantomgate"), ("X-Original-URI", "/other"),
        ("X-Original-Method", "DELETE"), ("X-HTTP-Method-Override", "DELETE"), ("Authorization_", "Bearer x"),
        ("X-Authorization", "Bearer x"), ("Expect", "100-continue"), ("Upgrade", "h2c"),
    ],
    ids=lambda field: field[0] + "-" + field[1][:8],
)  # fmt: skip
def test_what_a_client_says_beside_its_token_makes_nothing_else_of_a_decision(server, stub, token, field):
    """Neither of one that is remembered, nor of one that will be."""
    for name in ("first", "second"):
        lets_in(stub, 300, jwt=JWT + name)
        answers = [ask(server.port, "/orders", *fields, token=token + name) for fields in ([], [field], [])]
        answers += [
            ask(server.port, "/orders", field, token=f"{token}-{name}-too"),
            ask(server.port, token=token + name),
        ]
        got = {dict(answer.json["headers"])["authorization"] for answer in answers}
        assert ({200}, {f"Bearer {JWT}{name}"}) == ({answer.status for answer in answers}, got)


NO_TEXT = (b"\xe9", b"\xff", b"\xc3\xa9", b"\xef\xbf\xbd")
"""njs reads the first two as one letter, U+FFFD. phantomgate lets none of them in, but that is another's rule."""


def raw(port, path, credential):
    """The status that comes of a request of these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer, peer.makefile("rb") as heard:
        peer.sendall(b"GET %b HTTP/1.1\r\nHost: one\r\nAuthorization: Bearer %b\r\n\r\n" % (path, credential))
        return int(heard.readline().split()[1])


def test_tokens_that_are_no_text_are_not_taken_for_each_other(server, stub, token):
    assert [200] * 4 == [raw(server.port, b"/orders", token.encode() + byte) for byte in NO_TEXT]
    assert 4 == len(stub.seen)


def test_paths_that_are_no_text_are_not_taken_for_each_other(by_request, stub, token):
    assert [200] * 4 == [raw(by_request.port, b"/" + byte, token.encode()) for byte in NO_TEXT]
    assert 4 == len(stub.seen)


@pytest.mark.parametrize("seconds", [None, 0])
def test_only_phantomgates_own_word_makes_nginx_remember(server, stub, token, seconds):
    fields = [] if seconds is None else [("X-Accel-Expires", str(seconds))]
    stub.says(200, ("Authorization", f"Bearer {JWT}"), *fields, ("Cache-Control", "public, max-age=300"))
    for _ in range(3):
        ask(server.port, "/orders", token=token)
    assert 3 == len(stub.seen)


@pytest.mark.parametrize("status", [400, 401, 403, 500, 502, 503])
def test_a_refusal_is_never_remembered(server, stub, token, status):
    stub.says(status, ("Cache-Control", "max-age=300"), ("Expires", "Tue, 19 Jan 2038 03:14:07 GMT"))
    assert [status] * 3 == [ask(server.port, "/orders", token=token).status for _ in range(3)]
    assert 3 == len(stub.seen)


def test_a_request_with_a_cookie_is_judged_each_time(server, stub, token):
    for _ in range(3):
        ask(server.port, "/orders", ("Cookie", "session=1"), token=token)
    ask(server.port, "/orders", token=token)
    ask(server.port, "/orders", ("Cookie", ""), token=token)
    assert 4 == len(stub.seen)


@pytest.mark.parametrize(
    "query", ["access_token=x", "a=1&access_token=", "a;access_token=x", "a%63cess_token=x", "%=x"]
)
def test_a_request_that_may_have_a_token_in_its_query_is_judged_each_time(server, stub, token, query):
    """phantomgate refuses a second token; nginx must not let it in with the first one's decision."""
    ask(server.port, "/orders", token=token)
    for _ in range(2):
        ask(server.port, f"/orders?{query}", token=token)
    assert 3 == len(stub.seen)


def test_another_query_is_the_same_decision(server, stub, token):
    for query in ("", "?", "?page=1", "?page=2&name=a%20b", "?q=access_token"):
        ask(server.port, f"/orders{query}", token=token)
    assert 2 >= len(stub.seen)


def test_without_routes_the_token_alone_decides(by_token, stub, token):
    for method, path, host in (("GET", "/a", "one"), ("POST", "/b", "two"), ("DELETE", "/a/b?c", "one")):
        ask(by_token.port, path, token=token, method=method, host=host)
    assert 1 == len(stub.seen)


@pytest.mark.parametrize(
    ("method", "path", "host"),
    [
        ("POST", "/orders", "one"),
        ("GET", "/orders/1", "one"),
        ("GET", "/Orders", "one"),
        ("GET", "/orders/", "one"),
        ("GET", "//orders", "one"),
        ("GET", "/x/../orders", "one"),
        ("GET", "/order%73", "one"),
        ("GET", "/orders", "two"),
    ],
)
def test_with_routes_another_request_is_another_decision(by_request, stub, token, method, path, host):
    """FWD-036: what the token may do here says nothing about what it may do there."""
    ask(by_request.port, "/orders", token=token, host="one")
    ask(by_request.port, path, token=token, method=method, host=host)
    assert 2 == len(stub.seen)


def test_a_phantomgate_that_now_has_routes_is_not_remembered_by_token(by_token, stub, token):
    """The settings changed and nobody ran `init` again: slow, but never the wrong answer."""
    lets_in(stub, 300, ("Vary", "*"))
    for path in ("/orders", "/admin", "/orders"):
        ask(by_token.port, path, token=token)
    assert 3 == len(stub.seen)


def test_a_decision_ends_when_it_was_said_to_end(server, stub, token):
    lets_in(stub, 1)
    ask(server.port, "/orders", token=token)
    answered = time.monotonic()
    asked = answered
    while len(stub.seen) == 1:
        remembered, asked = asked, time.monotonic()
        ask(server.port, "/orders", token=token)
    # nginx counts whole seconds, and serves an entry in the one in which it ends: up to a second longer
    assert remembered - answered < 1 + 1


def test_nothing_stale_is_served_when_phantomgate_is_gone(server, stub, token):
    lets_in(stub, 1)
    ask(server.port, "/orders", token=token)
    stub.closes = True
    until(lambda: ask(server.port, "/orders", token=token).status != 200, "the entry to end")
    stub.says(503)
    assert [503] * 3 == [ask(server.port, "/orders", token=token).status for _ in range(3)]


def test_an_entry_that_expired_or_was_replaced_is_never_served(server, stub, token):
    """What `open_file_cache` has to be innocent of: four clients, several workers, a new JWT every second or so."""
    lets_in(stub, 1, jwt=JWT + "{number}")
    ended = threading.Event()
    seen: list[tuple[float, float, int]] = []  # asked at, answered at, which JWT

    def hammer() -> None:
        while not ended.is_set():
            asked = time.monotonic()
            answer = ask(server.port, "/orders", token=token)
            jwt = next(value for name, value in answer.json["headers"] if name == "authorization")
            seen.append((asked, time.monotonic(), int(jwt.rpartition(".")[2])))

    with ThreadPoolExecutor(4) as pool:
        hammers = [pool.submit(hammer) for _ in range(4)]
        try:
            until(lambda: len({number for _, _, number in [*seen]}) >= 4, "three successors")
        finally:
            ended.set()
        for one in hammers:
            one.result()
    counts = Counter(number for _, _, number in seen)
    first = {number: min(done for _, done, which in seen if which == number) for number in counts}
    for asked, _, number in seen:
        assert asked < first[number] + 1 + 1, "served after its end"
        # A successor was decided when this one was known already. Two that expire together are asked about together,
        # and either may be stored last; and what only one client got may not have been stored at all.
        newer = [first[n] for n in counts if counts[n] > 1 and stub.issued[n] > first[number]]
        assert all(asked < when for when in newer), "served after its successor"
    assert max(counts.values()) > 10


def test_what_is_deleted_is_forgotten_within_moments(server, stub, token):
    """The emergency exit of the guide: rm -rf on the folder, although files of hot entries are kept open."""
    with ThreadPoolExecutor(20) as pool:  # so that every worker has the entry open
        assert {200} == {answer.status for answer in pool.map(lambda _: ask(server.port, token=token), range(200))}
    assert 1 == len(stub.seen)
    for entry in server.cache.iterdir():
        shutil.rmtree(entry)
    until(lambda: ask(server.port, token=token) and len(stub.seen) > 1, "the deleted entry to be forgotten")


def test_the_token_is_in_no_file_and_the_jwt_in_the_cache_alone(server, stub, token):
    jwt = JWT + hashlib.sha256(token.encode()).hexdigest()
    lets_in(stub, 300, jwt=jwt)
    for _ in range(2):
        ask(server.port, f"/orders?page={token[:8]}", token=token)
    stub.says(401)
    ask(server.port, f"/refused?page={token[:8]}", token=f"{token}-refused")
    files = server.files()
    assert [] == [name for name, data in files.items() if token.encode() in data]
    with_jwt = [name for name, data in files.items() if jwt.encode() in data]
    assert with_jwt
    assert all(name.startswith(str(server.cache)) for name in with_jwt)


def test_twenty_first_requests_are_one_decision(server, stub, token):
    with ThreadPoolExecutor(20) as pool:
        answers = [*pool.map(lambda _: ask(server.port, "/orders", token=token), range(20))]
    assert ({200}, 1) == ({answer.status for answer in answers}, len(stub.seen))


def test_twenty_requests_with_a_bad_token_are_all_refused(server, stub, token):
    stub.says(401, ("WWW-Authenticate", 'Bearer realm="api", error="invalid_token"'))
    with ThreadPoolExecutor(20) as pool:
        answers = [*pool.map(lambda _: ask(server.port, "/orders", token=token), range(20))]
    assert {401} == {answer.status for answer in answers}
