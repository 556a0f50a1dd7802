"""The contract's cases of a decision service that says what it likes: whatever that is, the API hears of a request only
after a 200 with a JWT, and what the API and the client say to each other stays theirs.
"""

from __future__ import annotations

import hashlib
import random
import socket

import pytest

from interop import decision_stub, echo_api
from interop.asking import ask
from interop.gateways import BINARIES, gateway
from interop.stubbed import FAULTY, JWT, settings_file
from interop.test_contract import arrived, record
from phantomgate.cli.gateways import kind_of

__all__ = ["record"]

pytestmark = pytest.mark.interop

SPEAKING_HTTP = [one for one in BINARIES if kind_of(one.gateway).protocol == "http"]
"""Whom the stub can answer; `test_asked_otherwise` sees to the others."""


@pytest.fixture(scope="module")
def api():
    """The API, which all gateways share."""
    with echo_api.running() as api:
        yield api


@pytest.fixture(scope="module", params=SPEAKING_HTTP, ids=lambda binary: binary.name)
def binary(request):
    """Each gateway in turn."""
    return request.param


@pytest.fixture(scope="module")
def started(binary, api, tmp_path_factory):
    """The gateway, started once, with a decision service that says what a test wants: (stub, API, port)."""
    with decision_stub.running() as stub:
        stub.says(401)
        settings = settings_file(tmp_path_factory.mktemp("settings"), stub.port, FAULTY, source=binary.source)
        with gateway(binary, settings, api.port) as running:
            yield stub, api, running.port


@pytest.fixture
def faulty(started):
    """The same, calm."""
    stub, api, _ = started
    stub.seen.clear()
    api.requests.clear()
    stub.says(200, ("Authorization", JWT), ("X-User", "ann"), ("X-Tenant", ""))
    return started


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_body_arrives_whole_and_nobody_else_sees_it(faulty, record, method):
    stub, _, port = faulty
    body = random.Random(1).randbytes(300_000)
    answer = ask(port, "/upload", token="opaque", method=method, body=body)
    assert (200, method) == (answer.status, answer.json["method"])
    assert hashlib.sha256(body).hexdigest() == answer.json["body"]
    ((_, _, fields),) = stub.seen
    assert not {"transfer-encoding"} & {name for name, _ in fields}
    also = dict(fields).get("content-length", "0")
    assert also in ("0", str(len(body)))
    where = "at the API alone" if also == "0" else "at phantomgate, which passes over it"
    record("a body of 300 kB", f"arrives whole, and {where}")


def test_a_body_is_never_the_next_question(faulty):
    """What has no length on the way to the decision would be read as another request there, and answered."""
    stub, _, port = faulty
    smuggled = b"GET /decide/smuggled HTTP/1.1\r\nHost: api\r\nX-Forwarded-Method: GET\r\nX-Smuggled: yes\r\n\r\n"
    for status in (401, 200, 401, 200):
        stub.says(status, ("Authorization", JWT), ("X-User", "ann"), ("X-Tenant", ""))
        assert status == ask(port, "/upload", token="opaque", method="POST", body=smuggled * 3).status
        with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
            chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)
            peer.sendall(b"POST /upload HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer opaque\r\n")
            peer.sendall(b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
            assert status == head(peer)
    assert 8 == len(stub.seen)
    assert [] == [path for _, path, fields in stub.seen if "smuggled" in path or "x-smuggled" in dict(fields)]


def test_a_refused_body_goes_nowhere(faulty):
    stub, api, port = faulty
    stub.says(401)
    answer = ask(port, "/upload", token="opaque", method="POST", body=b"x" * 100_000)
    assert (401, []) == (answer.status, api.requests)


def test_a_long_jwt_passes(faulty, record):
    stub, api, port = faulty
    jwt = f"Bearer {'e' * 8000}.{'f' * 8000}.{'g' * 300}"
    stub.says(200, ("Authorization", jwt), ("X-User", "ann"), ("X-Tenant", ""))
    assert 200 == ask(port, token="opaque").status
    assert jwt == arrived(api)["authorization"]
    record("a JWT of 16 kB", "passes")


def test_a_long_token_gets_to_the_decision(faulty, record):
    stub, _, port = faulty
    assert 200 == ask(port, token="t" * 8192).status
    assert ("authorization", "Bearer " + "t" * 8192) in stub.seen[0][2]
    record("a token of 8 KiB", "passes")


def test_what_the_api_says_is_the_clients_to_see(faulty):
    _, _, port = faulty
    statuses = (401, 403, 404, 500, 503)
    assert [*statuses] == [ask(port, f"/status/{status}", token="opaque").status for status in statuses]


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (200, []),
        (200, [("X-User", "admin"), ("Authorization", "")]),
        (204, []),
        (302, [("Location", "/elsewhere"), ("Authorization", JWT)]),
        (404, [("Authorization", JWT)]),
    ],
)
def test_what_is_no_allow_lets_nothing_in(faulty, record, status, fields):
    stub, api, port = faulty
    stub.says(status, *fields)
    answer = ask(port, token="opaque")
    assert [] == api.requests
    assert answer.status != 200
    if (status, fields) == (200, []):
        record("decision: 200 without Authorization", str(answer.status))


@pytest.mark.parametrize("status", [400, 401, 403, 500, 502, 503])
def test_a_refusal_is_the_clients_to_read(faulty, status):
    stub, api, port = faulty
    challenge = 'Bearer realm="api", error="insufficient_scope"'
    stub.says(status, ("WWW-Authenticate", challenge), ("Cache-Control", "max-age=60"))
    answers = [ask(port, token="refused") for _ in range(2)]
    assert ([], 2) == (api.requests, len(stub.seen))
    assert all(one.status == status or (status >= 500 and one.status >= 500) for one in answers), answers
    if status in (401, 403):
        assert challenge == answers[0].one("www-authenticate")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\x00garbage\r\n\r\n",
        b"Authorization: %b\r\n\r\n" % JWT.encode(),
        b"HTTP/1.1 200 OK\r\nAuthorization: %b" % JWT.encode(),  # and no more
        b"HTTP/1.1 two hundred\r\nAuthorization: %b\r\nContent-Length: 0\r\n\r\n" % JWT.encode(),
    ],
    ids=["garbage", "no status line", "cut off", "no status"],
)
def test_what_is_no_http_lets_nothing_in(faulty, raw):
    stub, api, port = faulty
    stub.raw = raw
    answer = ask(port, token="opaque")
    assert (True, []) == (answer.status >= 400, api.requests)
    assert stub.seen


@pytest.mark.parametrize("leads", ["", "/_phantomgate", "/orders"])
def test_what_the_gateway_is_told_is_not_the_clients_to_read(faulty, leads):
    """What an API answers with can lead nginx anywhere (X-Accel-Redirect), to its own question as well."""
    stub, api, port = faulty
    stub.says(200, ("Authorization", JWT), ("X-User", "ann-the-user"), ("X-Tenant", "acme"), ("Set-Cookie", "told=1"))
    api.says[:] = [("X-Accel-Redirect", leads)] if leads else []
    try:
        answers = [ask(port, path, token="opaque") for path in ("/orders", "/status/302", "/status/404", "/status/503")]
    finally:
        api.says.clear()
    told = [value for answer in answers for _, value in answer.headers]
    assert [] == [one for one in told if one in (JWT, "ann-the-user", "acme") or "told=" in one]


@pytest.mark.parametrize(("method", "target"), [("TRACE", "/x"), ("CONNECT", "api.example:80"), ("CONNECT", "/x")])
def test_trace_and_connect_reach_no_api_whoever_allows_them(faulty, method, target):
    _, api, port = faulty
    answer = ask(port, target, token="opaque", method=method)
    assert (True, []) == (answer.status >= 400, api.requests)


def test_no_answer_lets_nothing_in(faulty, record):
    stub, api, port = faulty
    stub.closes = True
    answer = ask(port, token="opaque")
    assert [] == api.requests
    assert answer.status >= 500
    record("decision: closes without an answer", str(answer.status))


def websocket(port, path="/ws", behind=b"", more="Accept: */*"):
    """A connection on which a WebSocket was asked for (RFC 6455 §4.1) with *more*, and *behind* sent with it."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=30)
    lines = [
        f"GET {path} HTTP/1.1", "Host: api.example", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Authorization: Bearer opaque",
        more,
    ]  # fmt: skip
    peer.sendall("\r\n".join([*lines, "", ""]).encode() + behind)
    return peer


def head(peer):
    """The status of the answer on *peer*, whose head is read to its end."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += peer.recv(1)
    return int(data.split(b" ")[1])


def rest(peer):
    """All that still comes, until nothing does for a while."""
    peer.settimeout(1)
    try:
        while peer.recv(65536):
            pass
    except OSError:
        pass  # kept open, or reset
