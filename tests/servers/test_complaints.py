"""What libraries and the loop complain about is told, and what they quote is not."""

from __future__ import annotations

import asyncio
import logging

import pytest

from phantomgate.config.log import Level
from phantomgate.servers.complaints import QUIET_SECONDS, log_what_others_say


class Told:
    def __init__(self):
        self.lines = []

    def say(self, level, event, **fields):
        self.lines.append((level, event, fields))

    @property
    def only(self):
        (line,) = self.lines
        return line


@pytest.fixture
def told():
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    yield Told()
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def listening(told, story):
    async def play():
        log_what_others_say(told, asyncio.get_running_loop())
        await story()

    asyncio.run(play())


def test_a_library_is_quoted_without_its_values(told):
    async def story():
        logging.getLogger("aiohttp.server").error("Error handling request from %s", "canary")
        logging.getLogger("aiohttp.server").info("too quiet")

    listening(told, story)

    level, event, fields = told.only
    assert (Level.ERROR, "library", "aiohttp.server", "Error handling request from %s") == (
        level,
        event,
        fields["name"],
        fields["what"],
    )


def test_a_text_with_its_values_in_it_is_cut_before_them(told):
    async def story():
        logging.getLogger("other").warning("can't read: canary")

    listening(told, story)

    level, _, fields = told.only
    assert (Level.WARNING, "can't read") == (level, fields["what"])


def test_an_exception_is_told_by_type_and_place(told):
    async def story():
        try:
            raise ValueError("canary")
        except ValueError:
            logging.getLogger("other").exception(ValueError("canary"))

    listening(told, story)

    _, _, fields = told.only
    assert ("ValueError", "ValueError") == (fields["what"], fields["cause"])
    assert fields["trace"][-1].startswith("servers/test_complaints.py:")
    assert "canary" not in str(fields)


def test_what_nobody_caught_is_a_bug(told):
    def broken(secret):
        raise RuntimeError(secret)

    async def story():
        asyncio.get_running_loop().call_soon(broken, "canary")
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    listening(told, story)

    level, event, fields = told.only
    assert (Level.ERROR, "bug", "RuntimeError") == (level, event, fields["cause"])
    assert fields["what"].startswith("Exception in callback")
    assert "canary" not in str(fields)


def test_what_the_loop_says_again_at_once_is_told_once(told):
    async def story():
        loop = asyncio.get_running_loop()
        for _ in range(100):
            loop.call_exception_handler({"message": "socket.accept() out of system resource"})
        loop.call_exception_handler({"message": "another matter"})

    listening(told, story)

    assert ["socket.accept", "another matter"] == [fields["what"] for _, _, fields in told.lines]


def test_what_the_loop_says_again_later_is_told_again(told):
    class Later(asyncio.SelectorEventLoop):
        later = 0.0

        def time(self):
            return super().time() + self.later

    async def story():
        loop = asyncio.get_running_loop()
        log_what_others_say(told, loop)
        for _ in range(3):
            loop.call_exception_handler({"message": "once more"})
            loop.later += QUIET_SECONDS

    with asyncio.Runner(loop_factory=Later) as runner:
        runner.run(story())

    assert 3 == len(told.lines)
