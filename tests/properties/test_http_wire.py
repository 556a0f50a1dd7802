"""The HTTP wire, for any bytes: one reading of every reply, one request from every call."""

import asyncio
from itertools import pairwise
from urllib.parse import urlsplit

import httptools
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser
from hypothesis import example, given
from hypothesis import strategies as st

from faults import chunked
from phantomgate.backends.http_reply import MAX_FIELDS, MAX_INTERIM, MAX_SECTION, ReplyReader
from phantomgate.backends.http_request import Origin, request_bytes, split_url
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.ports import HttpCall

LIMIT = 64

pieces = st.sampled_from([
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 304\r\n", b"HTTP/1.1 101 Up\r\n", b"HTTP/1.1 999 ?\r\n", b"HTTP/", b"\r\n", b"\n", b"\r", b"\0", b" ",
    b"A: b\r\n", b"A : b\r\n", b" folded\r\n", b": x\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Content-Length: 99999\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n", b"Content-Encoding: gzip\r\n", b"Connection: close\r\n", b"hello", b"5\r\n",
    b"0\r\n", b"5;x=y\r\n", b"ff\r\n", b"hello\r\n", b"0\r\n\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
])  # fmt: skip
likely = st.lists(pieces, max_size=14).map(b"".join)
replies = st.one_of(st.binary(max_size=200), likely, likely.map(lambda rest: b"HTTP/1.1 200 OK\r\n" + rest))


def read(data, cuts=()):
    """What becomes of *data*, fed in the pieces that *cuts* make of it: the end of it all, whatever it was."""
    reader = ReplyReader(LIMIT)
    edges = [0, *sorted(cuts), len(data)]
    surplus = b""
    try:
        for start, end in pairwise(edges):
            if reader.reply is None:
                surplus = reader.feed(data[start:end])
            else:
                surplus += data[start:end]
    except Refused as no:
        return no.reason, no.detail
    if reader.reply is None:
        return "unfinished", reader.begun
    reply = reader.reply
    return reply.status, list(reply.headers), reply.body, surplus


@given(replies)
def test_whatever_comes_is_a_reply_unfinished_or_a_bad_answer(data):
    outcome = read(data)

    assert outcome[0] in (Reason.BAD_ANSWER, "unfinished") or 200 <= outcome[0] <= 599
    if len(outcome) == 4:
        assert data.endswith(outcome[3])
        assert len(outcome[2]) <= LIMIT


@given(replies, st.data())
@example(b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", None)
def test_where_the_pieces_end_makes_no_difference(data, draw):
    cuts = range(len(data)) if draw is None else draw.draw(st.lists(st.integers(0, len(data))))

    assert read(data, cuts) == read(data)
    assert read(data, range(len(data))) == read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * (MAX_SECTION + 1),
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * (MAX_SECTION + 1) + b"\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (MAX_FIELDS + 1),
        chunked(b"0" * 300 + b"\r\n"),
        chunked(b"0\r\n" + b"A: b\r\n" * (MAX_FIELDS - 1)),
        chunked(b"0\r\nA: " + b"a" * (MAX_SECTION + 1)),
        b"HTTP/1.1 100 Go\r\n\r\n" * (MAX_INTERIM + 1),
    ],
)
def test_a_bound_holds_wherever_the_pieces_end(data):
    outcome = read(data)

    assert outcome[0] is Reason.BAD_ANSWER
    for step in (1, 7, 4096):
        assert read(data, range(0, len(data), step)) == outcome


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + b"a" * (MAX_SECTION - 45) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + b"A: b\r\n" * (MAX_FIELDS - 1) + b"\r\n",
        b"HTTP/1.1 100 Go\r\n\r\n" * MAX_INTERIM + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        chunked(b"0" * 14 + b"1;" + b"x" * 238 + b"\r\na\r\n0\r\n" + b"A: b\r\n" * (MAX_FIELDS - 2) + b"\r\n"),
    ],
)
def test_a_reply_may_fill_every_bound(data):
    assert read(data)[0] == 200
    assert asyncio.run(by_aiohttp(data))[0] == 200


names = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8).filter(
    lambda name: name.lower() not in ("content-length", "transfer-encoding", "content-encoding", "connection")
)
values = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=12).map(
    lambda text: text.strip(" ").encode("latin-1")
)


odd_fields = st.sampled_from([
    (b"Connection", b"Upgrade"), (b"Upgrade", b"h2c"), (b"Connection", b"close"), (b"Connection", b"keep-alive"),
    (b"Content-Encoding", b"identity"), (b"Trailer", b"A"), (b"Keep-Alive", b"timeout=5"), (b"Set-Cookie", b"a=b"),
    (b"Content-Type", b"application/jwt"), (b"Expect", b"100-continue"), (b"Location", b"http://["), (b"Host", b""),
])  # fmt: skip


@st.composite
def well_formed(draw):
    """A reply that must be taken: its status, fields, body, and the bytes of it."""
    status = draw(st.integers(200, 599) | st.sampled_from([200, 204, 304]))
    fields = draw(st.lists(odd_fields | st.tuples(names.map(str.encode), values), max_size=6))
    body = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=3))
    framing = draw(st.sampled_from(["length", "chunked", "HTTP/1.0"]))
    if status in (204, 304):
        framed, body = b"", []
    elif framing == "chunked":
        extension = draw(st.sampled_from([b"", b";a", b';a="b c"']))
        chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in body)
        trailers = b"".join(
            b"%s: %s\r\n" % field for field in draw(st.lists(st.tuples(st.just(b"A"), values), max_size=2))
        )
        framed = chunks + draw(st.sampled_from([b"0", b"000"])) + b"\r\n" + trailers + b"\r\n"
        fields.append((b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"]))))
    else:
        framed = b"".join(body)
        fields.append((b"Content-Length", draw(st.sampled_from([b"%d", b"00%d"])) % len(framed)))
    interim = draw(st.lists(st.sampled_from([b"100 Continue\r\n", b"103 \r\nLink: a\r\n", b"102\r\n"]), max_size=3))
    reason = draw(st.sampled_from([b"", b" ", b" OK", b" Sch\xf6n"]))
    head = b"".join(b"HTTP/1.1 %s\r\n" % one for one in interim)
    head += b"HTTP/1.%d %d%s\r\n" % (framing != "HTTP/1.0", status, reason)
    head += b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n"
    return status, sorted((name.lower(), value) for name, value in fields), b"".join(body), head + framed


@given(well_formed(), st.binary(max_size=5))
def test_a_well_formed_reply_is_read_as_it_was_written(written, after):
    status, fields, body, data = written

    found_status, found_fields, found_body, surplus = read(data + after)

    assert (found_status, sorted(found_fields), found_body, surplus) == (status, fields, body, after)


@given(well_formed())
def test_what_the_strict_reader_takes_aiohttp_reads_alike(written):
    """In the nonblocking back end aiohttp sees the bytes after the strict reader has: it must not stumble over them."""
    status, fields, body, data = written

    assert asyncio.run(by_aiohttp(data)) == (status, fields, body)


async def by_aiohttp(data):
    loop = asyncio.get_running_loop()
    parser = HttpResponseParser(
        BaseProtocol(loop), loop, 1 << 16, response_with_body=True, read_until_eof=True, auto_decompress=False,
        max_line_size=MAX_SECTION, max_field_size=MAX_SECTION,
    )  # fmt: skip
    messages, _, tail = parser.feed_data(data)
    message, payload = messages[-1]
    assert all(100 <= interim.code < 200 for interim, _ in messages[:-1])
    assert (payload.is_eof(), tail) == (True, b"")
    fields = sorted((name.lower(), value) for name, value in message.raw_headers)
    return message.code, fields, await payload.read()


@given(
    st.text(max_size=60) | st.from_regex(r"https?://[A-Za-z0-9.\-_\[\]:@%]{1,20}(/[ -~]*)?(\?[ -~]*)?", fullmatch=True)
)
@example("http://a:80:80/")
@example("https://user@as.example/")
@example("http://127.1/")
@example("http://0x7f.0.0.1/")
@example("http://[::1]/")
def test_a_url_is_refused_or_means_what_everybody_takes_it_for(url):
    try:
        origin, target = split_url(url)
    except ValueError:
        return

    parts = urlsplit(url)
    assert (origin.scheme, origin.host) == (parts.scheme, parts.hostname)
    assert origin.port == (parts.port or {"http": 80, "https": 443}[parts.scheme])
    assert target == (parts.path or "/") + (f"?{parts.query}" if "?" in url else "")
    assert split_url(f"{origin}{target}") == (origin, target)
    assert all("!" <= char <= "~" for char in f"{origin}{target}")


@pytest.mark.parametrize(
    "url",
    [
        "", "as.example", "//as.example/", "ftp://as.example/", "HTTPS://as.example/", "https:/as.example/", "https://",
        "https:///path", "https://user@as.example/", "https://user:secret@as.example/", "https://as.example:/",
        "https://as.example:0/", "https://as.example:65536/", "https://as.example:+1/", "https://as.example:٣/",
        "https://as.example/#fragment", "https://as example/", "https://as.example\r\nHost: evil/", "https://as.example\0/",
        "https://-a/", "https://a..b/", "https://as.example./", "https://ß.example/", "https://127.1/", "https://0177.0.0.1/",
        "https://2130706433/", "https://0x7f000001/", "https://1.2.3.256/", "https://a.0x1/", "https://[::1/", "https://[::1%25lo]/",
        "https://as.example\\@evil/", "https://" + "a" * 64 + "/", "https://" + "a." * 127 + "a/",
    ],
)  # fmt: skip
def test_a_url_that_could_mean_something_else_is_refused(url):
    with pytest.raises(ValueError, match="the URL") as refused:
        split_url(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "origin", "target", "authority"),
    [
        ("https://as.example", Origin("https", "as.example", 443), "/", "as.example"),
        ("https://AS.Example:443/A?b=c", Origin("https", "as.example", 443), "/A?b=c", "as.example"),
        ("http://127.0.0.1:8080?x", Origin("http", "127.0.0.1", 8080), "/?x", "127.0.0.1:8080"),
        ("http://[::1]:80/a?b?c=/", Origin("http", "::1", 80), "/a?b?c=/", "[::1]"),
        ("https://xn--bcher-kva.example/%20", Origin("https", "xn--bcher-kva.example", 443), "/%20",
         "xn--bcher-kva.example"),
        ("http://my_as:1/", Origin("http", "my_as", 1), "/", "my_as:1"),
    ],
)  # fmt: skip
def test_a_plain_url_is_taken_apart(url, origin, target, authority):
    assert split_url(url) == (origin, target)
    assert origin.authority == authority


class Recorded:
    """What httptools makes of our request."""

    def __init__(self):
        self.requests = 0
        self.fields = []
        self.url = self.body = b""

    def on_url(self, url):
        self.url += url

    def on_header(self, name, value):
        self.fields.append((name, value))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.requests += 1


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.lists(
        st.tuples(st.text(max_size=6), st.text(max_size=8))
        | st.tuples(names, values.map(lambda value: value.decode("latin-1"))),
        max_size=4,
    )
    | st.lists(st.tuples(names, st.text("azAZ09 \t!~", max_size=8).map(str.strip)), max_size=4),
    st.binary(max_size=40),
)
def test_every_call_is_one_request_or_none(method, headers, body):
    origin = Origin("http", "as.example", 80)
    try:
        data = request_bytes(HttpCall(method, "http://as.example/x", tuple(headers), body), origin, "/x")
    except ValueError:
        return

    seen = Recorded()
    httptools.HttpRequestParser(seen).feed_data(data)
    assert (seen.requests, seen.url, seen.body) == (1, b"/x", body)
    for name, value in headers:
        assert (name.encode(), value.encode()) in seen.fields
    assert len({name.lower() for name, _ in seen.fields} & {b"host", b"connection"}) == 2
    assert len(seen.fields) <= len(headers) + 5
