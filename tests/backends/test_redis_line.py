"""One connection for many commands: whose answer is whose, at a real Redis and at one that misbehaves."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis.asyncio

from phantomgate.backends.redis_line import Lines
from ports import free_port
from redis_servers import faulty, servers


@pytest.fixture(scope="module")
def server():
    with servers() as make:
        yield make()


def run(test, port):
    async def main():
        client = redis.asyncio.Redis(port=port, protocol=2, socket_timeout=None, retry=None)
        lines = Lines(client.connection_pool)
        try:
            return await test(lines)
        finally:
            await lines.close()
            await client.aclose()

    return asyncio.run(main())


async def over(lines):
    """The line that was up is given up."""
    while lines._line is not None:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)


def test_each_gets_its_own_answer_on_one_connection(server):
    before = server.client().info("clients")["connected_clients"]

    async def many(lines):
        names = [f"n{number}" for number in range(300)]
        await asyncio.gather(*(lines.act(("SET", name, f"v-{name}"), 5.0) for name in names))
        found = await asyncio.gather(*(lines.act(("GET", name), 5.0) for name in names))
        return [f"v-{name}".encode() for name in names] == found, server.client().info("clients")["connected_clients"]

    assert (True, before + 1) == run(many, server.port)


def test_an_error_is_the_answer_to_one_command_and_the_others_get_theirs(server):
    async def many(lines):
        await lines.act(("DEL", "list"), 5.0)
        await lines.act(("RPUSH", "list", "a"), 5.0)
        await lines.act(("SET", "text", "b"), 5.0)
        asked = [lines.act((word, name), 5.0) for word, name in (("GET", "text"), ("GET", "list"), ("GET", "text"))]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, wrong, last = run(many, server.port)
    assert (b"b", b"b") == (first, last)
    assert redis.ResponseError is type(wrong)


def test_who_is_cancelled_leaves_his_answer_to_nobody(server):
    async def cancelled(lines):
        await lines.act(("SET", "his", "his"), 5.0)
        await lines.act(("SET", "mine", "mine"), 5.0)
        server.freeze()
        his, mine = (asyncio.create_task(lines.act(("GET", name), 5.0)) for name in ("his", "mine"))
        await asyncio.sleep(0.01)
        his.cancel()
        await asyncio.wait([his])
        server.thaw()
        return await mine, await lines.act(("GET", "mine"), 5.0)

    assert (b"mine", b"mine") == run(cancelled, server.port)


def test_a_line_on_which_nobody_waits_any_more_is_given_up_too(server):
    """Browsers that hang up while the store is stuck: what each has asked would wait there, one more each time."""

    async def cancelled(lines):
        await lines.act(("SET", "his", "his"), 5.0)
        line = lines._line
        server.freeze()
        try:
            for _ in range(50):
                his = asyncio.create_task(lines.act(("GET", "his"), 0.05))
                await asyncio.sleep(0)
                his.cancel()
                await asyncio.wait([his])
            async with asyncio.timeout(10.0):
                await over(lines)
            return line.over
        finally:
            server.thaw()

    assert run(cancelled, server.port)


def test_who_was_cancelled_ends_no_line_that_has_answered_him(server):
    async def cancelled(lines):
        await lines.act(("SET", "his", "his"), 5.0)
        line = lines._line
        his = asyncio.create_task(lines.act(("GET", "his"), 0.5))
        await asyncio.sleep(0)
        his.cancel()
        await asyncio.wait([his])
        await lines.act(("GET", "his"), 5.0)
        await asyncio.sleep(0.6)  # his time is over
        return line is lines._line

    assert run(cancelled, server.port)


def test_a_connection_that_is_made_while_all_is_closed_is_closed(server):
    async def closed(lines):
        asked = asyncio.create_task(lines.act(("PING",), 5.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await lines.close()
        await asyncio.wait([asked])
        return lines._line, type(asked.exception())

    assert (None, redis.ConnectionError) == run(closed, server.port)


def test_who_waits_too_long_ends_the_line_for_all_who_wait_and_the_next_gets_a_new_one(server):
    async def late(lines):
        await lines.act(("SET", "mine", "mine"), 5.0)
        server.freeze()
        soon = asyncio.create_task(lines.act(("GET", "other"), 0.02))
        later = asyncio.create_task(lines.act(("GET", "another"), 60.0))
        began = time.monotonic()
        await asyncio.wait([soon, later])
        server.thaw()
        return soon.exception(), later.exception(), time.monotonic() - began, await lines.act(("GET", "mine"), 5.0)

    soon, later, seconds, found = run(late, server.port)
    assert (TimeoutError, redis.ConnectionError) == (type(soon), type(later))
    assert seconds < 30.0  # the other didn't wait for his own time
    assert b"mine" == found


def test_an_answer_that_waits_for_us_is_not_late(server):
    """A loop that is busy, collecting garbage or not given the processor reads late what was there in time."""

    async def busy(lines):
        await lines.act(("SET", "mine", "mine"), 5.0)
        line = lines._line
        asked = [asyncio.create_task(lines.act(("GET", "mine"), 0.5)) for _ in range(20)]
        while line.something.is_set() or len(line.asked) < len(asked):  # noqa: ASYNC110 - until all are sent
            await asyncio.sleep(0)
        time.sleep(1.0)  # noqa: ASYNC251 - that's what it is about
        return await asyncio.gather(*asked), line is lines._line

    assert ([b"mine"] * 20, True) == run(busy, server.port)


def test_an_answer_that_nobody_asked_for_ends_the_line(server):
    def twice(said):
        return b"+PONG\r\n+SURPLUS\r\n" * said.count(b"PING")

    async def asked(lines, pings=3):
        answers = []
        for _ in range(pings):
            answers.append(await lines.act(("PING",), 5.0))
            await over(lines)  # it has read the other one
        return answers

    with faulty(lambda said: twice(said) if b"PING" in said else b"+OK\r\n" * said.count(b"*")) as port:
        assert [b"PONG"] * 3 == run(asked, port)


def test_a_connection_that_ends_while_nobody_asks_is_nobodys_fault(server):
    async def idle(lines):
        await lines.act(("SET", "mine", "mine"), 5.0)
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await over(lines)
        return await lines.act(("GET", "mine"), 5.0)

    assert b"mine" == run(idle, server.port)


def test_nobody_there_is_told_at_once_and_asked_again_later():
    async def nobody(lines):
        asked = [lines.act(("PING",), 5.0) for _ in range(3)]
        return [type(no) for no in await asyncio.gather(*asked, return_exceptions=True)]

    assert [redis.ConnectionError] * 3 == run(nobody, free_port())


def test_the_end_is_an_answer_too(server):
    async def ended(lines):
        await lines.act(("PING",), 5.0)
        server.freeze()
        waiting = asyncio.create_task(lines.act(("GET", "mine"), 60.0))
        await asyncio.sleep(0.01)
        await lines.close()
        server.thaw()
        return type((await asyncio.gather(waiting, return_exceptions=True))[0])

    assert redis.ConnectionError is run(ended, server.port)
