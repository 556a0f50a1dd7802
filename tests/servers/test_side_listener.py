"""The listeners beside the one that decides: nobody who is slow, silent or no HTTP costs more than a moment."""

from __future__ import annotations

import asyncio
import gzip
import logging
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from phantomgate.servers.side_listener import answer_at, side_app, side_runner
from phantomgate.servers.sockets import bind_tcp, bind_unix


@pytest.fixture(params=["tcp", "unix"])
def bound(request, tmp_path):
    bound = bind_tcp("127.0.0.1", 0, 1) if request.param == "tcp" else bind_unix(str(tmp_path / "side.sock"))
    yield bound
    bound.close()


@asynccontextmanager
async def answering(bound, *, idle_seconds=30.0, body_seconds=10.0, most=256):
    """A listener that repeats the body it was sent; what opens a connection to it."""

    async def repeated(request):
        return web.Response(body=await request.read())

    async def broken(request):
        raise RuntimeError("a bug")

    app = side_app(1024, body_seconds=body_seconds)
    app.router.add_post("/", repeated)
    app.router.add_post("/broken", broken)
    runner = side_runner(app)
    await runner.setup()
    server = await answer_at(runner, bound.sockets[0], idle_seconds, most)
    where = bound.sockets[0].getsockname()
    writers = []

    async def connect():
        opening = asyncio.open_unix_connection(where) if isinstance(where, str) else asyncio.open_connection(*where)
        reader, writer = await opening
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await runner.cleanup()


async def said(connect, data):
    """All that is answered to *data* until the connection is closed."""
    reader, writer = await connect()
    writer.write(data)
    async with asyncio.timeout(60):
        return await reader.read()


@pytest.mark.parametrize("data", [b"", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nX: "])
def test_who_sends_no_whole_head_is_sent_away(bound, data):
    async def story():
        async with answering(bound, idle_seconds=0.05) as connect:
            assert b"" == await said(connect, data)

    asyncio.run(story())


def test_one_connection_more_than_there_may_be_is_closed(bound):
    async def story():
        async with answering(bound, most=2) as connect:
            kept = [await connect() for _ in range(2)]
            reader, _ = await connect()
            assert b"" == await reader.read()
            for reader, writer in kept:
                writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            assert (await said(connect, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.0 400 ")  # there is room again

    asyncio.run(story())


def test_a_body_that_does_not_come_is_408_and_the_end(bound):
    async def story():
        async with answering(bound, body_seconds=0.05) as connect:
            answer = await said(connect, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
            assert answer.startswith(b"HTTP/1.1 408 ")

    asyncio.run(story())


def test_a_body_that_is_too_long_is_413(bound):
    async def story():
        async with answering(bound) as connect:
            head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1025\r\n\r\n"
            assert (await said(connect, head + b"a" * 1025)).startswith(b"HTTP/1.1 413 ")

    asyncio.run(story())


def test_a_field_after_a_body_is_none_of_the_next_request(bound):
    async def story():
        async with answering(bound) as connect:
            ask = b"POST / HTTP/1.1\r\nHost: x\r\n"
            chunked = ask + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: x\r\n\r\n"
            answer = await said(connect, chunked + ask + b"Content-Length: 1\r\n\r\nb")
            assert 1 == answer.count(b"HTTP/1.1 ")
            assert answer.endswith(b"\r\n\r\na")

    asyncio.run(story())


def test_a_body_is_taken_as_it_was_sent(bound):
    """What is unpacked was signed by nobody, and may be a thousand times as long."""

    async def story():
        packed = gzip.compress(b"a" * 100_000)
        async with answering(bound) as connect:
            head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
            answer = await said(connect, head + b"Content-Length: %d\r\n\r\n" % len(packed) + packed)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(packed)

    asyncio.run(story())


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_what_is_no_http_is_400_in_our_words_and_no_line_in_the_log(bound, data, caplog):
    async def story():
        async with answering(bound) as connect:
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
            assert (await reader.readuntil(b"\r\n\r\na")).startswith(b"HTTP/1.1 200 ")
            writer.write(data)
            answer = await reader.read()
            assert b" 400 " in answer.partition(b"\r\n")[0]
            assert b"Server: phantomgate\r\n" in answer
            assert b"Cache-Control: no-store\r\n" in answer
            assert b"aiohttp" not in answer

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert [] == caplog.records


def test_a_client_that_leaves_in_the_middle_is_no_line_in_the_log(bound, caplog):
    async def story():
        async with answering(bound) as connect:
            _, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
            await asyncio.sleep(0.05)
            writer.transport.abort()
            await asyncio.sleep(0.05)

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert [] == caplog.records


def test_a_bug_of_ours_is_500_without_a_word_of_it_and_a_line_in_the_log(bound, caplog):
    async def story():
        async with answering(bound) as connect:
            answer = await said(connect, b"POST /broken HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert b"Server: phantomgate\r\n" in answer
            assert b"a bug" not in answer

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert ["Error handling request from %s"] == [record.msg for record in caplog.records]
