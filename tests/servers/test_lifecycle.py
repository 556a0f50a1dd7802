"""The last moments of a worker: whoever is connected is served."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvloop

from phantomgate.servers.lifecycle import take_backlog
from phantomgate.servers.sockets import bind_tcp, bind_unix, take_no_more


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def on_loop(request):
    return request.param


class Greeting(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")
        transport.close()


class Greeter:
    protocol = Greeting


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_whoever_waits_in_the_queue_is_served_before_it_is_closed(kind, on_loop, tmp_path):
    bound = bind_tcp("127.0.0.1", 0, 1) if kind == "tcp" else bind_unix(str(tmp_path / "s"))
    (listening,) = bound.sockets
    waiting = [socket.socket(listening.family) for _ in range(5)]
    for one in waiting:
        one.settimeout(60)
        one.connect(listening.getsockname())

    async def story():
        await take_backlog(listening, Greeter())
        await asyncio.sleep(0.01)  # uvloop writes a turn later

    on_loop(story())

    for one in waiting:
        assert b"hello" == one.recv(10)
        one.close()
    assert -1 == listening.fileno()
    bound.close()


def test_a_socket_that_takes_no_more_still_gives_what_it_has():
    bound = bind_tcp("127.0.0.1", 0, 1)
    (listening,) = bound.sockets
    with socket.create_connection(listening.getsockname()) as early, socket.socket() as late:
        take_no_more(listening)
        late.setblocking(False)
        late.connect_ex(listening.getsockname())

        taken, _ = listening.accept()
        early.sendall(b"more")
        assert b"more" == taken.recv(10)
        taken.close()
        with pytest.raises(BlockingIOError):
            listening.accept()
    bound.close()


def test_a_unix_socket_needs_no_filter(tmp_path):
    bound = bind_unix(str(tmp_path / "s"))
    take_no_more(bound.sockets[0])
    bound.close()
