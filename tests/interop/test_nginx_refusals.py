"""nginx and a decision service that says what it likes: whatever that is, the API hears of a request only after a
200 with a JWT, and the client gets the refusal that was meant.
"""

from __future__ import annotations

import hashlib
import random
import socket
from contextlib import contextmanager

import pytest

from interop import decision_stub, echo_api
from interop.asking import ask
from interop.nginx_server import VARIANTS, nginx
from interop.processes import until
from interop.stubbed import JWT, settings_file
from phantomgate.adapters.refusal import write_refusal
from phantomgate.core.errors import Reason
from phantomgate.core.model import Refuse

pytestmark = pytest.mark.interop

BODY = write_refusal(Refuse(Reason.INSUFFICIENT_SCOPE, "f00"), "api").body.decode()
CLAIMS = '[forward]\nclaims = { "X-User" = "sub", "X-Client-Id" = "client_id" }'
CHALLENGE = 'Bearer realm="api", error="insufficient_scope", scope="read"'


@pytest.fixture(scope="module", params=[*VARIANTS])
def gateway(request, tmp_path_factory):
    """(decision stub, echo API, nginx)."""
    with decision_stub.running() as stub, echo_api.running() as api:
        settings = settings_file(tmp_path_factory.mktemp("settings"), stub.port, CLAIMS)
        with nginx(settings, api.port, variant=request.param) as server:
            yield stub, api, server


@pytest.fixture
def stub(gateway):
    """The decision service, having seen nothing."""
    gateway[0].seen.clear()
    return gateway[0]


@pytest.fixture
def api(gateway):
    """The API, having seen nothing."""
    gateway[1].requests.clear()
    return gateway[1]


@pytest.fixture
def port(gateway):
    """Where nginx listens."""
    return gateway[2].port


def test_a_200_with_a_jwt_lets_the_request_in(stub, api, port):
    stub.says(200, ("Authorization", JWT), ("X-User", "ann"), ("X-Client-Id", ""))
    answer = ask(port, "/orders?x=1", token="opaque")
    assert (200, "/orders?x=1") == (answer.status, answer.json["path"])
    assert [JWT] == [value for name, value in answer.json["headers"] if name == "authorization"]


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (200, []),
        (200, [("Content-Type", "text/html"), ("X-User", "admin")]),
        (200, [("Authorization", ""), ("X-User", "admin")]),
        (204, []),
        (206, []),
    ],
)
def test_a_success_without_a_jwt_lets_nothing_in(stub, api, port, status, fields):
    stub.says(status, *fields)
    answer = ask(port, token="opaque")
    assert (502, "bad_gateway", []) == (answer.status, answer.json["error"], api.requests)


@pytest.mark.parametrize(
    ("said", "fields", "status", "error"),
    [
        (301, [("Location", "/elsewhere")], 502, "bad_gateway"),
        (302, [("Location", "/elsewhere"), ("Authorization", JWT)], 502, "bad_gateway"),
        (400, [("WWW-Authenticate", 'Bearer realm="api", error="invalid_request"')], 400, "invalid_request"),
        (404, [("Authorization", JWT)], 502, "bad_gateway"),
        (429, [], 502, "bad_gateway"),
        (500, [], 500, "server_error"),
        (502, [], 502, "bad_gateway"),
        (503, [("Retry-After", "17")], 503, "temporarily_unavailable"),
        (504, [], 502, "bad_gateway"),
    ],
)
def test_every_other_status_is_restored_or_a_502(stub, api, port, said, fields, status, error):
    """FWD-032: auth_request by itself makes a 500 of all of these."""
    stub.says(said, *fields)
    answer = ask(port, token="opaque")
    assert (status, error, []) == (answer.status, answer.json["error"], api.requests)
    assert dict(fields).get("Retry-After") == answer.one("retry-after")
    assert dict(fields).get("WWW-Authenticate") == answer.one("www-authenticate")
    assert "no-store" == answer.one("cache-control")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_reaches_the_client_word_for_word(stub, api, port, status):
    stub.says(
        status,
        ("WWW-Authenticate", CHALLENGE),
        ("X-Phantomgate-Refusal", BODY),
        ("Content-Type", "application/json"),
        body=BODY.encode(),
    )
    answer = ask(port, "/report.html", token="opaque")
    assert (status, BODY, "application/json") == (answer.status, answer.body.decode(), answer.one("content-type"))
    assert (CHALLENGE, "no-store", []) == (answer.one("www-authenticate"), answer.one("cache-control"), api.requests)


@pytest.mark.parametrize(
    ("status", "challenge", "error"),
    [
        (401, 'Bearer realm="api"', "missing_credential"),
        (401, 'Bearer realm="api", error="invalid_token"', "invalid_token"),
        (403, CHALLENGE, "insufficient_scope"),
        (403, None, "access_denied"),
    ],
)
def test_a_refusal_without_our_header_has_our_shape(stub, api, port, status, challenge, error):
    stub.says(status, *([("WWW-Authenticate", challenge)] if challenge else []))
    answer = ask(port, token="opaque")
    assert (status, challenge, error) == (answer.status, answer.one("www-authenticate"), answer.json["error"])
    assert {"error", "error_description", "decision"} == answer.json.keys()


def test_the_access_log_has_the_id_that_the_client_got(gateway, stub, port):
    stub.says(403, ("X-Phantomgate-Refusal", BODY))
    ask(port, token="opaque")
    until(lambda: any(line.endswith("id=f00") for line in gateway[2].access_log()), "phantomgate's id in the log")
    stub.says(403)
    own = ask(port, token="opaque").json["decision"]
    until(lambda: any(line.endswith(f"id={own}") for line in gateway[2].access_log()), "nginx's own id in the log")


def test_no_answer_is_a_503_that_says_when_to_come_back(stub, api, port):
    stub.closes = True
    answer = ask(port, token="opaque")
    assert (503, "5", []) == (answer.status, answer.one("retry-after"), api.requests)
    assert "temporarily_unavailable" == answer.json["error"]


def test_the_decision_sees_what_is_judged_and_nothing_else_of_the_request(stub, api, port):
    stub.says(200, ("Authorization", JWT))
    ask(
        port,
        "/a//b/../c%2Fd?x=1&y",
        ("X-Original-URI", "/public"),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Uri", "/public"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-For", "10.9.8.7"),
        ("Connection", "Authorization, X-Original-URI"),
        ("Cookie", "a=1"),
        ("Content-Type", "text/plain"),
        token="opaque",
        method="DELETE",
        body=b"x" * 100,
    )
    assert [
        (
            "HEAD",
            "/decide",
            [
                ("host", "phantomgate"),
                ("authorization", "Bearer opaque"),
                ("cookie", "a=1"),
                ("x-original-method", "DELETE"),
                ("x-original-uri", "/a//b/../c%2Fd?x=1&y"),
                ("x-original-host", "api.example"),
                ("x-original-proto", "http"),
            ],
        )
    ] == stub.seen
    assert "/a//b/../c%2Fd?x=1&y" == api.requests[0][1]


def test_what_the_client_says_it_is_never_reaches_the_api(stub, api, port):
    stub.says(200, ("Authorization", JWT), ("X-User", "ann"), ("X-Client-Id", ""))
    claimed = {
        "X-User": "admin",
        "X_User": "admin",
        "X.User": "admin",
        "x-user": "admin",
        "X-Client-Id": "admin",
        "X_Client-Id": "admin",
        "X-Original-URI": "/public",
        "X-Original-URL": "/public",
        "X-Original-Method": "GET",
        "X-Rewrite-URL": "/public",
        "X-HTTP-Method-Override": "GET",
        "X-Forwarded-For": "10.9.8.7",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Prefix": "/public",
        "X-Forwarded-Uri": "/public",
        "X-Forwarded-Method": "GET",
        "X-Forwarded-User": "admin",
        "X-Real-IP": "10.9.8.7",
        "Forwarded": "for=10.9.8.7",
        "Proxy-Authorization": "Bearer opaque",
        "X-Authorization": "Bearer opaque",
    }
    ask(port, "/", *claimed.items(), token="opaque")
    ((_, _, fields, _),) = api.requests
    assert {
        "authorization": JWT,
        "x-user": "ann",
        "host": "api.example",
        "x-real-ip": "127.0.0.1",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "api.example",
        "x-forwarded-proto": "http",
        "x-forwarded-port": str(port),
    } == dict(fields)
    assert len(dict(fields)) == len(fields)


def test_two_authorization_fields_get_no_further_than_nginx(stub, api, port):
    stub.says(200, ("Authorization", JWT))
    answer = ask(port, "/", ("Authorization", "Bearer one"), ("Authorization", "Bearer two"))
    assert (400, [], []) == (answer.status, stub.seen, api.requests)


def test_nobody_outside_can_ask_the_question_itself(stub, api, port):
    stub.says(200, ("Authorization", JWT))
    answers = [
        ask(port, path, token="opaque").status for path in ("/_phantomgate", "//_phantomgate", "/x/../_phantomgate")
    ]
    assert ([404, 404, 404], [], []) == (answers, stub.seen, api.requests)


def test_an_upgrade_to_anything_but_websocket_is_not_passed_on(stub, api, port):
    """FWD-019: h2c would be a tunnel of requests that nobody judges."""
    stub.says(200, ("Authorization", JWT))
    ask(
        port,
        "/",
        ("Upgrade", "h2c"),
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("HTTP2-Settings", "x"),
        token="opaque",
    )
    names = {name for name, _ in api.requests[0][2]}
    assert not {"upgrade", "connection"} & names


def test_a_jwt_of_16_kb_passes(stub, api, port):
    jwt = "Bearer " + "e" * 16_384
    stub.says(200, ("Authorization", jwt))
    assert 200 == ask(port, token="opaque").status
    assert jwt in [value for name, value in api.requests[0][2] if name == "authorization"]


def test_a_token_of_8_kib_gets_to_the_decision(stub, api, port):
    stub.says(200, ("Authorization", JWT))
    assert 200 == ask(port, token="t" * 8192).status
    assert ("authorization", "Bearer " + "t" * 8192) in stub.seen[0][2]


def test_what_the_api_says_is_the_clients_to_see(stub, api, port):
    """An API's own 401, 403 or 500 is not mistaken for a refusal of ours."""
    stub.says(200, ("Authorization", JWT))
    assert [401, 403, 500, 503] == [
        ask(port, f"/status/{status}", token="opaque").status for status in (401, 403, 500, 503)
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_a_body_of_a_megabyte_arrives_whole_and_the_decision_gets_none_of_it(stub, api, port, method):
    stub.says(200, ("Authorization", JWT))
    body = random.Random(1).randbytes(1_000_000)
    answer = ask(
        port, "/upload", ("Content-Type", "application/octet-stream"), token="opaque", method=method, body=body
    )
    assert (200, method, hashlib.sha256(body).hexdigest()) == (
        answer.status,
        answer.json["method"],
        answer.json["body"],
    )
    ((_, _, fields),) = stub.seen
    assert not {"content-length", "transfer-encoding", "content-type"} & {name for name, _ in fields}


def test_a_refused_body_of_a_megabyte_goes_nowhere(stub, api, port):
    stub.says(401)
    answer = ask(port, "/upload", token="opaque", method="POST", body=b"x" * 1_000_000)
    assert (401, []) == (answer.status, api.requests)


def test_a_websocket_opens_and_carries_bytes_both_ways(stub, api, port):
    stub.says(200, ("Authorization", JWT))
    with websocket(port, "/ws") as (status, peer):
        assert 101 == status
        peer.sendall(b"\x81\x05hello")
        assert b"\x81\x05hello" == peer.recv(7, socket.MSG_WAITALL)
    assert ("authorization", JWT) in api.requests[0][2]


def test_a_websocket_that_is_refused_never_opens(stub, api, port):
    stub.says(401)
    with websocket(port, "/ws") as (status, _):
        assert (401, []) == (status, api.requests)


@contextmanager
def websocket(port, path):
    """Asks for a WebSocket (RFC 6455 §4.1): the status, and the connection after the answer's head."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: api.example",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            "Authorization: Bearer opaque",
        ]
        peer.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(1)
        yield int(head.split(b" ", 2)[1]), peer
