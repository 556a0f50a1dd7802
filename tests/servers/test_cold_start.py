"""A cold start over TLS: what it answers, what it imports, and what it does when the server fails.

The import budget is a list. When it grows, the test prints by what: every module is milliseconds of somebody's request.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import certificates
from issuing import key_set, signed
from lambdas import TOKEN, rest, sample
from phantomgate.session.sealing import seal_v1
from sealed import KEY, Numbered, ring
from tokens import jwt

ROOT = Path(__file__).parents[2]
FORBIDDEN = (
    *("dataclasses", "inspect", "ast", "asyncio", "http", "http.client", "email", "urllib", "urllib.request"),
    *("logging", "cryptography", "pathlib", "datetime", "tomllib", "concurrent", "subprocess", "random", "tempfile"),
    *("joserfc", "aiohttp", "boto3"),
)
KNOWN = frozenset(
    ("__future__", "binascii", "bisect", "collections", "contextlib", "copyreg", "enum", "functools", "genericpath",
     "hashlib", "hmac", "importlib", "itertools", "json", "keyword", "math", "operator", "os", "posixpath", "re",
     "reprlib", "stat", "struct", "threading", "types", "typing", "warnings", "weakref")
)  # fmt: skip
"""What Python 3.11 imports on every path, apart from our own."""
TLS = frozenset(("array", "base64", "errno", "select", "selectors", "socket", "ssl"))
"""What it takes to ask somebody."""
CRYPTOGRAPHY = frozenset(("cryptography",))
RSA = frozenset(("random",))  # which cryptography imports beside its RSA
FAR = 4_000_000_000


class TlsServer:
    """Answers every request on one port over TLS with *answer*, its bytes as they are; None: hangs up."""

    def __init__(self, context, answer: bytes | None) -> None:
        self.context, self.answer = context, answer
        self.asked: list[bytes] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as secure:
                    while data := secure.recv(65536):
                        self.asked.append(data)
                        if self.answer is None:
                            break
                        secure.sendall(self.answer)
            except OSError:
                continue

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)  # wakes `accept`, as closing alone would not
        self.listening.close()
        self.thread.join()


@pytest.fixture(scope="module")
def ca(tmp_path_factory) -> certificates.Authority:
    return certificates.Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls(ca) -> Iterator:
    servers: list[TlsServer] = []

    def start(answer: bytes | None, *names: str) -> TlsServer:
        servers.append(TlsServer(ca.server(*(names or ("localhost",))), answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def http(status: int, body: bytes, kind: str = "application/jwt") -> bytes:
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def cold(environ: dict[str, str], token: str = TOKEN, event: dict | None = None) -> tuple[dict, set[str], str]:
    """(answer, imported modules, log) of a function that starts in *environ*."""
    event = event or rest("GET", "/x", token)
    script = str(ROOT / "tests" / "cold_function.py")
    done = subprocess.run(
        [sys.executable, "-S", "-s", script, str(ROOT / "src"), json.dumps(event)],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], **environ},
        timeout=300,
    )
    said = json.loads(done.stdout)
    return said["answer"], set(said["imported"]), done.stderr


def phantom(server: TlsServer, ca: certificates.Authority, **more: str) -> dict[str, str]:
    return {
        "HOST": "localhost",
        "PORT": str(server.port),
        "INTROSPECTION_PATH": "/introspect",
        "CLIENT_ID": "gateway",
        "CLIENT_SECRET": "canary-90ab",
        "SCOPE": "read",
        "SSL_CERT_FILE": ca.ca_file,
        **more,
    }


def within(budget: frozenset[str], imported: set[str]) -> None:
    """Prints what is new; other versions of Python have other lists."""
    roots = {name.partition(".")[0] for name in imported}
    grown = sorted(name for name in roots - budget if not name.startswith("_") and name != "phantomgate")
    if sys.version_info[:2] == (3, 11):
        assert not grown, f"a cold start now imports {', '.join(grown)} too; all of it: {' '.join(sorted(imported))}"


def libraries() -> str:
    return os.pathsep.join(path for path in sys.path if "site-packages" in path)


def test_the_phantom_path_imports_little_and_nothing_heavy(tls, ca):
    server = tls(http(200, jwt(exp=FAR, iat=1).encode()))
    answer, imported, log = cold(phantom(server, ca))

    assert "ann" == answer["principalId"], log
    assert [] == [name for name in FORBIDDEN if name in imported]
    within(KNOWN | TLS, imported)
    assert "" == log


def test_only_what_the_settings_need_is_imported(tls, ca):
    server = tls(http(200, jwt(exp=FAR, iat=1).encode()))
    _, imported, _ = cold(phantom(server, ca))
    unused = (
        "oauth.jwt",
        "oauth.jwa",
        "oauth.jwks",
        "oauth.authorization",
        "oauth.minting",
        "resolvers.verify",
        "resolvers.by_issuer",
        "backends.jose",
        "config.dotenv",
        "gateway.iam",
        "gateway.reach",
        "gateway.routes",
        "adapters.aws_http",
        "session.cookies",
        "config.aws_secrets",
        "config.agent_checks",
        "config.exchange_checks",
        "config.session_checks",
        "config.sharing_checks",
        "config.splitting",
        "config.revoking",
        "config.minting",
        "config.published",
    )

    assert [] == [name for name in unused if f"phantomgate.{name}" in imported]
    assert [] == [name for name in imported if name.startswith(("phantomgate.cli", "phantomgate.demo"))]


def test_the_jwt_path_imports_cryptography_and_no_event_loop(tls, ca):
    server = tls(http(200, key_set("k1"), "application/json"))
    environ = {
        "JWKS_URI": f"https://localhost:{server.port}/jwks",
        "RESOURCE": "arn:aws:execute-api:eu-west-1:123456789012:abc/*",
        "SSL_CERT_FILE": ca.ca_file,
        "PYTHONPATH": libraries(),
    }
    answer, imported, log = cold(environ, signed(exp=FAR, iat=1))

    assert "ann" == answer["principalId"], log
    assert "cryptography" in imported
    assert [] == [name for name in FORBIDDEN if name in imported and name not in ("cryptography", "random")]
    within(KNOWN | TLS | CRYPTOGRAPHY | RSA, imported)
    unused = ("session.cookies", "gateway.find_session", "config.session", "gateway.routes", "gateway.iam")
    assert [] == [name for name in unused if f"phantomgate.{name}" in imported]


def test_the_cookie_path_imports_cryptography_and_no_socket():
    key, csrf, origin = KEY, "1Qa2Ws3Ed4Rf5Tg6Yh7Uj8Ik9Ol0PzXc", "https://www.example.com"
    environ = {
        "TRUSTED_WEB_ORIGINS": origin,
        "COOKIE_NAME_PREFIX": "example",
        "ENCRYPTION_KEY": key,
        "USE_PHANTOM_TOKEN": "false",
        "ALLOW_TOKEN": "false",
        "PYTHONPATH": libraries(),
    }
    random, of = Numbered(), ring().newest
    sealed = {kind: seal_v1(of, text.encode(), random=random) for kind, text in (("at", jwt(exp=FAR)), ("csrf", csrf))}
    headers = {
        "cookie": "; ".join(f"example-{kind}={text}" for kind, text in sealed.items()),
        "origin": origin,
        "x-example-csrf": csrf,
    }
    event = sample("rest_request", httpMethod="POST", headers=headers, multiValueHeaders=None)
    event["methodArn"] = "arn:aws:execute-api:eu-west-1:123456789012:abc/prod/POST" + event["path"]
    answer, imported, log = cold(environ, event=event)

    assert "Allow" == answer["policyDocument"]["Statement"][0]["Effect"], log
    assert "cryptography" in imported
    assert [] == [name for name in FORBIDDEN if name in imported and name != "cryptography"]
    within(KNOWN | CRYPTOGRAPHY, imported)
    unused = ("backends.blocking_http", "oauth.jwt", "oauth.jwks", "gateway.routes", "config.sharing")
    assert [] == [name for name in unused if f"phantomgate.{name}" in imported]


def test_a_server_that_no_authority_vouches_for_is_not_asked(tls, ca):
    server = tls(http(200, jwt(exp=FAR).encode()), "other.example")
    answer, _, log = cold(phantom(server, ca))

    assert answer["raised"].startswith("temporarily_unavailable")
    assert "Unauthorized" not in answer["raised"]
    assert [] == server.asked
    assert 1 == len(log.splitlines())
    assert "unavailable" == json.loads(log)["reason"]
    assert "canary" not in log


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, "temporarily_unavailable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", "temporarily_unavailable"),
        (b"hello\r\n\r\n", "bad_gateway"),
        (http(200, b"<html>", "text/html"), "bad_gateway"),
        (http(302, b""), "bad_gateway"),
        (http(500, b"x"), "temporarily_unavailable"),
        (http(200, jwt(exp=FAR, header=None).replace(".", "").encode()), "bad_gateway"),
        (http(200, jwt({}, {"alg": "none"}, exp=FAR).encode()), "bad_gateway"),
        (http(200, jwt({}, {"alg": "RS256", "typ": "token-introspection+jwt"}, exp=FAR).encode()), "bad_gateway"),
        (http(401, b"canary-text"), "bad_gateway"),
    ],
)
def test_whatever_the_server_does_wrong_is_trouble_and_never_an_answer(tls, ca, answer, error):
    server = tls(answer)
    more = {"PHANTOMGATE__INTROSPECTION__TIMEOUT": "700ms"}
    said, _, log = cold(phantom(server, ca, **more))

    assert said["raised"].startswith(error), said
    assert "Unauthorized" not in said["raised"]
    assert TOKEN not in log
    assert "canary" not in log
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["decision"]


@pytest.mark.parametrize("body", [jwt(exp=1), jwt(exp=None), jwt(exp="x")])
def test_an_expired_answer_is_the_word(tls, ca, body):
    said, _, _ = cold(phantom(tls(http(200, body.encode())), ca))

    assert {"raised": "Unauthorized"} == said
