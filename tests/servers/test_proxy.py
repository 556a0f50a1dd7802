"""The reverse proxy on real sockets, byte by byte: what is forwarded is what was judged, and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phantomgate.servers.listener import Limits
from servers.proxied import Api, Front, error, get

TARGETS = [
    "/",
    "/a%2Fb",
    "/a%2fb",
    "/a%20b",
    "//a//b/",
    "//evil.example/a",
    "/a/../b",
    "/./a",
    "/a;b=1/c",
    "/%E2%82%AC",
    "/a?",
    "/a?x=1&x=2&y=%00",
    "/a?b?c",
    "/?a=/../b//c",
    "/a%",
    "/a%zz",
    "/a|b^c`d{e}",
    "/a:b@c",
    "/[a]",
    "/a\\b",
    "/a+b",
    "/~a!$&'()*,;=",
]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def on_loop(request):
    return request.param


def through(story, run=asyncio.run, api=None, **options):
    """Run *story* with a proxy in front of *api*."""

    async def play():
        front = Front(api or Api(), **options)
        async with front.serving():
            return await story(front)

    return run(play())


def test_an_allowed_request_reaches_the_api_with_the_jwt_and_its_answer_comes_back(on_loop):
    async def story(front):
        status, fields, body = await front.ask(get("/orders?x=1"))
        assert (200, b"ok") == (status, body)
        assert "/orders?x=1" == front.api.target
        assert ["Bearer the.jwt"] == front.api.field("Authorization")
        assert ["ann"] == front.api.field("X-User")
        assert (1, 0) == (front.metrics.allowed, front.metrics.in_flight)
        assert "phantomgate" == fields["server"]

    through(story, on_loop)


def test_a_refused_request_never_reaches_the_api(on_loop):
    async def story(front):
        status, fields, body = await front.ask(get(token="bad"))
        assert (401, "invalid_token", "id-1") == (status, error(body), json.loads(body)["decision"])
        assert fields["www-authenticate"].startswith('Bearer realm="api", error="invalid_token"')
        assert "no-store" == fields["cache-control"]
        status, fields, body = await front.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (401, 'Bearer realm="api"') == (status, fields["www-authenticate"])
        assert [] == front.api.heads

    through(story, on_loop)


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_is_forwarded_byte_for_byte(target):
    async def story(front):
        assert 200 == (await front.ask(get(target)))[0]
        assert target == front.api.target

    through(story)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30), min_size=1, max_size=20))
def test_every_target_is_forwarded_byte_for_byte_or_refused(targets):
    async def story(front):
        client = await front.connect()
        for target in targets:
            seen = len(front.api.heads)
            client.send(get("/" + target))
            status, fields, _ = await client.answer()
            if status == 200:
                assert "/" + target == front.api.target
            else:
                assert (400, True, seen) == (status, "#" in target, len(front.api.heads))
            if fields.get("connection") == "close":
                client = await front.connect()

    through(story)


@pytest.mark.parametrize(
    "target", ["/a#b", "/é", "/\x7f", "/\x01", "a", "http://shop.example/a", "*", "", "?x", "\\a", "/a\tb"]
)
def test_a_target_that_can_be_read_in_two_ways_is_refused(target):
    async def story(front):
        assert 400 == (await front.ask(get(target)))[0]
        assert [] == front.api.heads

    through(story)


def test_a_path_at_the_api_is_put_before_the_target():
    async def story(front):
        await front.ask(get("/a%2Fb?"))
        assert "/base/v1/a%2Fb?" == front.api.target

    through(story, prefix="/base/v1/")


@pytest.mark.parametrize(
    "field",
    [
        "X-User: admin",
        "x_user: admin",
        "X.User: admin",
        "X-HTTP-Method-Override: DELETE",
        "X_Forwarded_For: 10.0.0.1",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /admin",
        "X-Forwarded-User: admin",
        "X.Forwarded.Port: 1",
        "Forwarded: for=10.0.0.1",
        "X-Real-IP: 10.0.0.1",
        "X-Envoy-Original-Path: /admin",
        "Proxy-Authorization: Basic eA==",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Trailer: X-User",
        "Upgrade: something",
        "HTTP2-Settings: AAAA",
        "Proxy-Connection: keep-alive",
    ],
)
def test_a_field_that_is_not_the_clients_to_send_is_dropped(field):
    async def story(front):
        assert 200 == (await front.ask(get("/", field)))[0]
        name, _, value = field.partition(": ")
        assert value not in front.api.field(name)

    through(story)


def test_fields_of_ours_tell_who_asked_and_for_what():
    async def story(front):
        await front.ask(get("/", "X-Forwarded-For: 10.0.0.1"))
        ours = {
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Host": ["shop.example"],
            "X-Forwarded-Proto": ["http"],
            "Via": ["1.1 phantomgate"],
            "Authorization": ["Bearer the.jwt"],
        }
        assert ours == {name: front.api.field(name) for name in ours}
        assert front.api.field("Host")[0].startswith("127.0.0.1:")

    through(story)


def test_other_fields_go_on_as_they_are_and_repetitions_in_their_order():
    async def story(front):
        await front.ask(get("/", "X-A: 1", "Cookie: a=b; c=d", "x-a: 2", "Accept: */*", "X-U: Ã©"))  # é in UTF-8
        kept = [(name, value) for name, value in front.api.fields() if name in ("x-a", "cookie", "accept", "x-u")]
        assert [("x-a", "1"), ("x-a", "2"), ("cookie", "a=b; c=d"), ("accept", "*/*"), ("x-u", "é")] == kept
        assert [] == front.api.field("User-Agent") + front.api.field("Accept-Encoding")

    through(story)


def test_a_field_that_is_not_utf8_is_refused_since_it_could_not_go_on_as_it_is():
    async def story(front):
        assert 400 == (await front.ask(get("/", "X-U: é")))[0]  # in Latin-1
        assert [] == front.api.heads

    through(story)


def test_fields_that_connection_names_stay_here():
    async def story(front):
        await front.ask(get("/", "Connection: keep-alive, X-Hop", "X-Hop: 1", "X-Other: 2"))
        assert ([], ["2"]) == (front.api.field("X-Hop"), front.api.field("X-Other"))

    through(story)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "X-User", "x_user", "Cookie", "Host"])
def test_a_connection_that_names_a_field_we_judge_by_or_set_is_refused(name):
    async def story(front):
        status, _, body = await front.ask(get("/", f"Connection: close, {name}"))
        assert (400, "invalid_request") == (status, error(body))
        assert ([], 0) == (front.api.heads, front.metrics.allowed)

    through(story)


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("TRACE", (), 403),
        ("CONNECT", (), 403),
        ("GET", ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAAA"), 403),
        ("GET", ("Connection: Upgrade", "Upgrade: websocket, h2c"), 403),
        ("GET", ("Host: other.example",), 400),
        ("GET", ("Authorization: Bearer good",), 400),
        ("POST", ("Content-Length: 3", "Transfer-Encoding: chunked"), 400),
        ("POST", ("Transfer-Encoding: chunked", "Content-Length: 3"), 400),
        ("POST", ("Content-Length: 3", "Content-Length: 3"), 400),
        ("POST", ("Content-Length: 3, 3",), 400),
        ("POST", ("Content-Length: +3",), 400),
        ("POST", ("Content-Length: -3",), 400),
        ("POST", ("Content-Length: 0x3",), 400),
        ("POST", ("Transfer-Encoding: gzip, chunked",), 400),
        ("POST", ("Transfer-Encoding: identity",), 400),
        ("POST", ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
        ("POST", ("Transfer-Encoding : chunked",), 400),
        ("POST", ("Transfer-Encoding:\x0bchunked",), 400),
        ("GET", ("X-A: 1\r\n folded",), 400),
        ("GET", ("X-A: a\x00b",), 400),
        ("GET", ("X-A: a\rb",), 400),
        ("GET", ("X-A: a\x01b",), 400),
        ("GET", ("X A: 1",), 400),
        ("GET", ("no colon",), 400),
    ],
)
def test_what_could_be_understood_in_two_ways_is_refused(method, fields, status):
    async def story(front):
        client = await front.connect()
        target = "shop.example:80" if method == "CONNECT" else "/"
        client.send(get(target, *fields, method=method) + ("abc" if method == "POST" else ""))
        answer, headers, body = await client.answer()
        assert (status, "application/json", "no-store") == (
            answer,
            headers["content-type"],
            headers["cache-control"],
        )
        assert {"error", "error_description", "decision"} == set(json.loads(body))
        assert ([], 0, 1) == (front.api.heads, front.metrics.allowed, len(front.lines))

    through(story)


def test_nothing_of_what_can_not_be_read_is_repeated_or_logged(capfd):
    async def story(front):
        client = await front.connect()
        client.send("GET / HTTP/1.1\r\nAuthorization: Bearer canary\x00\r\n\r\n")
        answer = await client.ended()
        assert b" 400 " in answer
        assert b"canary" not in answer
        (line,) = front.lines
        assert ("malformed_request", "not HTTP/1.1") == (line.fields["reason"], line.fields["detail"])
        assert b"canary" not in line.encode()

    through(story)
    assert "canary" not in "".join(capfd.readouterr())


def test_a_request_without_host_is_refused():
    async def story(front):
        for host in ("", "Host: \r\n", "Host: a b\r\n", "Host: a,b\r\n", "Host: a/b\r\n"):
            assert 400 == (await front.ask(f"GET / HTTP/1.1\r\n{host}Authorization: Bearer good\r\n\r\n"))[0]
        assert [] == front.api.heads

    through(story)


def test_a_token_of_eight_kilobytes_and_a_jwt_of_fifty_fit():
    async def story(front):
        async def resolve(credential, route):
            token = await type(front.tokens).resolve(front.tokens, type(credential)("good"), route)
            return type(token)("j" * 50_000, token.claims, token.scopes, token.expires_at, token.fresh_until)

        front.tokens.resolve = resolve
        assert 200 == (await front.ask(get(token="t" * 8192)))[0]
        assert ["Bearer " + "j" * 50_000] == front.api.field("Authorization")

    through(story)


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({"max_headers": 20}, get("/", *(f"X-{n}: 1" for n in range(30)))),
        ({"max_header_bytes": 2000}, get("/", "X-A: " + "a" * 3000)),
        ({"max_header_bytes": 2000}, get("/", *(f"X-{n}: {'a' * 500}" for n in range(5)))),
        ({"max_header_bytes": 2000}, get("/" + "a" * 3000)),
    ],
)
def test_a_head_over_the_limits_is_not_forwarded(options, data):
    async def story(front):
        client = await front.connect()
        client.send(data)
        try:
            status, _, _ = await client.answer()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            status = 0  # closed without a word
        assert status in (0, 400)
        assert [] == front.api.heads

    limits = Limits(**options)
    through(story, limits=limits, max_header_bytes=limits.max_header_bytes)


def test_a_head_that_never_ends_is_cut_off():
    async def story(front):
        client = await front.connect()
        client.send("GET / HTTP/1.1\r\nHost: x\r\n")
        async with asyncio.timeout(60):
            while not any(not one.idle for one in front.listener.connections):  # noqa: ASYNC110 - until it is read
                await asyncio.sleep(0.001)
        front.listener.sweep(5.0)
        front.listener.sweep(5.1)
        assert b"" == await client.ended()

    through(story, limits=Limits(header_timeout=10.0))


def test_an_idle_connection_is_kept_by_the_sweep():
    async def story(front):
        client = await front.connect()
        for _ in range(3):
            client.send(get())
            assert 200 == (await client.answer())[0]
            front.listener.sweep(60.0)

    through(story, limits=Limits(header_timeout=10.0))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "QUERY", "GET"])
def test_a_body_with_a_length_goes_on_with_that_length(method):
    async def story(front):
        status, _, _ = await front.ask(
            get("/", "Content-Length: 5", "Content-Type: text/plain", method=method) + "hello"
        )
        assert 200 == status
        assert [b"hello"] == front.api.bodies
        assert (["5"], [], ["text/plain"]) == tuple(
            front.api.field(name) for name in ("Content-Length", "Transfer-Encoding", "Content-Type")
        )

    through(story)


def test_a_chunked_body_goes_on_chunked():
    async def story(front):
        client = await front.connect()
        client.send(get("/", "Transfer-Encoding: chunked", method="POST") + "5\r\nhello\r\n")
        client.send("6;ext=1\r\n world\r\n0\r\n\r\n")
        assert 200 == (await client.answer())[0]
        assert [b"hello world"] == front.api.bodies
        assert ([], ["chunked"]) == (front.api.field("Content-Length"), front.api.field("Transfer-Encoding"))

    through(story)


@pytest.mark.parametrize("together", [True, False])
def test_a_field_after_a_body_is_none_of_the_next_request_on_the_connection(together):
    """Which may be another client's, where a gateway before us shares its connections, and ask with no token at all."""

    async def story(front):
        client = await front.connect()
        body = "1\r\na\r\n0\r\nAuthorization: Bearer good\r\n\r\n"
        first = get("/", "Transfer-Encoding: chunked", method="POST") + body
        second = "GET /another HTTP/1.1\r\nHost: api.example\r\nX-Own: 1\r\n\r\n"
        client.send(first + second if together else first)
        assert 200 == (await client.answer())[0]
        client.send("" if together else second)
        assert b"" == await client.ended()
        assert ["POST"] == [head.partition(b" ")[0].decode() for head in front.api.heads]

    through(story)


@pytest.mark.parametrize("field", ["Set-Cookie: session=alice", "X-Internal: 1"])
def test_a_field_after_an_answer_is_none_of_the_next_answer(field):
    async def story(front):
        front.api.answer = (
            f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{field}\r\n\r\n".encode()
        )
        assert 200 == (await front.ask(get("/")))[0]
        front.api.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Own: 1\r\n\r\nok"
        status, fields, _ = await front.ask(get("/"))
        assert (200, "1") == (status, fields["x-own"])
        assert field.partition(":")[0].lower() not in fields

    through(story)


def test_an_empty_body_stays_empty():
    async def story(front):
        await front.ask(get("/", "Content-Length: 0", method="POST"))
        assert ([b""], ["0"]) == (front.api.bodies, front.api.field("Content-Length"))
        await front.ask(get("/"))
        assert [] == front.api.field("Content-Length") + front.api.field("Transfer-Encoding")

    through(story)


def test_a_compressed_body_stays_compressed():
    packed = gzip.compress(b"hello")

    async def story(front):
        client = await front.connect()
        client.send(get("/", f"Content-Length: {len(packed)}", "Content-Encoding: gzip", method="POST"))
        client.send(packed)
        _, fields, body = await client.answer()
        assert [packed] == front.api.bodies
        assert (packed, "gzip") == (body, fields["content-encoding"])

    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    through(story, api=Api(head + packed))


def test_a_client_that_waits_for_100_continue_is_told_to_go_on_only_when_allowed():
    async def story(front):
        client = await front.connect()
        client.send(get("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
        assert 100 == (await client.answer())[0]
        client.send("hello")
        assert 200 == (await client.answer())[0]
        assert ([b"hello"], []) == (front.api.bodies, front.api.field("Expect"))

        client = await front.connect()
        client.send(get("/", "Expect: 100-continue", "Content-Length: 5", method="POST", token="bad"))
        status, fields, _ = await client.answer()
        assert (401, "close") == (status, fields["connection"])

    through(story)


def test_a_body_that_ends_early_ends_the_request_at_the_api():
    async def story(front):
        client = await front.connect()
        client.send(get("/", "Content-Length: 500", method="POST") + "hello")
        async with asyncio.timeout(60):
            while not front.api.heads:  # noqa: ASYNC110 - until the API has it
                await asyncio.sleep(0.001)
        client.writer.close()
        async with asyncio.timeout(60):
            await front.api.ended.wait()
        assert [] == front.api.bodies

    through(story)


@pytest.mark.parametrize("chunk", ["zz\r\nhello\r\n", "5\nhello\r\n", "-5\r\nhello\r\n", "5\r\nhelloX\r\n"])
def test_a_body_that_is_none_is_never_a_whole_one_for_the_api(chunk):
    async def story(front):
        client = await front.connect()
        client.send(get("/", "Transfer-Encoding: chunked", method="POST") + "1\r\na\r\n")
        async with asyncio.timeout(60):
            while not front.api.heads:  # noqa: ASYNC110 - until the API has it
                await asyncio.sleep(0.001)
        client.send(chunk)
        answer = await client.ended()
        assert b" 200 " not in answer
        assert [] == front.api.bodies

    through(story)


def test_a_slow_body_is_given_up():
    async def story(front):
        client = await front.connect()
        client.send(get("/", "Content-Length: 500", method="POST") + "hello")
        status, fields, _ = await client.answer()
        assert (400, "close") == (status, fields["connection"])
        assert [] == front.api.bodies

    through(story, stall_seconds=0.05)


@pytest.mark.parametrize(
    ("answer", "status", "fields", "body"),
    [
        (b"HTTP/1.1 404 Not Here\r\nContent-Length: 3\r\nX-A: 1\r\n\r\nabc", 404, {"x-a": "1"}, b"abc"),
        (b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", 204, {"x-a": "1"}, b""),
        (b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', 304, {"etag": '"a"'}, b""),
        (b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", 302, {"location": "/b"}, b""),
        (
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n",
            401,
            {"www-authenticate": "Bearer"},
            b"",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            200,
            {"transfer-encoding": "chunked"},
            b"abc",
        ),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", 200, {"transfer-encoding": "chunked"}, b"abc"),
        (b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nabc", 200, {"transfer-encoding": "chunked"}, b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", 200, {}, b"a"),
        (b"HTTP/1.1 200 OK\r\nX-A: \xc3\xa9\r\nContent-Length: 1\r\n\r\na", 200, {"x-a": "é"}, b"a"),
    ],
)
def test_the_apis_answer_comes_back(answer, status, fields, body):
    async def story(front):
        got = await front.ask(get())
        assert (status, body) == (got[0], got[2])
        assert fields.items() <= got[1].items()

    through(story, api=Api(answer))


def test_fields_of_the_apis_connection_stay_there():
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTrailer: X\r\n"
        b"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\nServer: theirs\r\nContent-Length: 0\r\n\r\n"
    )

    async def story(front):
        _, fields, _ = await front.ask(get())
        assert {"set-cookie", "server", "content-length", "date"} == set(fields)
        assert "theirs" == fields["server"]

    through(story, api=Api(answer))


def test_cookies_of_one_client_are_not_anothers():
    async def story(front):
        await front.ask(get())
        await front.ask(get())
        assert [] == front.api.field("Cookie")

    through(story, api=Api(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=ann; Path=/\r\nContent-Length: 0\r\n\r\n"))


def test_head_gets_the_length_and_no_body():
    async def story(front):
        client = await front.connect()
        client.send(get(method="HEAD"))
        status, fields, _ = await client.answer(head=True)
        assert (200, "5") == (status, fields["content-length"])
        client.send(get(token="bad"))
        assert 401 == (await client.answer())[0]

    through(story, api=Api(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))


def test_an_api_that_is_not_there_is_a_bad_gateway():
    async def story(front):
        status, _, body = await front.ask(get())
        assert (502, "bad_gateway", "00" * 8) == (status, error(body), json.loads(body)["decision"])
        assert {"unreachable": 1} == {kind: n for kind, n in front.metrics.upstream_failures.items() if n}
        event, fields = front.lines[-1]
        assert ("upstream_failed", "unreachable", "00" * 8, "/") == (
            event,
            fields["kind"],
            fields["decision"],
            fields["path"],
        )

    through(story, upstream="http://127.0.0.1:1")


def test_an_api_that_does_not_answer_is_given_up():
    async def story(front):
        status, _, body = await front.ask(get())
        assert (504, "bad_gateway") == (status, error(body))
        assert 1 == front.metrics.upstream_failures["timeout"]

    through(story, api=Api(None), stall_seconds=0.05)


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"Connection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_an_api_that_answers_nonsense_is_a_bad_gateway(answer):
    async def story(front):
        status, _, body = await front.ask(get())
        assert (502, "bad_gateway") == (status, error(body))
        assert 1 == front.metrics.upstream_failures["broken"]

    through(story, api=Api(answer))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_half_an_answer_looks_like_half_an_answer(answer):
    async def story(front):
        client = await front.connect()
        client.send(get())
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await client.answer()
        assert 1 == front.metrics.upstream_failures["broken"]

    through(story, api=Api(answer))


def test_an_answer_that_stalls_is_cut_off():
    async def story(front):
        client = await front.connect()
        client.send(get())
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await client.answer()

    through(story, api=Api(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello"), stall_seconds=0.05)


def test_a_client_that_leaves_takes_its_request_with_it(on_loop):
    async def story(front):
        client = await front.connect()
        client.send(get())
        async with asyncio.timeout(60):
            while not front.api.heads:  # noqa: ASYNC110 - until the API has it
                await asyncio.sleep(0.001)
            client.writer.close()
            await front.api.ended.wait()
        assert 0 == sum(front.metrics.upstream_failures.values())

    through(story, on_loop, api=Api(None))


def test_a_client_that_leaves_while_being_decided_never_reaches_the_api(on_loop):
    async def story(front):
        client = await front.connect()
        client.send(get(token="slow"))
        async with asyncio.timeout(60):
            await front.tokens.asked.wait()
            client.writer.close()
            while not front.tokens.cancelled:  # noqa: ASYNC110 - until it is noticed
                await asyncio.sleep(0.001)
        assert ([], 1) == (front.api.heads, front.metrics.abandoned)

    through(story, on_loop)


def test_requests_on_one_connection_are_judged_one_by_one():
    async def story(front):
        client = await front.connect()
        client.send(get("/1") + get("/2", token="bad") + get("/3"))
        assert [200, 401, 200] == [(await client.answer())[0] for _ in range(3)]
        assert ["/1", "/3"] == [head.split(b" ")[1].decode() for head in front.api.heads]

    through(story)


def test_what_follows_a_body_is_a_request_of_its_own_and_is_judged():
    async def story(front):
        client = await front.connect()
        client.send(get("/1", "Content-Length: 3", method="POST") + "abc" + get("/smuggled", token="bad"))
        assert [200, 401] == [(await client.answer())[0] for _ in range(2)]
        assert 1 == len(front.api.heads)

    through(story)


@pytest.mark.parametrize("protocol", ["something", "websocket", "tls/1.0"])
def test_what_follows_a_declined_upgrade_never_reaches_the_api_unjudged(protocol):
    async def story(front):
        client = await front.connect()
        client.send(get("/1", "Connection: Upgrade", f"Upgrade: {protocol}", method="POST") + get("/2", token="bad"))
        status, fields, _ = await client.answer()
        assert (200, "close") == (status, fields["connection"])
        assert b" 200 " not in await client.ended()
        assert 1 == len(front.api.heads)

    through(story)


def test_an_answer_during_the_drain_ends_its_connection_and_whatever_is_idle_is_closed(on_loop):
    async def story(front):
        busy, idle = [await front.connect() for _ in range(2)]
        idle.send(get())
        await idle.answer()
        busy.send(get(token="slow"))
        await front.tokens.asked.wait()
        front.listener.last_call()
        front.listener.begin_drain()
        assert b"" == await idle.ended()
        front.tokens.go_on.set()
        status, fields, _ = await busy.answer()
        assert (200, "close") == (status, fields["connection"])
        assert await front.listener.drained(60.0)

    through(story, on_loop)


def test_a_drain_ends_at_its_deadline(on_loop):
    async def story(front):
        client = await front.connect()
        client.send(get(token="slow"))
        await front.tokens.asked.wait()
        front.listener.begin_drain()
        assert not await front.listener.drained(0.01)
        assert b"" == await client.ended()

    through(story, on_loop)


def test_an_upload_goes_on_during_the_drain():
    async def story(front):
        client = await front.connect()
        client.send(get("/", "Content-Length: 10", method="POST") + "hello")
        async with asyncio.timeout(60):
            while not front.api.heads:  # noqa: ASYNC110 - until the API has it
                await asyncio.sleep(0.001)
        front.listener.last_call()
        front.listener.begin_drain()
        draining = asyncio.create_task(front.listener.drained(60.0))
        await asyncio.sleep(0)
        client.send("world")
        status, fields, _ = await client.answer()
        assert (200, "close", [b"helloworld"]) == (status, fields["connection"], front.api.bodies)
        assert await draining

    through(story)


def test_a_bug_is_a_server_error_and_told_to_nobody(capfd):
    async def story(front):
        async def broken(request):
            raise RuntimeError("canary")

        front.listener.server.request_handler = broken
        status, fields, body = await front.ask(get())
        assert (500, "server_error", "close") == (status, error(body), fields["connection"])
        (line,) = front.lines
        assert ("server_error", "RuntimeError") == (line.fields["reason"], line.fields["cause"])
        assert b"canary" not in body + line.encode()

    through(story)
    assert "canary" not in "".join(capfd.readouterr())


def test_what_was_let_go_to_one_api_goes_there_although_the_settings_name_another_now(on_loop):
    async def story(front):
        begun, goes_on = asyncio.Event(), asyncio.Event()
        decide = front.gateway.decide

        class Slow:
            async def decide(self, request):
                decision = await decide(request)
                begun.set()
                await goes_on.wait()
                return decision

        here = front.proxy.terms
        front.proxy.adopt(replace(here, gateway=Slow()))
        client = await front.connect()
        client.send(get("/a"))
        await begun.wait()
        front.listener.adopt(replace(here, upstream="http://127.0.0.1:1", realm="new"), Limits(max_header_bytes=2048))
        goes_on.set()
        assert 200 == (await client.answer())[0]
        client.send(get("/a"))
        assert 502 == (await client.answer())[0]
        client.send("GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        _, fields, _ = await client.answer()
        assert 'realm="new"' in fields["www-authenticate"]
        status, _, _ = await front.ask(get("/a", f"X-Long: {'x' * 4000}"))
        assert 400 == status

    through(story, on_loop)
