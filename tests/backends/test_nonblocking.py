"""aiohttp stays behind the strict reader, or there is no answer at all."""

import asyncio

import aiohttp
import pytest

from faults import FAULTS, FaultyServer, answers, good, with_fields
from phantomgate.backends import nonblocking
from phantomgate.backends.nonblocking import AiohttpHttp
from phantomgate.core.errors import Reason, Refused
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
