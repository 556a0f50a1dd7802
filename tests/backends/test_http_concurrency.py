"""Many calls at a time: each gets its own answer, on its own connection, within bounds."""

import asyncio
from threading import Barrier, Event

import pytest

from faults import GOOD, FaultyServer, good, with_fields
from phantomgate.backends.nonblocking import AiohttpHttp
from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import HttpCall
from phantomgate.testing import on_a_loop

CALLERS = 8


def echo(peer):
    """Answers every request with its own body."""
    while request := peer.request():
        body = request.partition(b"\r\n\r\n")[2]
        peer.send(with_fields(b"Content-Length: %d" % len(body), body=body))


def test_callers_at_the_same_time_have_connections_of_their_own(client):
    together = Barrier(CALLERS)

    def waits_for_all(peer):
        peer.request()
        together.wait()
        peer.send(GOOD)
        peer.serve(GOOD)

    with FaultyServer(waits_for_all) as server:
        assert client.post_together([server.url] * CALLERS) == [200] * CALLERS
        assert server.connections == CALLERS
        assert client.post(server.url).status == 200
        assert server.connections == CALLERS, "none of them was kept"


def test_everybody_gets_the_answer_to_his_own_question(client):
    with FaultyServer(echo) as server:
        bodies = [b"token=%d" % number * (number + 1) for number in range(50)]

        assert client.bodies_together(server.url, bodies) == bodies


def test_a_call_that_waits_for_a_connection_has_its_deadline_too():
    release = Event()

    def holds(peer):
        peer.request()
        release.wait()
        peer.send(GOOD)

    async def two(url):
        http = AiohttpHttp(connections=1)
        first = asyncio.create_task(http.send(HttpCall("POST", url, timeout=10.0)))
        await asyncio.to_thread(server.asked.wait)
        with pytest.raises(Unavailable, match=r"no whole answer within 0\.1 s"):
            await http.send(HttpCall("POST", url, timeout=0.1))
        release.set()
        status = (await first).status
        await http.close()
        return status

    with FaultyServer(holds, good) as server:
        assert on_a_loop(two(server.url)) == 200
        assert server.connections == 1


def test_the_connection_of_a_cancelled_call_is_not_used_again():
    async def cancel_one(url):
        http = AiohttpHttp()
        task = asyncio.create_task(http.send(HttpCall("POST", url, timeout=10.0)))
        await asyncio.to_thread(server.asked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        status = (await http.send(HttpCall("POST", url))).status
        await http.close()
        return status

    with FaultyServer(lambda peer: peer.request() and peer.request(), good) as server:
        assert on_a_loop(cancel_one(server.url)) == 200
        assert server.connections == 2


def test_closing_ends_what_is_under_way():
    async def close_meanwhile(url):
        http = AiohttpHttp()
        task = asyncio.create_task(http.send(HttpCall("POST", url, timeout=10.0)))
        await asyncio.to_thread(server.asked.wait)
        await http.close()
        with pytest.raises(Unavailable, match="closed the connection"):
            await task

    with FaultyServer(lambda peer: peer.request() and peer.request()) as server:
        on_a_loop(close_meanwhile(server.url))
