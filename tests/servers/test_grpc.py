"""The ext_authz service on grpcio: each check is answered once, by what was decided, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from attacks.cases import attack
from phantomgate.adapters.envoy import METHOD, SERVICE
from phantomgate.adapters.protobuf import bytes_field, read_one
from phantomgate.core.model import Allow, HeaderChange, Route
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule
from phantomgate.servers.listener import Limits, trusted_peers
from servers.test_listener import Slow, on_loop, until

grpc = pytest.importorskip("grpc")
from phantomgate.servers.grpc import Checks, peer_of  # noqa: E402 - needs what may be missing

__all__ = ["on_loop"]
CHANGE = HeaderChange((("Authorization", "Bearer a.b.c"),), frozenset(("authorization",)))


def asked(token, path="/a", *more):
    fields = [*([("authorization", f"Bearer {token}")] if token else []), *more]
    raw = b"".join(bytes_field(1, bytes_field(1, name) + bytes_field(3, value)) for name, value in fields)
    http = bytes_field(2, "GET") + bytes_field(4, path) + bytes_field(13, raw)
    return bytes_field(1, bytes_field(4, bytes_field(2, http)))


class Service:
    """A service that serves, and what it decided."""

    def __init__(self, **options):
        self.resolver = Slow()
        self.decisions: list = []
        self.in_flight = 0
        table = route_table([Rule("/a/**", ("GET",), Route("a"))], Route("policy"))

        async def forward(route, token):
            return CHANGE

        def observe(request, decision):
            self.decisions.append(decision)

        gateway = Gateway(table, find_bearer(), self.resolver, (), forward, observe, lambda: "id-1")
        options.setdefault("trusts", trusted_peers(["127.0.0.0/8"]))
        self.checks = Checks(gateway, waiting=self._count, **options)

    def _count(self, change):
        self.in_flight += change

    async def __aenter__(self):
        port = await self.checks.start("127.0.0.1", 0)
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.check = self.channel.unary_unary(f"/{SERVICE}/{METHOD}")
        return self

    async def __aexit__(self, *error):
        await self.channel.close()
        await self.checks.stop(0)


def status(said):
    """The HTTP status in a CheckResponse; 200 for an allow."""
    denied = read_one(said, 2)
    if not denied:
        assert read_one(said, 3)
        return 200
    said = read_one(denied, 1)  # HttpStatus: one varint
    return (said[1] & 127) | (said[2] << 7) if said[1] > 127 else said[1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (asked("now"), 200),
        (asked(""), 401),
        (asked("bad"), 401),
        (asked("now, Bearer now"), 400),
        (asked("now", "/b"), 403),
        (asked("now", "/a/%2e%2e/b"), 400),
        (b"\xff", 400),
        (b"", 400),
    ],
)
def test_a_check_is_answered_by_what_was_decided(on_loop, data, expected):
    async def story():
        async with Service() as service:
            assert expected == status(await service.check(data))
            assert (expected == 200) == isinstance(service.decisions[0], Allow)

    on_loop(story())


def test_who_has_to_wait_is_answered_when_the_server_has_spoken(on_loop):
    async def story():
        async with Service() as service:
            call = asyncio.ensure_future(service.check(asked("slow")))
            future = await service.resolver.asked("slow")
            assert 1 == service.in_flight
            assert 200 == status(await service.check(asked("now")))  # nobody waits behind another
            future.set_result(None)
            assert 200 == status(await call)
            assert 0 == service.in_flight

    on_loop(story())


@attack("FWD-046")
def test_who_is_not_trusted_is_told_nothing(case, on_loop):
    async def story():
        async with Service(trusts=trusted_peers(["192.0.2.0/24"])) as service:
            with pytest.raises(grpc.aio.AioRpcError) as no:
                await service.check(asked("now"))
            assert grpc.StatusCode.PERMISSION_DENIED == no.value.code()
            assert [] == service.decisions

    on_loop(story())


def test_a_request_that_is_too_long_is_no_request(on_loop):
    async def story():
        async with Service(limits=Limits(max_header_bytes=1024)) as service:
            with pytest.raises(grpc.aio.AioRpcError) as no:
                await service.check(asked("x" * 100_000))
            assert grpc.StatusCode.RESOURCE_EXHAUSTED == no.value.code()

    on_loop(story())


@pytest.mark.parametrize(
    ("more", "path", "expected"),
    [
        ([(f"x-{number}", "v") for number in range(9)], "/a", 200),
        ([(f"x-{number}", "v") for number in range(10)], "/a", 400),
        ([("x-one", "v")] * 10, "/a", 400),
        ([("x-one", "v" * 1000)], "/a", 400),
        ([], "/a?" + "q" * 1024, 400),
    ],
)
def test_a_head_over_the_limits_is_refused_as_over_http(on_loop, more, path, expected):
    async def story():
        async with Service(limits=Limits(max_headers=10, max_header_bytes=1024)) as service:
            assert expected == status(await service.check(asked("now", path, *more)))
            assert (expected == 200) == isinstance(service.decisions[0], Allow)

    on_loop(story())


def test_a_challenge_says_where_the_metadata_is(on_loop):
    where = "https://api.example/.well-known/oauth-protected-resource"

    async def story():
        async with Service(resource_metadata=where) as service:
            assert f'resource_metadata="{where}"'.encode() in await service.check(asked(""))

    on_loop(story())


@pytest.mark.parametrize(("seconds", "whole"), [(5, True), (0.05, False)])
def test_an_end_waits_for_open_checks_and_says_whether_all_were_answered(on_loop, seconds, whole):
    async def story():
        async with Service() as service:
            call = asyncio.ensure_future(service.check(asked("slow")))
            future = await service.resolver.asked("slow")
            ending = asyncio.ensure_future(service.checks.stop(seconds))
            if whole:
                await asyncio.sleep(0)
                future.set_result(None)
                assert 200 == status(await call)
            assert whole is await ending
            if not whole:
                with pytest.raises(grpc.aio.AioRpcError):
                    await call
            await until(lambda: service.in_flight == 0)

    on_loop(story())


def test_when_envoy_gives_up_nobody_waits_on(on_loop):
    async def story():
        async with Service() as service:
            with pytest.raises(grpc.aio.AioRpcError):
                await service.check(asked("slow"), timeout=0.1)
            await until(lambda: service.in_flight == 0)
            assert not service.checks.cut

    on_loop(story())


@pytest.mark.parametrize(
    ("text", "address"),
    [("ipv4:127.0.0.1:50000", "127.0.0.1"), ("ipv6:%5B::1%5D:50000", "::1"), ("ipv6:[::1]:5", "::1"),
     ("unix:/run/x", ""), ("", "")],
)  # fmt: skip
def test_a_peer_is_its_address(text, address):
    assert address == peer_of(text)


def test_other_settings_hold_for_the_next_check_and_what_has_begun_ends_as_it_began(on_loop):
    async def story():
        async with Service() as service:
            newer = Service(realm="new")
            call = asyncio.ensure_future(service.check(asked("slow")))
            future = await service.resolver.asked("slow")
            service.checks.adopt(newer.checks)
            said = await service.check(asked("bad"))
            assert (401, True) == (status(said), b'realm="new"' in said)
            future.set_result(None)
            assert 200 == status(await call)
            assert [1, 1] == [len(service.decisions), len(newer.decisions)]
            service.checks.adopt(Service(trusts=lambda peer: False).checks)
            with pytest.raises(grpc.aio.AioRpcError):
                await service.check(asked("now"))

    on_loop(story())
