"""The proxy's bodies and WebSockets: passed on as they come, never collected, ended when one side ends."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from contextlib import suppress

import aiohttp
import pytest
import uvloop
from aiohttp import WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from phantomgate.servers.proxy import SERVER_OPTIONS, reverse_proxy
from servers.proxied import Front, get

MEGABYTE = 1 << 20


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def on_loop(request):
    return request.param


class Streams:
    """An API that takes and gives without end, and says how far it got."""

    def __init__(self, give=0):
        self.give = give
        self.given = self.taken = 0
        self.digest = hashlib.sha256()
        self.ended = asyncio.Event()
        self.writers = []

    async def __call__(self, reader, writer):
        self.writers.append(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
            while self.taken < length:
                piece = await reader.read(65536)
                if not piece:
                    return
                self.taken += len(piece)
                self.digest.update(piece)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.give)
            piece = bytes(65536)
            while self.given < self.give:
                writer.write(piece)
                await writer.drain()
                self.given += len(piece)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


def through(story, run=asyncio.run, api=None, **options):
    async def play():
        front = Front(api() if api else Streams(), **options)
        async with front.serving():
            return await story(front)

    return run(play())


def test_fifty_megabytes_come_back_in_little_memory(on_loop):
    size = 50 * MEGABYTE

    async def story(front):
        client = await front.connect()
        tracemalloc.start()
        try:
            client.send(get())
            await client.reader.readuntil(b"\r\n\r\n")
            got = 0
            while got < size:
                got += len(await client.reader.read(65536))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size == got
        assert peak < 8 * MEGABYTE

    through(story, on_loop, api=lambda: Streams(size))


def test_fifty_megabytes_go_up_in_little_memory(on_loop):
    size, piece = 50 * MEGABYTE, bytes(range(256)) * 256
    expected = hashlib.sha256(piece * (size // len(piece))).hexdigest()

    async def story(front):
        client = await front.connect()
        tracemalloc.start()
        try:
            client.send(get("/", f"Content-Length: {size}", method="POST"))
            for _ in range(size // len(piece)):
                client.send(piece)
                await client.writer.drain()
            assert 200 == (await client.answer())[0]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (size, expected) == (front.api.taken, front.api.digest.hexdigest())
        assert peak < 8 * MEGABYTE

    through(story, on_loop)


def test_a_client_that_does_not_read_holds_the_api_back(on_loop):
    async def story(front):
        client = await front.connect()
        client.writer.transport.pause_reading()
        client.send(get())
        seen = -1
        async with asyncio.timeout(60):
            while seen != front.api.given or not seen:  # until it stands still
                seen = front.api.given
                await asyncio.sleep(0.2)
        assert seen < 40 * MEGABYTE  # what sockets and buffers hold
        client.writer.transport.abort()
        async with asyncio.timeout(60):
            await front.api.ended.wait()

    through(story, on_loop, api=lambda: Streams(400 * MEGABYTE))


def test_a_client_that_does_not_read_for_too_long_is_cut_off():
    async def story(front):
        client = await front.connect()
        client.writer.transport.pause_reading()
        client.send(get())
        async with asyncio.timeout(60):
            await front.api.ended.wait()
        assert 0 == sum(front.metrics.upstream_failures.values())

    through(story, api=lambda: Streams(400 * MEGABYTE), stall_seconds=0.3)


def test_an_answer_is_passed_on_before_it_is_whole():
    class Drip(Streams):
        async def __call__(self, reader, writer):
            self.writers.append(writer)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"6\r\nevent1\r\n")
            await self.ended.wait()
            writer.write(b"0\r\n\r\n")

    async def story(front):
        client = await front.connect()
        client.send(get())
        async with asyncio.timeout(60):
            await client.reader.readuntil(b"event1\r\n")
        front.api.ended.set()
        async with asyncio.timeout(60):
            await client.reader.readuntil(b"0\r\n\r\n")

    through(story, api=Drip)


def test_an_answer_that_comes_before_the_upload_ends_is_passed_on():
    class TooLarge(Streams):
        async def __call__(self, reader, writer):
            self.writers.append(writer)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()

    async def story(front):
        client = await front.connect()
        client.send(get("/", f"Content-Length: {50 * MEGABYTE}", method="POST") + "x" * 1000)
        assert 413 == (await client.answer())[0]

    through(story, api=TooLarge)


class Sockets:
    """A front whose API speaks WebSocket: echoes, or does what it is told."""

    def __init__(self, run):
        self.run = run
        self.requests = []
        self.codes = []

    async def serve(self, request):
        self.requests.append(request)
        if request.path == "/refuses":
            return web.Response(status=403, text="no")
        if request.path == "/plain":
            return web.Response(text="plain")
        socket = web.WebSocketResponse(protocols=("v2", "v1"), autoping=request.path != "/pings", max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "close":
                await socket.close(code=4001, message=b"as told")
            elif message.type is WSMsgType.TEXT and message.data == "vanish":
                request.transport.abort()
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                await socket.send_str(f"pinged {message.data.decode()}")
        self.codes.append(socket.close_code)
        return socket

    def __call__(self, story):
        async def play():
            runner = web.ServerRunner(web.Server(self.serve))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            front = Front(self, upstream=f"http://127.0.0.1:{runner.addresses[0][1]}")
            try:
                async with front.serving(), aiohttp.ClientSession() as session:
                    await story(front, session)
            finally:
                await runner.cleanup()

        self.run(play())


@pytest.fixture
def sockets(on_loop):
    return Sockets(on_loop)


def connect(front, session, path="/", token="good", **options):
    headers = CIMultiDict({"Authorization": f"Bearer {token}", "X-User": "admin", "Origin": "https://app.example"})
    return session.ws_connect(URL(f"http://127.0.0.1:{front.port}{path}", encoded=True), headers=headers, **options)


def test_a_websocket_passes_text_and_bytes(sockets):
    async def story(front, session):
        async with connect(front, session, "/chat?room=%2Fa") as socket:
            for text in ("hello", "", "ü" * 1000):
                await socket.send_str(text)
                assert text == await socket.receive_str(timeout=60)
            await socket.send_bytes(b"\0" * 200_000)
            assert b"\0" * 200_000 == await socket.receive_bytes(timeout=60)
        (request,) = sockets.requests
        assert "/chat?room=%2Fa" == request.raw_path
        assert (["Bearer the.jwt"], ["ann"]) == (
            request.headers.getall("Authorization"),
            request.headers.getall("X-User"),
        )
        assert "https://app.example" == request.headers["Origin"]
        assert front.metrics.allowed == 1

    sockets(story)


def test_a_websocket_that_is_refused_is_never_opened(sockets):
    async def story(front, session):
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await connect(front, session, token="bad")
        assert (401, []) == (error.value.status, sockets.requests)

    sockets(story)


@pytest.mark.parametrize(("path", "status"), [("/refuses", 403), ("/plain", 502)])
def test_an_api_that_opens_no_websocket_is_believed(sockets, path, status):
    async def story(front, session):
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await connect(front, session, path)
        assert status == error.value.status

    sockets(story)


def test_the_api_chooses_the_subprotocol(sockets):
    async def story(front, session):
        async with connect(front, session, protocols=("v1", "v9", "v2")) as socket:
            assert socket.protocol in ("v1", "v2")
        async with connect(front, session, protocols=("v9",)) as socket:
            assert socket.protocol is None
        async with connect(front, session) as socket:
            assert socket.protocol is None

    sockets(story)


def test_pings_and_pongs_go_through(sockets):
    async def story(front, session):
        async with connect(front, session, "/pings", autoping=False) as socket:
            await socket.ping(b"there?")
            assert "pinged there?" == await socket.receive_str(timeout=60)
        async with connect(front, session, autoping=False) as socket:
            await socket.ping(b"there?")
            message = await socket.receive(timeout=60)
            assert (WSMsgType.PONG, b"there?") == (message.type, bytes(message.data))

    sockets(story)


def test_the_code_of_a_close_goes_through_both_ways(sockets):
    async def story(front, session):
        async with connect(front, session, autoclose=False) as socket:
            await socket.send_str("close")
            message = await socket.receive(timeout=60)
            assert (WSMsgType.CLOSE, 4001, "as told") == (message.type, message.data, message.extra)
            await socket.close(code=4001)
        async with connect(front, session) as socket:
            await socket.close(code=4002, message=b"bye")
        async with asyncio.timeout(60):
            while len(sockets.codes) < 2:  # noqa: ASYNC110 - until the API has heard of it
                await asyncio.sleep(0.01)
        assert 4002 == sockets.codes[-1]

    sockets(story)


def test_a_side_that_vanishes_takes_the_other_with_it(sockets):
    async def story(front, session):
        async with connect(front, session) as socket:
            await socket.send_str("vanish")
            message = await socket.receive(timeout=60)
            assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING)
        socket = await connect(front, session)
        await socket.send_str("hello")
        await socket.receive_str(timeout=60)
        socket._response.connection.transport.abort()
        async with asyncio.timeout(60):
            while len(sockets.codes) < 2 or front.metrics.in_flight:  # noqa: ASYNC110 - until both have heard
                await asyncio.sleep(0.01)
        await socket.close()

    sockets(story)


def test_a_drain_tells_websockets_that_we_go(sockets):
    async def story(front, session):
        async with connect(front, session, autoclose=False) as socket:
            await socket.send_str("hello")
            await socket.receive_str(timeout=60)
            front.listener.last_call()
            front.listener.begin_drain()
            message = await socket.receive(timeout=60)
            assert (WSMsgType.CLOSE, 1001) == (message.type, message.data)
            await socket.close()
            assert await front.listener.drained(60.0)

    sockets(story)


def test_a_websocket_that_opens_during_the_drain_is_told_too(sockets):
    async def story(front, session):
        opening = asyncio.ensure_future(connect(front, session, token="slow", autoclose=False))
        await front.tokens.asked.wait()
        front.listener.last_call()
        front.listener.begin_drain()
        front.tokens.go_on.set()
        async with await opening as socket:
            message = await socket.receive(timeout=60)
            assert (WSMsgType.CLOSE, 1001) == (message.type, message.data)
            await socket.close()

    sockets(story)


def test_a_message_that_is_too_large_ends_the_websocket(sockets):
    async def story(front, session):
        async with connect(front, session, max_msg_size=0) as socket:
            with suppress(ConnectionError):  # it may end before the message is out
                await socket.send_bytes(bytes(17 * MEGABYTE))
            message = await socket.receive(timeout=60)
            assert message.type is not WSMsgType.BINARY
        assert 0 == sum(front.metrics.upstream_failures.values())

    sockets(story)


@pytest.mark.parametrize(
    "fields",
    [
        ("Connection: Upgrade", "Upgrade: websocket"),
        ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short"),
        ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 8", f"Sec-WebSocket-Key: {'A' * 22}=="),
    ],
)
def test_a_handshake_that_is_none_opens_nothing(sockets, fields):
    async def story(front, session):
        assert 400 == (await front.ask(get("/", *fields)))[0]
        assert [] == sockets.requests

    sockets(story)


def test_the_proxy_lives_on_an_application_beside_other_routes():
    async def story():
        front = Front(Streams())

        async def api(request):
            return web.json_response({"target": request.raw_path, "jwt": request.headers["Authorization"]})

        upstream = web.ServerRunner(web.Server(api))
        await upstream.setup()
        await web.TCPSite(upstream, "127.0.0.1", 0).start()
        app = web.Application()
        app.router.add_get("/", page)
        app.add_subapp("/api/", reverse_proxy(front.gateway, f"http://127.0.0.1:{upstream.addresses[0][1]}"))
        runner = web.AppRunner(app, **SERVER_OPTIONS)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with aiohttp.ClientSession(headers={"Authorization": "Bearer good"}) as session:
                async with session.get(origin + "/") as answer:
                    assert "page" == await answer.text()
                async with session.get(origin + "/api/a?x=1") as answer:
                    assert {"target": "/api/a?x=1", "jwt": "Bearer the.jwt"} == await answer.json()
                async with session.get(origin + "/api/a", headers={"Authorization": "Bearer bad"}) as answer:
                    assert 401 == answer.status
                async with session.post(origin + "/api/a", data=b"x" * 10, expect100=True) as answer:
                    assert 200 == answer.status
        finally:
            await runner.cleanup()
            await upstream.cleanup()

    async def page(request):
        return web.Response(text="page")

    asyncio.run(story())
