"""aiohttp stays behind the strict reader, or there is no answer at all."""

import asyncio
from threading import Barrier, Event

import aiohttp
import pytest

from faults import FAULTS, GOOD, FaultyServer, answers, good, with_fields
from phantomgate.backends import nonblocking
from phantomgate.backends.nonblocking import AiohttpHttp
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.ports import HttpCall
from phantomgate.testing import on_a_loop


async def with_session(url, **options):
    """A call over a session that was made in another way than ours."""
    http = AiohttpHttp()
    connector = options.pop("connector")()
    http._session = aiohttp.ClientSession(connector=connector, **options)
    try:
        return await http.send(HttpCall("POST", url))
    finally:
        await http.close()


def test_an_aiohttp_that_went_round_the_strict_reader_would_get_no_answer_through():
    with FaultyServer(good) as server, pytest.raises(Refused, match="what the strict reader did not") as refused:
        on_a_loop(with_session(server.url, connector=aiohttp.TCPConnector))

    assert refused.value.reason is Reason.BAD_ANSWER


def test_an_aiohttp_that_is_stricter_than_the_strict_reader_has_the_last_word():
    answer = with_fields(b"Content-Length: 11", b"A: " + b"a" * 100)
    with FaultyServer(answers(answer)) as server, pytest.raises(Refused, match="aiohttp can't read") as refused:
        on_a_loop(with_session(server.url, connector=nonblocking._StrictConnector, max_field_size=50))

    assert refused.value.reason is Reason.BAD_ANSWER


def test_aiohttp_alone_would_take_what_the_strict_reader_refuses():
    """Which is why it is there; once aiohttp refuses these too, it may go."""

    async def status(url):
        async with aiohttp.ClientSession() as session, session.post(url) as response:
            await response.read()
            return response.status

    for name in ("one bare LF", "a folded header", "a chunk size with a space"):
        with FaultyServer(FAULTS[name].behave) as server:
            assert on_a_loop(status(server.url)) == 200


def test_going_on_after_a_pause_is_not_bytes_that_nobody_asked_for():
    async def resumed():
        protocol = nonblocking._StrictProtocol(asyncio.get_running_loop())
        protocol.data_received(b"")
        return protocol.should_close

    assert on_a_loop(resumed()) is False


def test_bytes_that_nobody_asked_for_end_an_idle_connection():
    answered, sent = Event(), Event()

    def talks_on(peer):
        peer.request()
        peer.send(GOOD)
        answered.wait()
        peer.send(b"H")
        sent.set()
        peer.serve(GOOD)

    async def two(url):
        http = AiohttpHttp()
        await http.send(HttpCall("POST", url))
        answered.set()
        await asyncio.to_thread(sent.wait)
        for _ in range(5):
            await asyncio.sleep(0)  # the loop reads what has come
        status = (await http.send(HttpCall("POST", url))).status
        await http.close()
        return status

    with FaultyServer(talks_on, good) as server:
        assert on_a_loop(two(server.url)) == 200
        assert server.connections == 2


def test_a_call_is_sent_at_most_twice_however_many_idle_connections_end_under_it():
    together = Barrier(3)

    def closes_on_the_second_request(peer):
        peer.request()
        together.wait()
        peer.send(GOOD)
        peer.request()

    async def story(url):
        http = AiohttpHttp()
        await asyncio.gather(*(http.send(HttpCall("POST", url)) for _ in range(3)))
        try:
            await http.send(HttpCall("POST", url))
        finally:
            await http.close()

    with FaultyServer(*[closes_on_the_second_request] * 3, good) as server:
        with pytest.raises(Unavailable, match="without an answer"):
            on_a_loop(story(server.url))
        assert len(server.requests) == 3 + 2
