"""What both HTTP back ends send, accept and keep; one suite, so that they can't differ."""

import socket
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event, Semaphore

import pytest

from faults import GOOD, JWT_LIKE, FaultyServer, answers, chunked, closes_at_once, ends_after, good, with_fields
from phantomgate.backends.blocking import finish
from phantomgate.backends.blocking_http import BlockingHttp
from phantomgate.core.errors import Refused, Unavailable
from phantomgate.core.ports import HttpCall


def test_what_is_sent_is_what_was_asked_for_and_the_framing_and_nothing_else(client):
    with FaultyServer(good) as server:
        reply = client.post(f"{server.origin}/introspect?a=%2F&b=c%20d")

    assert (reply.status, reply.body) == (200, JWT_LIKE)
    assert reply.headers.one(b"content-type") == b"application/jwt"
    assert server.requests == [
        b"POST /introspect?a=%2F&b=c%20d HTTP/1.1\r\n"
        b"Host: 127.0.0.1:" + str(server.port).encode() + b"\r\n"
        b"Authorization: Basic c2VjcmV0\r\n"
        b"Accept: application/jwt\r\n"
        b"User-Agent: phantomgate\r\n"
        b"Accept-Encoding: identity\r\n"
        b"Connection: keep-alive\r\n"
        b"Content-Length: 18\r\n"
        b"\r\n"
        b"token=secret-token"
    ]


def test_a_get_has_no_length(client):
    with FaultyServer(good) as server:
        client.send(HttpCall("GET", server.origin, (("User-Agent", "me"),)))

    assert server.requests[0].startswith(b"GET / HTTP/1.1\r\n")
    assert b"User-Agent: me\r\n" in server.requests[0]
    assert b"Content-Length" not in server.requests[0]
    assert b"phantomgate" not in server.requests[0]


def test_a_post_without_a_body_says_so(client):
    with FaultyServer(good) as server:
        client.send(HttpCall("POST", server.url))

    assert b"Content-Length: 0\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (GOOD, 200, JWT_LIKE),
        (GOOD.replace(b" OK", b""), 200, JWT_LIKE),
        (GOOD.replace(b"OK", b"O" * 20_000), 200, JWT_LIKE),
        (with_fields(b"Content-Length: 11", b"A: " + b"a" * 20_000), 200, JWT_LIKE),
        (chunked(b"b\r\naaa.bbb.ccc\r\n0\r\n\r\n"), 200, JWT_LIKE),
        (chunked(b'00B;note="x"\r\naaa.bbb.ccc\r\n0\r\nDigest: x\r\n\r\n'), 200, JWT_LIKE),
        (with_fields(b"Content-Length: 11", b"Content-Encoding: identity"), 200, JWT_LIKE),
        (with_fields(b"content-LENGTH:11 ", b"Connection: Keep-Alive, TE"), 200, JWT_LIKE),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + GOOD, 200, JWT_LIKE),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, b""),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 503, b""),
    ],
)
def test_a_reply_without_doubt_leaves_the_connection_open_for_the_next(client, answer, status, body):
    with FaultyServer(answers(answer)) as server:
        replies = [client.post(server.url) for _ in range(3)]

        assert [(reply.status, reply.body) for reply in replies] == [(status, body)] * 3
        assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize(
    "answer",
    [
        with_fields(b"Content-Length: 11", b"Connection: close"),
        with_fields(b"Content-Length: 11", b"Connection: keep-alive", b"Connection: x, Close"),
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"HTTP/1.1 204 No Content\r\nContent-Length: 11\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        GOOD + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        GOOD + b"\r\n",
        chunked(b"b\r\naaa.bbb.ccc\r\n0\r\n\r\n0\r\n\r\n"),
    ],
)
def test_a_reply_after_which_the_connection_is_in_doubt_is_the_last_on_it(client, answer):
    with FaultyServer(answers(answer), good) as server:
        first = client.post(server.url)
        second = client.post(server.url)

        assert first.body in (JWT_LIKE, b"")
        assert (second.status, second.body) == (200, JWT_LIKE)
        assert server.connections == 2


@pytest.mark.parametrize("unasked", [b"", b"H", GOOD.replace(JWT_LIKE, b"for.ged.jwt"), "reset"])
def test_what_comes_while_nothing_is_asked_is_nobodys_answer(client, unasked):
    answered, sent = Event(), Event()

    def talks_on(peer):
        peer.request()
        peer.send(GOOD)
        answered.wait()
        if unasked == "reset":
            peer.reset()
        elif unasked:
            peer.send(unasked)
        else:
            peer.end()
        sent.set()
        peer.request()

    with FaultyServer(talks_on, good) as server:
        client.post(server.url)
        answered.set()
        sent.wait()

        assert client.post(server.url).body == JWT_LIKE
        assert (server.connections, len(server.requests)) == (2, 2), "the connection was used again"


def test_every_idle_connection_that_was_closed_is_replaced(make_client):
    """All at once, as when the authorization server restarts: none of them may cost a request."""
    client = make_client()
    together, answered, closed = Barrier(3), Event(), Semaphore(0)

    def closes_later(peer):
        peer.request()
        together.wait()
        peer.send(GOOD)
        answered.wait()
        peer.end()
        closed.release()

    with FaultyServer(*[closes_later] * 3, good) as server:
        statuses = client.post_together([server.url] * 3)
        answered.set()
        for _ in range(3):
            closed.acquire()

        assert statuses == [200] * 3
        assert client.post(server.url).status == 200
        assert len(server.requests) == 4


def test_a_connection_that_the_server_closed_while_idle_is_replaced(client):
    with FaultyServer(ends_after(GOOD), good) as server:
        assert [client.post(server.url).status for _ in range(2)] == [200, 200]
        assert (server.connections, len(server.requests)) == (2, 2)


def closes_on_the_second_request(peer):
    peer.request()
    peer.send(GOOD)
    peer.request()


def test_a_connection_that_ends_as_it_is_used_again_is_replaced_once(client):
    with FaultyServer(closes_on_the_second_request, good) as server:
        assert [client.post(server.url).status for _ in range(2)] == [200, 200]
        assert (server.connections, len(server.requests)) == (2, 3)


def test_the_replacement_is_not_replaced(client):
    with FaultyServer(closes_on_the_second_request, ends_after(b""), good) as server:
        client.post(server.url)
        with pytest.raises(Unavailable, match="closed the connection without an answer"):
            client.post(server.url)

        assert (server.connections, len(server.requests)) == (2, 3)


def test_a_call_that_may_not_be_repeated_is_sent_once(client):
    with FaultyServer(closes_on_the_second_request, good) as server:
        client.post(server.url)
        with pytest.raises(Unavailable, match="closed the connection without an answer"):
            client.post(server.url, repeat=False)

        assert (server.connections, len(server.requests)) == (1, 2)


def test_a_call_that_may_not_be_repeated_survives_a_connection_that_ended_before_it_was_sent(client):
    answered, ended = Event(), Event()

    def ends_when_told(peer):
        peer.request()
        peer.send(GOOD)
        answered.wait()
        peer.end()
        ended.set()

    with FaultyServer(ends_when_told, good) as server:
        client.post(server.url)
        answered.set()
        ended.wait()

        assert client.post(server.url, repeat=False).status == 200
        assert (server.connections, len(server.requests)) == (2, 2)


def test_a_get_is_not_asked_again_on_a_new_connection_either(client):
    with FaultyServer(closes_on_the_second_request, ends_after(b""), good) as server:
        client.send(HttpCall("GET", server.url))
        with pytest.raises(Unavailable, match="closed the connection without an answer"):
            client.send(HttpCall("GET", server.url))

        assert (server.connections, len(server.requests)) == (2, 3)


def test_a_server_that_has_gone_leaves_an_idle_connection_and_no_answer(client):
    with FaultyServer(good) as server:
        client.post(server.url)

    with pytest.raises(Unavailable, match="no connection to"):
        client.post(server.url)


def test_an_answer_that_was_begun_is_not_asked_for_again(client):
    def half_of_the_second(peer):
        peer.request()
        peer.send(GOOD)
        peer.request()
        peer.send(GOOD[:30])

    with FaultyServer(half_of_the_second, good) as server:
        client.post(server.url)
        with pytest.raises(Unavailable, match="in the middle of its answer"):
            client.post(server.url)

        assert (server.connections, len(server.requests)) == (1, 2)


def test_a_connection_that_falls_silent_is_not_tried_again(client):
    def silent(peer):
        peer.request()
        peer.send(GOOD)
        peer.request()
        peer.stall()

    with FaultyServer(silent, good) as server:
        client.post(server.url)
        with pytest.raises(Unavailable, match=r"no whole answer within 0\.2 s"):
            client.post(server.url, timeout=0.2)
        assert server.connections == 1

        client.post(server.url)
        assert server.connections == 2, "the silent connection was used again"


def test_an_idle_connection_that_is_too_old_is_not_used(make_client):
    client = make_client(idle_seconds=0.0)
    with FaultyServer(good) as server:
        client.post(server.url)
        client.post(server.url)

        assert server.connections == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_reply_and_nobody_goes_there(client, status):
    with FaultyServer(good) as elsewhere:
        redirect = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        with FaultyServer(answers(redirect.encode())) as server:
            reply = client.post(server.url)

        assert (reply.status, elsewhere.connections) == (status, 0)


def test_proxies_netrc_and_cookies_are_none_of_our_business(client, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password mallory\n")
    netrc.chmod(0o600)
    cookie = with_fields(b"Content-Length: 11", b"Set-Cookie: session=1; Path=/")
    with FaultyServer(good) as proxy, FaultyServer(answers(cookie)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        monkeypatch.setenv("NETRC", str(netrc))
        client.send(HttpCall("GET", server.url))
        client.send(HttpCall("GET", server.url))

        assert (proxy.connections, len(server.requests)) == (0, 2)
        assert b"Authorization" not in server.requests[0]
        assert server.requests[1] == server.requests[0]


def test_a_body_may_be_as_long_as_was_allowed_and_no_longer(client):
    with FaultyServer(answers(with_fields(b"Content-Length: 11"))) as server:
        assert client.post(server.url, max_bytes=11).body == JWT_LIKE
        with pytest.raises(Refused, match="a body of 11 bytes, want at most 10"):
            client.post(server.url, max_bytes=10)
    with FaultyServer(answers(chunked(b"5\r\naaa.b\r\n6\r\nbb.ccc\r\n0\r\n\r\n"))) as server:
        assert client.post(server.url, max_bytes=11).body == JWT_LIKE
        with pytest.raises(Refused, match="a chunked body of more than 10 bytes"):
            client.post(server.url, max_bytes=10)


def test_a_large_body_comes_whole(client):
    body = bytes(range(256)) * 4096
    with FaultyServer(answers(with_fields(b"Content-Length: 1048576", body=body))) as server:
        assert client.post(server.url, max_bytes=1 << 20).body == body
        assert client.post(server.url, max_bytes=1 << 20).body == body
        assert server.connections == 1


def test_a_large_request_goes_whole(client):
    body = b"token=" + b"a" * 1_000_000
    with FaultyServer(good) as server:
        assert client.post(server.url, body=body).status == 200
        assert server.requests[0].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    "header",
    [
        ("A", "b\r\nC: d"),
        ("A", "b\nc"),
        ("A", "b\rc"),
        ("A", "b\0c"),
        ("A", "b\x7f"),
        ("A", "b\x1f"),
        ("A", "é"),
        ("A", "Ā"),
        ("A", " b"),
        ("A", "b\t"),
        ("A b", "c"),
        ("A:", "b"),
        ("", "b"),
        ("A\n", "b"),
        ("É", "b"),
        ("Host", "evil.example"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Accept-Encoding", "gzip"),
        ("Expect", "100-continue"),
    ],
)
def test_a_header_that_could_make_two_requests_of_one_is_a_bug_of_the_caller(client, header):
    with FaultyServer(good) as server:
        with pytest.raises(ValueError, match="header") as bug:
            client.send(HttpCall("POST", server.url, (header,)))

        assert header[1] == "" or header[1] not in str(bug.value)
        assert server.connections == 0


@pytest.mark.parametrize("method", ["", "GET ", "G\r\nET", "HEAD", "CONNECT", "GÉT"])
def test_a_method_that_is_none_of_ours_is_a_bug_of_the_caller(client, method):
    with FaultyServer(good) as server, pytest.raises(ValueError, match="method"):
        client.send(HttpCall(method, server.url))


@pytest.mark.parametrize(
    "rest", ["/a b", "/a\r\nB: c", "/a\n", "/a\0", "/é", "/a#b", "/a%zz", "/a%2", '/"', "/a\\b", "/{a}", "?a=<b>"]
)
def test_a_target_that_needs_escaping_is_a_bug_of_the_caller(client, rest):
    with FaultyServer(good) as server:
        with pytest.raises(ValueError, match="percent-encoded"):
            client.send(HttpCall("GET", server.origin + rest))
        assert server.connections == 0


def test_a_name_without_an_address(make_client, resolving):
    client = make_client(**resolving(OSError("Name or service not known")))

    with pytest.raises(Unavailable, match=r"no address for http://as\.example: .*Name or service not known"):
        client.post("http://as.example/introspect")


def test_a_bug_of_the_resolver_is_no_answer_of_it(make_client, resolving):
    client = make_client(**resolving(ZeroDivisionError()))

    with pytest.raises(ZeroDivisionError):
        client.post("http://as.example/introspect")


def test_a_resolver_that_hangs_is_left_behind(make_client, resolving):
    client = make_client(**resolving("hangs"))

    with pytest.raises(Unavailable, match=r"http://as\.example gave no whole answer within 0.2 s"):
        client.post("http://as.example/introspect", timeout=0.2)


def test_the_next_address_is_tried_when_one_does_not_answer(make_client, resolving):
    client = make_client(**resolving(["127.0.0.2", "127.0.0.1"]))
    with FaultyServer(good) as server:
        assert client.post(f"http://as.example:{server.port}/").status == 200
        assert f"Host: as.example:{server.port}\r\n".encode() in server.requests[0]


def test_no_address_answers(make_client, resolving):
    client = make_client(**resolving(["127.0.0.2", "127.0.0.3"]))
    with FaultyServer(good) as server, pytest.raises(Unavailable, match=r"no connection to http://as\.example"):
        client.post(f"http://as.example:{server.port}/")


@contextmanager
def swallowing(address):
    """An address that answers no SYN: its queue of connections is full."""
    with socket.create_server(address, backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for other in waiting:
            other.close()


def test_an_address_that_swallows_packets_does_not_outlast_the_deadline(client):
    with swallowing(("127.0.0.1", 0)) as port, pytest.raises(Unavailable, match=r"no whole answer within 0\.2 s"):
        client.post(f"http://127.0.0.1:{port}/", timeout=0.2)


def test_an_address_that_swallows_packets_leaves_time_for_the_next(make_client, resolving):
    client = make_client(**resolving(["127.0.0.2", "127.0.0.1"]))
    with FaultyServer(good) as server, swallowing(("127.0.0.2", server.port)):
        assert client.post(f"http://as.example:{server.port}/", timeout=2.0).status == 200


def test_a_server_that_never_reads_does_not_outlast_the_deadline(client):
    with (
        FaultyServer(lambda peer: peer.stall()) as server,
        pytest.raises(Unavailable, match=r"no whole answer within 0\.2 s"),
    ):
        client.post(server.url, body=b"a" * 1_000_000, timeout=0.2)


def test_nor_does_one_that_reads_slowly(client):
    """aiohttp warns about bodies of this size; ours are hundreds of bytes."""
    with FaultyServer(lambda peer: peer.sip()) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(Unavailable, match=r"no whole answer within 0\.2 s"):
            client.post(server.url, body=b"a" * (1 << 25), timeout=0.2)
    assert server.sipped < 1 << 25, "it went on sending"


def test_a_deadline_that_has_passed_already(client):
    with FaultyServer(closes_at_once) as server, pytest.raises(Unavailable, match="no whole answer within 0 s"):
        client.post(server.url, timeout=0.0)


def test_a_connection_that_was_in_use_at_the_close_is_closed_after_it():
    """Among threads; on a loop the call itself is ended."""
    release = Event()

    def answers_when_told(peer):
        peer.request()
        release.wait()
        peer.send(GOOD)
        closed_after.append(peer.request())

    closed_after = []
    http = BlockingHttp()
    with FaultyServer(answers_when_told) as server, ThreadPoolExecutor(1) as threads:
        call = threads.submit(finish, http.send(HttpCall("POST", server.url)))
        server.asked.wait()
        finish(http.close())
        release.set()

        assert call.result().status == 200
        server.threads[-1].join(60.0)
        assert closed_after == [b""]


def test_after_close_nothing_is_sent(client):
    with FaultyServer(good) as server:
        client.post(server.url)
        client.drive(client.http.close())

        with pytest.raises(Unavailable, match="shutting down"):
            client.post(server.url)
        assert len(server.requests) == 1
