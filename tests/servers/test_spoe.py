"""The SPOE agent on real sockets, frame by frame: what HAProxy asks is answered once, by name, or not at all."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phantomgate.adapters import spop
from phantomgate.adapters.spop_data import INVALID, varint
from phantomgate.core.model import Allow, HeaderChange, Refuse, Route
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule
from phantomgate.servers.listener import Limits, trusted_peers
from phantomgate.servers.spoe import Agent
from servers.test_listener import CHANGE, Slow, on_loop, until
from tokens import jwt

__all__ = ["on_loop"]

HELLO = {"supported-versions": "2.0", "max-frame-size": 16380, "capabilities": "pipelining,async"}


def text(data: bytes) -> bytes:
    return varint(len(data)) + data


def packed(fields) -> bytes:
    return b"".join(text(name) + text(value) for name, value in fields) + b"\0\0"


def notify(number, *fields, method=b"GET", path=b"/a", name=b"decide", kind=spop.NOTIFY, **more):
    arguments = {b"method": method, b"path": path, b"query": None, b"headers": packed(fields)}
    arguments.update({key.encode(): value for key, value in more.items()})
    arguments = {key: value for key, value in arguments.items() if value is not Ellipsis}
    pairs = b"".join(
        text(key) + (b"\0" if value is None else b"\x08" + text(value)) for key, value in arguments.items()
    )
    return spop.write_frame(kind, number, 1, text(name) + bytes((len(arguments),)) + pairs)


def bearer(number, token, *fields, **more):
    return notify(number, (b"authorization", b"Bearer " + token.encode()), *fields, **more)


def plain(number, authorization=None, **more):
    """The message of few words."""
    value = b"Bearer " + authorization if isinstance(authorization, bytes) else authorization
    return notify(number, name=b"decide-plain", **{"headers": Ellipsis, "authorization": value, **more})


def hello(**changed):
    said = {name: value for name, value in (HELLO | changed).items() if value is not None}
    return spop.write_frame(spop.HAPROXY_HELLO, 0, 0, spop.write_pairs(said))


class Service:
    """An agent that serves, and what it decided and complained of."""

    def __init__(self, change=CHANGE, **options):
        self.resolver = Slow()
        self.decisions: list = []
        self.complaints: list[Refuse] = []
        self.in_flight = 0
        self.proxies: list[Proxy] = []
        table = route_table([Rule("/a/**", ("GET",), Route("a"))], Route("policy"))

        async def forward(route, token):
            return change

        gateway = Gateway(
            table,
            find_bearer(),
            self.resolver,
            (),
            forward,
            lambda request, decision: self.decisions.append((request, decision)),
            lambda: "id-1",
        )
        options.setdefault("trusts", trusted_peers(["127.0.0.0/8"]))
        self.agent = Agent(gateway, waiting=self._count, complain=self.complaints.append, **options)

    def _count(self, change):
        self.in_flight += change

    async def __aenter__(self):
        self.server = await asyncio.get_running_loop().create_server(self.agent.protocol, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error):
        self.server.close()
        for proxy in self.proxies:
            proxy.writer.transport.abort()
        self.agent.begin_drain()
        await self.agent.drained(0.2)

    async def connect(self):
        proxy = Proxy(*await asyncio.open_connection("127.0.0.1", self.port))
        self.proxies.append(proxy)
        return proxy

    async def greeted(self, **changed):
        """A connection that has exchanged hellos."""
        proxy = await self.connect()
        kind, _, _, said = await proxy.says(hello(**changed))
        assert spop.AGENT_HELLO == kind
        return proxy, said


class Proxy:
    """HAProxy, as far as the agent can tell."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, data):
        self.writer.write(data)

    async def frame(self):
        """(type, stream, frame, what it says) of the next frame; an ACK says its variables."""
        async with asyncio.timeout(60):
            data = await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(4)))
        kind, stream_id, frame_id, at = spop.read_frame(data)
        payload = data[at:]
        if kind == spop.ACK:
            payload = payload.replace(b"\x01\x03\x02", b"")
        return kind, stream_id, frame_id, {name.decode(): value for name, value in spop.read_pairs(payload).items()}

    async def says(self, data):
        self.send(data)
        return await self.frame()

    async def ended(self):
        """What else comes until the agent closes."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


def test_an_allow_is_a_status_of_200_and_every_field_that_goes_upstream(on_loop):
    async def story():
        async with Service() as service:
            proxy, said = await service.greeted()
            assert {"version": b"2.0", "max-frame-size": 16380, "capabilities": b"pipelining"} == said
            kind, stream_id, frame_id, variables = await proxy.says(bearer(300, "now", (b"host", b"api.example")))
        assert (spop.ACK, 300, 1) == (kind, stream_id, frame_id)
        assert {"status": 200, "authorization": f"Bearer {jwt()}".encode(), "x_user": b"ann"} == variables
        [(request, decision)] = service.decisions
        assert ("GET", "/a", "api.example", "127.0.0.1") == (request.method, request.path, request.host, request.peer)
        assert isinstance(decision, Allow)

    on_loop(story())


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (notify(1), 401),
        (bearer(1, "bad"), 401),
        (bearer(1, "now", path=b"/b"), 403),
        (bearer(1, "now", method=b"POST"), 403),
        (bearer(1, "now", path=b"/a/%2e%2e/b"), 400),
        (bearer(1, "now", (b"authorization", b"Bearer now")), 400),
        (bearer(1, "now", (b"Authorization", b"Bearer now")), 400),
        (bearer(1, "now", (b"connection", b"authorization")), 400),
        (bearer(1, "now", (b"upgrade", b"h2c"), (b"connection", b"upgrade")), 403),
        (bearer(1, "now", query=b"access_token=x"), 400),
        (bearer(1, "now", method=None), 400),
        (bearer(1, "now", path=None), 400),
        (bearer(1, "now", headers=None), 400),
        (bearer(1, "now", headers=b"\x05ab"), 400),
    ],
)
def test_a_refusal_says_what_the_client_is_to_hear(on_loop, asked, status):
    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            kind, stream_id, _, variables = await proxy.says(asked)
        assert (spop.ACK, 1, status) == (kind, stream_id, variables["status"])
        assert b'"decision": "id-1"' in variables["body"]
        assert (b"Bearer" in variables.get("challenge", b"")) == (status in (400, 401))
        assert "authorization" not in variables

    on_loop(story())


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (plain(1, b"now"), 200),
        (plain(1), 401),
        (plain(1, b"bad"), 401),
        (plain(1, b"now, Bearer now"), 400),
        (plain(1, b"now", path=b"/b"), 403),
        (plain(1, b"now", query=b"access_token=x"), 400),
        (plain(1, b"now", method=None), 400),
        (plain(1, b"now", path=Ellipsis), 400),
        (plain(1, authorization=Ellipsis), 400),
    ],
)
def test_a_message_of_few_words_is_judged_the_same(on_loop, asked, status):
    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            _, _, _, variables = await proxy.says(asked)
        assert status == variables["status"]
        assert ("authorization" in variables) == (status == 200)

    on_loop(story())


def many(count):
    return [(b"x-%d" % number, b"v") for number in range(count)]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (bearer(1, "now", *many(9)), 200),
        (bearer(1, "now", *many(10)), 400),
        (bearer(1, "now", *[(b"x-one", b"v")] * 10), 400),
        (bearer(1, "now", (b"x-one", b"v" * 940)), 200),
        (bearer(1, "now", (b"x-one", b"v" * 1000)), 400),
        (bearer(1, "now", query=b"q" * 1000), 400),
        (plain(1, b"now", query=b"q" * 1000), 400),
    ],
)
def test_a_head_over_the_limits_is_refused_as_over_http(on_loop, asked, status):
    async def story():
        async with Service(limits=Limits(max_headers=10, max_header_bytes=1024)) as service:
            proxy, _ = await service.greeted()
            _, _, _, variables = await proxy.says(asked)
        assert status == variables["status"]
        assert (status == 200) == isinstance(service.decisions[0][1], Allow)

    on_loop(story())


def test_a_challenge_says_where_the_metadata_is(on_loop):
    where = "https://api.example/.well-known/oauth-protected-resource"

    async def story():
        async with Service(resource_metadata=where) as service:
            proxy, _ = await service.greeted()
            _, _, _, variables = await proxy.says(plain(1))
        assert f'Bearer realm="api", resource_metadata="{where}"'.encode() == variables["challenge"]

    on_loop(story())


def test_where_there_are_sessions_a_message_without_cookies_is_none(on_loop):
    async def story():
        async with Service(sessions=True) as service:
            proxy, _ = await service.greeted()
            kind, _, _, said = await proxy.says(plain(1, b"now"))
        assert (spop.AGENT_DISCONNECT, INVALID, []) == (kind, said["status-code"], service.decisions)

    on_loop(story())


def test_answers_to_frames_that_came_together_go_out_together(on_loop):
    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            (connection,) = service.agent.connections
            written = []
            write = connection.transport.write
            connection.transport = Transport(connection.transport, lambda data: (written.append(data), write(data)))
            proxy.send(plain(1, b"now") + plain(2, b"now") + plain(3, b"bad"))
            assert [1, 2, 3] == [(await proxy.frame())[1] for _ in range(3)]
            assert 1 == len(written)

    on_loop(story())


class Transport:
    """A transport whose writes are seen."""

    def __init__(self, real, write):
        self._real, self.write = real, write

    def __getattr__(self, name):
        return getattr(self._real, name)


def test_answers_overtake_each_other_and_name_their_request(on_loop):
    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            proxy.send(bearer(1, "slow") + bearer(2, "now") + bearer(3, "slower"))
            assert 2 == (await proxy.frame())[1]
            await until(lambda: service.in_flight == 2)
            for token, number in (("slower", 3), ("slow", 1)):
                (await service.resolver.asked(token)).set_result(None)
                _, stream_id, _, variables = await proxy.frame()
                assert (number, 200) == (stream_id, variables["status"])
            await until(lambda: service.in_flight == 0)

    on_loop(story())


def test_frames_may_come_in_any_pieces(on_loop):
    async def story():
        async with Service() as service:
            proxy = await service.connect()
            for octet in hello() + bearer(7, "now") + bearer(8, "now"):
                proxy.send(bytes((octet,)))
                await asyncio.sleep(0)
            assert [spop.AGENT_HELLO, spop.ACK, spop.ACK] == [(await proxy.frame())[0] for _ in range(3)]

    on_loop(story())


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"supported-versions": None}, spop.NO_VERSION),
        ({"supported-versions": 2}, spop.NO_VERSION),
        ({"supported-versions": "1.0"}, spop.BAD_VERSION),
        ({"max-frame-size": None}, spop.NO_SIZE),
        ({"max-frame-size": "16380"}, spop.NO_SIZE),
        ({"max-frame-size": 255}, spop.BAD_SIZE),
        ({"capabilities": None}, spop.NO_CAPABILITIES),
    ],
)
def test_a_hello_that_lacks_something_is_answered_by_what(on_loop, said, status):
    async def story():
        async with Service() as service:
            proxy = await service.connect()
            kind, _, _, answer = await proxy.says(hello(**said))
            assert (spop.AGENT_DISCONNECT, status) == (kind, answer["status-code"])
            assert answer["message"]
            assert b"" == await proxy.ended()

    on_loop(story())


def test_a_health_check_is_greeted_and_let_go(on_loop):
    async def story():
        async with Service() as service:
            proxy = await service.connect()
            pairs = spop.write_pairs(HELLO) + b"\x0bhealthcheck\x11"
            assert spop.AGENT_HELLO == (await proxy.says(spop.write_frame(spop.HAPROXY_HELLO, 0, 0, pairs)))[0]
            assert b"" == await proxy.ended()

    on_loop(story())


FRAGMENT = bytearray(bearer(1, "now"))
FRAGMENT[8] = 0  # the last octet of the flags


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (bytes(FRAGMENT), spop.FRAGMENTED),
        (hello(), INVALID),
        (notify(1, name=b"other"), INVALID),
        (bearer(1, "now", kind=spop.ACK), INVALID),
        (bearer(1, "now", kind=77), INVALID),
        ((16381).to_bytes(4), spop.TOO_BIG),
        (b"GET / HTTP/1.1\r\n\r\n", spop.TOO_BIG),
        (b"\0\0\0\0", INVALID),
    ],
)
def test_what_is_no_frame_of_ours_ends_the_connection(on_loop, data, status):
    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            kind, _, _, answer = await proxy.says(data + bearer(9, "now"))
            assert (spop.AGENT_DISCONNECT, status) == (kind, answer["status-code"])
            assert b"" == await proxy.ended()
        assert [] == service.decisions

    on_loop(story())


def test_nobody_asks_before_hello(on_loop):
    async def story():
        async with Service() as service:
            proxy = await service.connect()
            assert spop.AGENT_DISCONNECT == (await proxy.says(bearer(1, "now")))[0]
        assert [] == service.decisions

    on_loop(story())


def test_whoever_is_not_trusted_is_not_heard(on_loop):
    async def story():
        async with Service(trusts=lambda peer: False) as service:
            proxy = await service.connect()
            proxy.send(hello() + bearer(1, "now"))
            assert b"" == await proxy.ended()
        assert [] == service.decisions

    on_loop(story())


def test_an_answer_that_no_frame_can_hold_is_a_refusal_that_says_why(on_loop):
    async def story():
        long = HeaderChange((("Authorization", "Bearer " + "x" * 9000),), frozenset(), "x" * 9000)
        async with Service(long) as service:
            proxy, _ = await service.greeted(**{"max-frame-size": 8192})
            _, _, _, variables = await proxy.says(bearer(1, "now"))
        assert 500 == variables["status"]
        assert "authorization" not in variables
        [no] = service.complaints
        assert "tune.bufsize" in no.detail

    on_loop(story())


def test_when_haproxy_goes_nobody_waits_on(on_loop):
    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            proxy.send(bearer(1, "slow"))
            await service.resolver.asked("slow")
            proxy.writer.transport.abort()
            await until(lambda: service.resolver.cancelled == ["slow"])
            await until(lambda: service.in_flight == 0)

    on_loop(story())


def test_what_ends_the_process_is_no_answer(on_loop):
    heard = []

    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            proxy.send(bearer(1, "end"))
            heard.append(await proxy.ended())

    with suppress(SystemExit):  # asyncio lets it through, uvloop logs it
        on_loop(story())
    assert heard in ([], [b""])


def test_too_many_who_wait_end_the_connection(on_loop):
    async def story():
        async with Service(max_waiting=2) as service:
            proxy, _ = await service.greeted()
            kind, _, _, answer = await proxy.says(b"".join(bearer(number, f"slow{number}") for number in range(3)))
            assert (spop.AGENT_DISCONNECT, spop.OUT_OF_ROOM) == (kind, answer["status-code"])

    on_loop(story())


def test_draining_says_good_bye_after_the_last_answer(on_loop):
    async def story():
        async with Service() as service:
            idle, _ = await service.greeted()
            busy, _ = await service.greeted()
            busy.send(bearer(1, "slow"))
            future = await service.resolver.asked("slow")
            service.agent.begin_drain()
            assert spop.AGENT_DISCONNECT == (await idle.frame())[0]
            future.set_result(None)
            assert [spop.ACK, spop.AGENT_DISCONNECT] == [(await busy.frame())[0] for _ in range(2)]
            assert await service.agent.drained(5.0)

    on_loop(story())


def test_haproxy_s_good_bye_is_answered(on_loop):
    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            bye = spop.write_frame(spop.HAPROXY_DISCONNECT, 0, 0, spop.write_pairs({"status-code": 0, "message": ""}))
            kind, _, _, answer = await proxy.says(bye)
            assert (spop.AGENT_DISCONNECT, spop.NORMAL) == (kind, answer["status-code"])

    on_loop(story())


@pytest.mark.parametrize(("part", "seconds"), [(b"", 6), (hello()[:9], 2), (b"", 2)])
def test_idle_and_slow_connections_are_closed(on_loop, part, seconds):
    async def story():
        async with Service(limits=Limits(header_timeout=1.0, idle_timeout=5.0)) as service:
            if seconds == 6:
                proxy, _ = await service.greeted()
                service.agent.sweep(4)
                assert 1 == len(service.agent.connections)
            else:
                proxy = await service.connect()
                proxy.send(part)
                await until(lambda: service.agent.connections)
            service.agent.sweep(seconds)
            assert b"" == await proxy.ended()

    on_loop(story())


@given(st.lists(st.binary(max_size=40) | st.sampled_from([hello(), bearer(1, "bad"), notify(2)]), max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_nothing_is_allowed_and_nothing_hangs(pieces):
    async def story():
        async with Service() as service:
            proxy = await service.connect()
            proxy.send(b"".join(pieces))
            proxy.writer.write_eof()
            said = await proxy.ended()
        assert b"\x06status\x03" + varint(200) not in said
        assert not any(isinstance(decision, Allow) for _, decision in service.decisions)

    asyncio.run(story())


def test_other_settings_hold_on_the_same_connection_and_what_has_begun_ends_as_it_began(on_loop):
    async def story():
        async with Service() as service:
            newer = Service(realm="new", sessions=True)
            proxy, _ = await service.greeted()
            proxy.send(bearer(1, "slow"))
            future = await service.resolver.asked("slow")
            service.agent.adopt(newer.agent)
            _, _, _, variables = await proxy.says(bearer(2, "bad"))
            assert (401, True) == (variables["status"], b'realm="new"' in variables["challenge"])
            future.set_result(None)
            assert (1, 200) == ((answer := await proxy.frame())[1], answer[3]["status"])
            assert [1, 1] == [len(service.decisions), len(newer.decisions)]
            kind, _, _, _ = await proxy.says(plain(3, b"now"))  # sessions want every field
            assert spop.AGENT_DISCONNECT == kind

    on_loop(story())


def test_whoever_is_no_longer_trusted_is_sent_away(on_loop):
    async def story():
        async with Service() as service:
            proxy, _ = await service.greeted()
            service.agent.adopt(Service(trusts=trusted_peers(["192.0.2.0/24"])).agent)
            assert b"" == await proxy.ended()
            assert [] == service.decisions

    on_loop(story())
