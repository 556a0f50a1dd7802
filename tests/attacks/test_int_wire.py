"""INT on the wire: endless and encoded bodies, mixed-up replies, certificates, the environment, a thousand at once."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attacks.authority import Answer, Asked, Authority, Said, as_jwt, jwt
from attacks.cases import attack
from attacks.harness import TOKEN, assert_allowed, assert_refused, read_one, read_replies, request_bytes
from certificates import DAY, only
from phantomgate.core.model import Allow, Headers, Request

NOW = 1_800_000_000
GOOD = jwt({"sub": "alice", "exp": NOW + 300})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\n"


def chunks() -> Iterator[bytes]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"1000\r\n" + b"a" * 4096 + b"\r\n"


def one_chunk() -> Iterator[bytes]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n"
    while True:
        yield b"a" * 4096


def until_closed() -> Iterator[bytes]:
    yield HEAD + b"\r\n"
    while True:
        yield b"a" * 4096


def fields() -> Iterator[bytes]:
    yield HEAD
    while True:
        yield b"X-More: " + b"a" * 4096 + b"\r\n"


def interim() -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


def trailers() -> Iterator[bytes]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    while True:
        yield b"X-More: " + b"a" * 4096 + b"\r\n"


def extension() -> Iterator[bytes]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;"
    while True:
        yield b"a" * 4096


@attack("INT-032")
@pytest.mark.parametrize("endless", [chunks, one_chunk, until_closed, fields, interim, trailers, extension])
def test_an_endless_answer_is_cut_off(case, endless, serve, authority):
    authority.says = lambda asked: endless()
    gate = serve()
    assert_refused(gate.bearer(), 502, "bad_gateway")
    assert_refused(gate.blocking(), 502, "bad_gateway")
    assert 2 == len(authority.threads)
    for sending in authority.threads:
        sending.join(20)
        assert not sending.is_alive()  # its connection was closed; it would still be sending
    assert authority.bytes_sent < 32 << 20  # 64 KiB each, and what two kernels buffer


@attack("INT-032")
def test_the_longest_answer_is_read_and_one_byte_more_is_not(case, serve, authority):
    longest = jwt({"exp": NOW + 300, "pad": ""})
    longest = jwt({"exp": NOW + 300, "pad": "a" * ((65536 - len(longest)) // 4 * 3)})
    assert 65530 < len(longest) <= 65536
    authority.says = as_jwt(longest)
    assert_allowed(serve().bearer(), longest)
    for length in (65537, 10**9, 10**17):
        authority.says = HEAD + f"Content-Length: {length}\r\n\r\n".encode() + b"a" * 100
        assert_refused(serve().bearer(), 502, "bad_gateway")


@attack("INT-032")
def test_an_answer_that_only_ends_with_its_connection_may_have_been_cut_off(case, serve, authority):
    authority.says = HEAD + b"Connection: close\r\n\r\n" + GOOD.encode()
    gate = serve()
    assert_refused(gate.bearer(), 502, "bad_gateway")
    assert_refused(gate.blocking(), 502, "bad_gateway")


@attack("INT-033")
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "identity, gzip", "x-unknown"])
def test_a_body_that_calls_itself_encoded_is_not_read_even_if_it_is_plain(case, encoding, serve, authority):
    authority.says = as_jwt(GOOD, ("Content-Encoding", encoding))
    gate = serve()
    assert_refused(gate.bearer(), 502, "bad_gateway")
    assert_refused(gate.blocking(), 502, "bad_gateway")


@attack("INT-033")
@pytest.mark.parametrize(
    "encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "x-gzip"]
)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_encoded_body_is_refused_and_never_unpacked(case, encoding, framing, serve, authority):
    bomb = gzip.compress(b"a" * (10 << 20))
    head = HEAD + f"Content-Encoding: {encoding}\r\n".encode()
    if framing == "length":
        authority.says = head + f"Content-Length: {len(bomb)}\r\n\r\n".encode() + bomb
    else:
        authority.says = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(bomb) + bomb + b"\r\n0\r\n\r\n"
    gate = serve()
    tracemalloc.start()
    try:
        assert_refused(gate.bearer(), 502, "bad_gateway")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    assert ["identity"] == authority.asked[0].all("accept-encoding")


# -- whose answer is it? ---------------------------------------------------------------------------------------------


@attack("INT-014")
def test_a_second_answer_behind_the_first_never_answers_another_question(case, serve, authority):
    poison = as_jwt(jwt({"sub": "mallory", "exp": NOW + 300}))
    authority.issue("one", sub="one", exp=NOW + 300)
    authority.issue("two", sub="two", exp=NOW + 300)
    authority.says = lambda asked: Answer(200, authority.active[asked.token], "application/jwt", (), poison.wire())
    gate = serve()
    for token in ("one", "two"):
        assert_allowed(gate.bearer(token), authority.active[token])
    assert 2 == authority.connections  # the first one was given up


@attack("INT-014")
def test_an_answer_that_nobody_asked_for_never_answers_the_next_question(case, serve, authority):
    poison = as_jwt(jwt({"sub": "mallory", "exp": NOW + 300})).wire()
    gate = serve()
    authority.issue("one", exp=NOW + 300)
    assert_allowed(gate.bearer("one"), authority.active["one"])
    assert 1 == authority.open  # kept, for the next question
    authority.push(poison)
    authority.issue("two", exp=NOW + 300)
    assert_allowed(gate.bearer("two"), authority.active["two"])
    authority.push(poison[:-1])
    assert_refused(gate.bearer("unknown"), 401, "invalid_token")


@attack("INT-014")
def test_many_questions_at_once_each_get_their_own_answer(case, serve, authority):
    gate = serve(resilience={"max_wait": 5.0})
    tokens = [f"token-{number}" for number in range(300)]
    for token in tokens:
        authority.issue(token, sub=token, exp=NOW + 300)

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(gate.gateway.decide(asking(token)) for token in tokens))

    for token, decision in zip(tokens, gate.loop.run(all_at_once()), strict=True):
        assert isinstance(decision, Allow)
        assert (token, authority.active[token]) == (decision.token.claims["sub"], decision.token.jwt)


def asking(token: str) -> Request:
    return Request("GET", "/", Headers.of([("authorization", f"Bearer {token}")]))


# -- whom do we tell our secret? -------------------------------------------------------------------------------------


@pytest.fixture
def tls():
    """Starts servers with TLS, and stops them."""
    started: list[Authority] = []

    def start(context: ssl.SSLContext) -> Authority:
        started.append(Authority(tls=context))
        return started[-1]

    yield start
    for one in started:
        one.close()


BAD_SERVERS = {
    "expired": lambda ca: ca.server("localhost", until=-DAY / 2),
    "not yet valid": lambda ca: ca.server("localhost", since=DAY / 2),
    "self-signed": lambda ca: ca.server("localhost", self_signed=True),
    "wrong host": lambda ca: ca.server("evil.example"),
    "NUL in the name": lambda ca: ca.server("localhost\0.evil.example"),
    "NUL after the name": lambda ca: ca.server("localhost\0"),
    "wildcard": lambda ca: ca.server("*"),
    "TLS 1.0": lambda ca: only(ca.server("localhost"), ssl.TLSVersion.TLSv1),
    "TLS 1.1": lambda ca: only(ca.server("localhost"), ssl.TLSVersion.TLSv1_1),
}


@attack("INT-037")
@pytest.mark.parametrize("kind", BAD_SERVERS)
def test_a_server_that_can_not_prove_its_name_is_told_nothing(case, kind, ca, tls, serve):
    server = tls(BAD_SERVERS[kind](ca))
    server.issue(TOKEN, exp=NOW + 300)
    gate = serve(server, ca_file=ca.ca_file)
    for ask in (gate.bearer, gate.bearer, gate.blocking):
        assert_refused(ask(), 503, "temporarily_unavailable")
    assert 0 == server.bytes_received
    assert [] == server.asked


@attack("INT-037")
def test_a_server_that_our_authorities_do_not_vouch_for_is_told_nothing(case, ca, tls, serve):
    server = tls(ca.server("localhost"))
    assert_refused(serve(server, ca_file="").bearer(), 503, "temporarily_unavailable")
    assert 0 == server.bytes_received


@attack("INT-037")
def test_a_server_that_can_prove_its_name_is_asked(case, ca, tls, serve):
    """The counter-check: the others failed for what was wrong with them."""
    server = tls(ca.server("localhost"))
    token = server.issue(TOKEN, exp=NOW + 300)
    assert_allowed(serve(server, ca_file=ca.ca_file).bearer(), token)


@attack("INT-038")
@pytest.mark.parametrize("family", ["blocking", "nonblocking"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_environment_redirects_the_call_or_adds_to_it(case, family, scheme, ca, tls, authority, tmp_path):
    server = tls(ca.server("localhost")) if scheme == "https" else authority
    server.issue(TOKEN, exp=2_000_000_000)
    proxy = Authority(says=as_jwt(GOOD))
    netrc = "machine localhost login evil password evil\nmachine 127.0.0.1 login evil password evil\n"
    (tmp_path / ".netrc").write_text(netrc)
    (tmp_path / ".netrc").chmod(0o600)
    through = f"http://127.0.0.1:{proxy.port}"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    keys = tmp_path / "keys.log"
    environ = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NETRC": str(tmp_path / ".netrc"),
        "SSLKEYLOGFILE": str(keys),
        "REQUESTS_CA_BUNDLE": "/nonexistent",
        "SECRET": "s3cret",
        **dict.fromkeys(names, through),
    }
    try:
        program = Path(__file__).with_name("one_decision.py")
        run = subprocess.run(
            [sys.executable, str(program), server.url, ca.ca_file, family, TOKEN],
            env=environ, capture_output=True, text=True, timeout=300, check=True,
        )  # fmt: skip
    finally:
        proxy.close()
    assert {"allowed": server.active[TOKEN]} == json.loads(run.stdout)
    assert 0 == proxy.connections
    [asked] = server.asked
    assert ["Basic YXBpLWdhdGV3YXk6czNjcmV0"] == asked.all("authorization")  # ours, not .netrc's
    assert "/introspect" == asked.target
    # aiohttp makes a context of its own when it is imported, and with it the file; no key of ours may be in it
    assert not keys.exists() or "CLIENT" not in keys.read_text()


# -- a thousand at once ----------------------------------------------------------------------------------------------


class Held:
    """An authorization server that keeps everybody waiting until it is let go, and then says *then*, or as usual."""

    def __init__(self, authority: Authority, then: Said | None = None) -> None:
        self.go = threading.Event()
        self.then = then
        authority.says = self._says

    def _says(self, asked: Asked) -> Said | None:
        self.go.wait(60)
        return self.then


@attack("INT-049")
def test_a_thousand_requests_with_one_cold_token_are_one_question(case, serve, authority):
    token = authority.issue(TOKEN, exp=NOW + 300)
    held = Held(authority)
    gate = serve()

    async def a_thousand() -> list[object]:
        tasks = [asyncio.ensure_future(gate.gateway.decide(asking(TOKEN))) for _ in range(1000)]
        await until(lambda: gate.cached.once._waiting == 1000)
        tasks[0].cancel()  # who asked first
        tasks[500].cancel()
        held.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended = gate.loop.run(a_thousand())
    assert [0, 500] == [at for at, one in enumerate(ended) if isinstance(one, asyncio.CancelledError)]
    assert {token} == {one.token.jwt for one in ended if isinstance(one, Allow)}
    assert 998 == sum(isinstance(one, Allow) for one in ended)
    assert 1 == len(authority.asked)


@attack("INT-049")
@pytest.mark.parametrize("status", [200, 401, 503])
def test_the_end_of_the_connection_that_asked_first_is_nobody_elses(case, status, serve, authority):
    if status == 200:
        authority.issue(TOKEN, exp=NOW + 300)
    held = Held(authority, b"" if status == 503 else None)
    gate = serve(resilience={"retry": False})
    request = request_bytes("GET", "/decide", [("Authorization", f"Bearer {TOKEN}")])
    connections = []
    for waiting in range(1, 201):
        connections.append(gate.connect())
        connections[-1].sendall(request)
        gate.loop.run(until(lambda waiting=waiting: gate.cached.once._waiting == waiting))
    reset(connections.pop(0))
    gate.loop.run(until(lambda: gate.cached.once._waiting == 199))
    held.go.set()
    for connection in connections:
        with connection:
            assert [status] == [reply.status for reply in read_replies(read_one(connection))]
    assert 1 == len(authority.asked)


def reset(connection: socket.socket) -> None:
    """End *connection* so that the other side hears of it at once, whatever it is waiting for."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - a turn of the loop, no time
        await asyncio.sleep(0)
