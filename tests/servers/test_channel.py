"""Messages between processes: whole or not there."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phantomgate.servers import channel as module
from phantomgate.servers.channel import Channel, write_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


async def pair():
    ours, theirs = socket.socketpair()
    return await Channel.over(ours), await Channel.over(theirs)


async def heard(data):
    """What a channel makes of *data* and the end of the stream."""
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours)
    with theirs:
        theirs.sendall(data)
    messages = []
    while (message := await channel.receive()) is not None:
        messages.append(message)
    await channel.close()
    return messages


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(), JSON), max_size=5))
def test_messages_arrive_as_they_were_sent_and_in_order(messages):
    assert messages == asyncio.run(heard(b"".join(map(write_message, messages))))


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_whatever_else_comes_is_no_message(data):
    for message in asyncio.run(heard(data)):
        assert isinstance(message, dict)


def test_half_a_message_is_none():
    assert [{"a": 1}] == asyncio.run(heard(write_message({"a": 1}) + write_message({"b": 2})[:-1]))


def test_a_message_that_is_too_long_is_neither_sent_nor_read():
    with pytest.raises(ValueError, match="want at most"):
        write_message({"a": "x" * module.LONGEST})
    assert [] == asyncio.run(heard((module.LONGEST + 1).to_bytes(4, "big") + b"{}"))


def test_the_other_sides_end_is_the_end():
    async def story():
        ours, theirs = await pair()
        await theirs.close()
        assert await ours.receive() is None
        ours.send({"nobody": "hears"})
        await ours.close()
        ours.send({"nobody": "hears"})

    asyncio.run(story())
