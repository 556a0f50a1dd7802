"""The decision listener on real sockets, byte by byte: in order, bounded, never hung, never an allow by mistake."""

import asyncio
import json
import re
import socket
import struct

import pytest
import uvloop

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Credential, HeaderChange, Refuse, Route, Token
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule
from phantomgate.servers.listener import Limits, Listener, trusted_peers
from phantomgate.testing import FakeClock
from tokens import NOW, jwt

CHANGE = HeaderChange((("Authorization", f"Bearer {jwt()}"), ("X-User", "ann")), frozenset(), jwt())
ASK = "GET /decide HTTP/1.1\r\nHost: x\r\nX-Original-Method: GET\r\nX-Original-URI: /a\r\n"


async def until(true):
    """Come back when *true()* is, within a minute."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what we wait for knows of no event
            await asyncio.sleep(0.001)


class Slow:
    """Resolves `now` at once and everything else when told to, by token."""

    def __init__(self):
        self.waiting: dict[str, asyncio.Future] = {}
        self.cancelled = []

    async def resolve(self, credential: Credential, route: Route) -> Token:
        token = Token(jwt(), {}, frozenset(), NOW + 60.0, 1060.0)
        if credential.value == "bad":
            raise Refused(Reason.INACTIVE)
        if credential.value == "end":
            raise SystemExit
        if credential.value != "now":
            future = asyncio.get_running_loop().create_future()
            self.waiting[credential.value] = future
            try:
                await future
                await asyncio.sleep(0)  # a second wait, of another kind
            except asyncio.CancelledError:
                self.cancelled.append(credential.value)
                raise
        return token

    async def asked(self, token):
        """When *token* is being waited for, the future that lets it go on."""
        await until(lambda: token in self.waiting)
        return self.waiting[token]


class Service:
    def __init__(self, **options):
        self.clock = FakeClock()
        self.resolver = Slow()
        self.decisions = []
        self.in_flight = 0
        self.clients = []

        async def forward(route, token):
            return CHANGE

        table = route_table([Rule("/a/**", ("GET",), Route("a"))], Route("policy"))
        gateway = Gateway(
            options.pop("match", table),
            find_bearer(),
            self.resolver,
            (),
            forward,
            lambda request, decision: self.decisions.append(decision),
            lambda: "id-1",
        )
        options.setdefault("trusts", trusted_peers(["127.0.0.0/8"]))
        self.listener = Listener(gateway, now=self.clock.now, ticks=self.clock.ticks, waiting=self._count, **options)

    def _count(self, change):
        self.in_flight += change

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self.listener.protocol, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error):
        self.server.close()
        for client in self.clients:
            client.writer.transport.abort()
        self.listener.begin_drain()
        await self.listener.drained(1.0)

    async def connect(self):
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def ask(self, data):
        """The one answer to *data*, on a connection of its own."""
        client = await self.connect()
        client.send(data)
        return await client.answer()


class Client:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, data):
        self.writer.write(data.encode("latin-1") if isinstance(data, str) else data)

    async def answer(self, head=False):
        async with asyncio.timeout(60):
            raw = await self.reader.readuntil(b"\r\n\r\n")
            status = int(raw.split(b" ", 2)[1])
            fields = [tuple(line.split(": ", 1)) for line in raw.decode().split("\r\n")[1:-2]]
            length = int(dict(fields)["Content-Length"])
            return status, fields, await self.reader.readexactly(0 if head else length)

    def reset(self):
        """Go away as a crashed process does: by RST, not by FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def ended(self):
        """Whatever else comes until the server closes."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def on_loop(request):
    return request.param


def bearer(token, ask=ASK):
    return f"{ask}Authorization: Bearer {token}\r\n\r\n"


def test_an_allow_is_200_with_the_jwt_and_nothing_in_the_body(on_loop):
    async def story():
        async with Service() as service:
            status, fields, body = await service.ask(bearer("now"))
        assert (status, body) == (200, b"")
        assert fields == [
            ("Authorization", f"Bearer {jwt()}"),
            ("X-User", "ann"),
            ("X-Accel-Expires", "60"),
            ("Cache-Control", "private, max-age=60"),
            ("Content-Length", "0"),
            ("Date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ]

    on_loop(story())


def test_the_seconds_go_down_with_the_clock(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            for left in (60, 60, 59, 1, 0):
                service.clock.wall = NOW + 60.0 - left
                client.send(bearer("now"))
                _, fields, _ = await client.answer()
                assert dict(fields)["X-Accel-Expires"] == str(left)
                assert dict(fields)["Cache-Control"] == f"private, max-age={left}"

    on_loop(story())


def test_an_exchange_gives_json(on_loop):
    async def story():
        async with Service() as service:
            for method in ("GET", "POST"):
                ask = f"{method} /exchange HTTP/1.1\r\nHost: x\r\n"
                status, fields, body = await service.ask(bearer("now", ask))
                assert status == 200
                assert json.loads(body) == {"token_type": "Bearer", "access_token": jwt(), "expires_in": 60}
                assert "Authorization" not in dict(fields)
            assert (await service.ask(bearer("bad", ask)))[0] == 401

    on_loop(story())


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1.1", 404),
        ("GET /decided HTTP/1.1", 404),
        ("GET /Decide HTTP/1.1", 404),
        ("GET //decide HTTP/1.1", 404),
        ("GET http://x/decide HTTP/1.1", 404),
        ("GET /exchange/ HTTP/1.1", 404),
        ("OPTIONS * HTTP/1.1", 404),
        ("PUT /exchange HTTP/1.1", 405),
        ("GET /decide/b HTTP/1.1", 403),
        ("GET /decide/a/%2e%2e/b HTTP/1.1", 400),
        ("POST /decide/a HTTP/1.1", 403),
        ("GET /decide/a/1?x=1 HTTP/1.1", 200),
        ("GET /decide HTTP/1.1", 400),
        ("GET /decide?/a HTTP/1.1", 400),
    ],
)
def test_only_what_exists_is_answered_and_only_a_route_is_allowed(on_loop, line, status):
    async def story():
        async with Service() as service:
            answer = await service.ask(f"{line}\r\nHost: x\r\nAuthorization: Bearer now\r\n\r\n")
        assert answer[0] == status

    on_loop(story())


def test_answers_come_in_the_order_of_requests_also_when_the_first_waits(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(bearer("later") + bearer("bad") + bearer("now"))
            future = await service.resolver.asked("later")
            assert service.in_flight == 1
            future.set_result(None)
            assert [(await client.answer())[0] for _ in range(3)] == [200, 401, 200]
            assert service.in_flight == 0

    on_loop(story())


def test_more_pipelined_requests_than_may_wait_are_read_later_and_all_answered(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(bearer("later") + bearer("now") * 100)
            (await service.resolver.asked("later")).set_result(None)
            assert [(await client.answer())[0] for _ in range(101)] == [200] * 101

    on_loop(story())


def test_a_client_that_goes_away_cancels_its_decision_and_is_recorded(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(bearer("later") + bearer("now"))
            await service.resolver.asked("later")
            client.reset()
            await until(lambda: service.decisions)
        assert service.resolver.cancelled == ["later"]
        assert [type(decision) for decision in service.decisions] == [Refuse]
        assert service.in_flight == 0

    on_loop(story())


def test_a_half_closed_client_still_gets_its_answer(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(bearer("later") + bearer("bad"))
            client.writer.write_eof()
            (await service.resolver.asked("later")).set_result(None)
            assert (await client.answer())[0] == 200
            assert (await client.answer())[0] == 401
            assert await client.ended() == b""

    on_loop(story())


def test_every_way_to_cut_the_bytes_gives_the_same_answer(on_loop):
    async def story():
        data = bearer("now").encode()
        async with Service() as service:
            client = await service.connect()
            for cut in range(1, len(data)):
                client.send(data[:cut])
                await client.writer.drain()
                await asyncio.sleep(0)
                client.send(data[cut:])
                assert (await client.answer())[0] == 200

    on_loop(story())


@pytest.mark.parametrize(
    "data",
    [
        "garbage\r\n\r\n",
        "GET /decide HTTP/9.9\r\n\r\n",
        ASK + "Bad Name: x\r\n\r\n",
        ASK + "Authorization: Bearer \x00now\r\n\r\n",
        ASK + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        ASK + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ASK + "Content-Length: -1\r\n\r\n",
        ASK + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ASK + "".join(f"X-{number}: 1\r\n" for number in range(200)) + "Authorization: Bearer now\r\n\r\n",
        ASK + "X-Same: 1\r\n" * 200 + "Authorization: Bearer now\r\n\r\n",
        ASK + "X-Big: " + "x" * 70_000 + "\r\nAuthorization: Bearer now\r\n\r\n",
        ASK + "Authorization: Bearer " + "." * 1_000_000 + "\r\n\r\n",
        "GET /decide/" + "a" * 70_000 + " HTTP/1.1\r\nAuthorization: Bearer now\r\n\r\n",
        ASK + "Content-Length: 2000000\r\n\r\n" + "x" * 2_000_000,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda data: re.sub(r"\W+", "-", data[-60:])[:40],
)
def test_what_is_not_a_sane_request_is_400_and_the_end(on_loop, data):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(data)
            status, fields, body = await client.answer()
            assert status == 400
            assert json.loads(body)["error"] == "invalid_request"
            assert dict(fields)["Connection"] == "close"
            client.writer.write_eof()
            assert await client.ended() == b""
            assert [decision.reason for decision in service.decisions] == [Reason.MALFORMED_REQUEST]

    on_loop(story())


def test_whatever_follows_a_broken_request_is_not_read(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(ASK + "Content-Length: x\r\n\r\n" + bearer("now"))
            assert (await client.answer())[0] == 400
            client.writer.write_eof()
            assert await client.ended() == b""
            assert len(service.decisions) == 1

    on_loop(story())


def test_a_body_is_read_over_and_ignored(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            ask = ASK.replace("GET", "POST", 1)
            for extra, body in (
                ("Content-Length: 20", "access_token=now&x=1"),
                ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"),
            ):
                client.send(f"{ask}Authorization: Bearer now\r\n{extra}\r\n\r\n{body}")
                assert (await client.answer())[0] == 200
                client.send(f"{ask}{extra}\r\n\r\n{body}")
                assert (await client.answer())[0] == 401

    on_loop(story())


def test_fields_after_a_chunked_body_are_not_fields_before_it(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            trailer = "X-T: 1\r\nX-T: 2\r\nAuthorization: Bearer now\r\n\r\n"
            client.send(f"{ASK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailer}")
            assert (await client.answer())[0] == 401
            client.send(
                f"{ASK}Authorization: Bearer now\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailer}{bearer('now')}"
            )
            assert (await client.answer())[0] == 200
            assert (await client.answer())[0] == 200

    on_loop(story())


def test_http_1_0_and_connection_close_end_the_connection(on_loop):
    async def story():
        async with Service() as service:
            for data in (bearer("now").replace("HTTP/1.1", "HTTP/1.0"), bearer("now", ASK + "Connection: close\r\n")):
                client = await service.connect()
                client.send(data)
                status, fields, _ = await client.answer()
                assert (status, dict(fields)["Connection"]) == (200, "close")
                assert await client.ended() == b""

    on_loop(story())


def test_a_head_request_gets_no_body(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(bearer("bad", ASK.replace("GET", "HEAD", 1)) + bearer("now"))
            assert (await client.answer(head=True))[0] == 401
            assert (await client.answer())[0] == 200

    on_loop(story())


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/exchange", 405), ("/decide", 400)])
def test_no_answer_to_a_head_request_has_a_body(on_loop, path, status):
    """The client would read it as the answer to its next request."""

    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nX-Original-URI: /a\r\n\r\n" + bearer("now"))
            assert status == (await client.answer(head=True))[0]
            assert 200 == (await client.answer())[0]

    on_loop(story())


def test_a_chunked_body_in_http_1_0_is_no_body_that_anybody_agrees_on(on_loop):
    async def story():
        async with Service() as service:
            ask = ASK.replace("GET", "POST", 1).replace("1.1", "1.0") + "Connection: keep-alive\r\n"
            client = await service.connect()
            client.send(bearer("now", ask + "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" + bearer("now"))
            assert 400 == (await client.answer())[0]
            assert b"" == await client.ended()

    on_loop(story())


def test_an_upgrade_is_answered_as_a_question_and_the_connection_ends(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(bearer("now", ASK + "Connection: Upgrade\r\nUpgrade: websocket\r\n"))
            assert (await client.answer())[0] == 200
            assert await client.ended() == b""

    on_loop(story())


def test_the_idle_and_the_slow_are_closed_and_the_waiting_are_not(on_loop):
    async def story():
        async with Service(limits=Limits(header_timeout=10.0, idle_timeout=75.0)) as service:
            idle, slow, waiting = [await service.connect() for _ in range(3)]
            idle.send(bearer("now"))
            await idle.answer()
            slow.send(ASK)
            waiting.send(bearer("later"))
            future = await service.resolver.asked("later")
            for _ in range(6):  # a byte now and then buys no time
                service.listener.sweep(2.0)
                slow.send("X")
                await asyncio.sleep(0.01)
            assert await slow.ended() == b""
            service.listener.sweep(60.0)
            idle.send(bearer("now"))
            assert (await idle.answer())[0] == 200
            service.listener.sweep(76.0)
            assert await idle.ended() == b""
            future.set_result(None)
            assert (await waiting.answer())[0] == 200

    on_loop(story())


def test_a_client_that_never_stops_sending_is_cut_off(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send("garbage\r\n\r\n")
            assert (await client.answer())[0] == 400
            service.listener.sweep(3.0)
            assert await client.ended() == b""

    on_loop(story())


def test_a_drain_lets_answers_finish_and_closes_the_rest(on_loop):
    async def story():
        async with Service() as service:
            idle, waiting, partial = [await service.connect() for _ in range(3)]
            idle.send(bearer("now"))
            await idle.answer()
            waiting.send(bearer("later"))
            partial.send(ASK)
            future = await service.resolver.asked("later")
            service.server.close()
            service.listener.begin_drain()
            drained = asyncio.create_task(service.listener.drained(5.0))
            assert await idle.ended() == b""
            future.set_result(None)
            partial.send("Authorization: Bearer now\r\n\r\n")
            for client in (waiting, partial):
                status, fields, _ = await client.answer()
                assert (status, dict(fields)["Connection"]) == (200, "close")
                assert await client.ended() == b""
            assert await drained is True

    on_loop(story())


def test_a_drain_ends_at_its_deadline(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(bearer("later"))
            await service.resolver.asked("later")
            service.server.close()
            service.listener.begin_drain()
            assert await service.listener.drained(0.01) is False
            assert await client.ended() == b""

    on_loop(story())


def test_a_bug_in_reading_closes_without_an_answer(on_loop):
    async def story():
        async with Service() as service:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

            def broken(*_):
                raise RuntimeError("a bug")

            service.listener.read_decide = broken
            client = await service.connect()
            client.send(bearer("now"))
            assert await client.ended() == b""

    on_loop(story())


def test_a_bug_in_taking_what_waited_closes_before_a_later_request_gets_its_answer(on_loop):
    async def story():
        async with Service() as service:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

            def broken(*_):
                raise RuntimeError("a bug")

            client = await service.connect()
            client.send(bearer("slow") + bearer("bad") + bearer("bad"))
            future = await service.resolver.asked("slow")
            service.listener.read_decide = broken
            future.set_result(None)
            assert b"HTTP/1.1 200 OK" == (await client.ended())[:15]
            assert 1 == len(service.decisions)
            assert not service.listener.connections

    on_loop(story())


def test_a_client_that_does_not_read_is_not_listened_to_again_because_a_decision_is_made(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            client.send(bearer("slow"))
            future = await service.resolver.asked("slow")
            (connection,) = service.listener.connections
            connection.pause_writing()  # as the loop does when answers pile up
            future.set_result(None)
            await until(lambda: service.decisions and not service.in_flight)
            assert not connection.transport.is_reading()
            connection.resume_writing()
            assert connection.transport.is_reading()
            client.send(bearer("now"))
            assert [200, 200] == [(await client.answer())[0] for _ in range(2)]

    on_loop(story())


def test_who_has_reset_the_connection_before_we_look_is_nobody_we_trust(on_loop):
    async def story():
        service, peers = Service(), []
        service.listener.trusts = peers.append
        with socket.create_server(("127.0.0.1", 0)) as listening:
            with socket.create_connection(listening.getsockname()) as client:
                client.sendall(bearer("now").encode())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            loop = asyncio.get_running_loop()
            server = await loop.create_server(service.listener.protocol, sock=listening)
            await until(lambda: peers)
            server.close()
        assert "unix" not in peers

    on_loop(story())


def test_a_client_that_does_not_read_is_not_listened_to(on_loop):
    async def story():
        async with Service() as service:
            client = await service.connect()
            sent = 0
            try:
                async with asyncio.timeout(1):
                    while sent < 200_000:
                        client.send(bearer("now") * 100)
                        sent += 100
                        await client.writer.drain()
            except TimeoutError:
                pass
            assert len(service.decisions) < 150_000
            client.writer.transport.abort()

    on_loop(story())


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("10.0.0.1", False),
        ("::ffff:127.0.0.1", True),
        ("::1", False),
        ("fe80::1%eth0", True),
        ("unix", True),
        ("", False),
        ("localhost", False),
    ],
)
def test_who_is_trusted(peer, trusted):
    assert trusted_peers(["127.0.0.0/8", "fe80::/10"])(peer) is trusted


def test_other_settings_hold_for_connections_that_are_open_and_what_has_begun_ends_as_it_began(on_loop):
    async def story():
        async with Service(realm="old") as service:
            newer = Service(realm="new")
            waits, idle = await service.connect(), await service.connect()
            idle.send(bearer("now"))
            await idle.answer()
            waits.send(bearer("slow"))
            future = await service.resolver.asked("slow")
            service.listener.adopt(newer.listener)
            waits.send(bearer("bad"))  # behind the one that waits
            future.set_result(None)
            assert 200 == (await waits.answer())[0]
            for client in (waits, idle):
                if client is idle:
                    client.send(bearer("bad"))
                status, fields, _ = await client.answer()
                assert (401, True) == (status, 'realm="new"' in dict(fields)["WWW-Authenticate"])
            assert [1, 2] == [len(service.decisions) - 1, len(newer.decisions)]
            service.listener.adopt(Service(trusts=lambda peer: False).listener)
            idle.send(bearer("now"))
            assert 400 == (await idle.answer())[0]  # what it says of a request is no longer believed

    on_loop(story())


def test_a_refusal_that_was_on_its_way_is_told_by_the_settings_it_began_with(on_loop):
    async def story():
        async with Service(realm="old") as service:
            client = await service.connect()
            client.send(bearer("slow"))
            future = await service.resolver.asked("slow")
            service.listener.adopt(Service(realm="new").listener)
            future.set_exception(Refused(Reason.INACTIVE))
            assert 'realm="old"' in dict((await client.answer())[1])["WWW-Authenticate"]

    on_loop(story())
