"""Whatever bytes come, in whatever pieces: the same answers, in order, and none is a yes that nobody asked for well."""

from __future__ import annotations

import asyncio
import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import HeaderChange, Route, Token
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.routes import route_table
from phantomgate.gateway.rule import Rule
from phantomgate.servers.listener import Listener
from phantomgate.testing import FakeClock
from tokens import NOW

CHANGE = HeaderChange((("Authorization", "Bearer the.jwt"),), frozenset(), "the.jwt")
ASK = b" /decide HTTP/1.1\r\nX-Original-Method: GET\r\nX-Original-URI: /a\r\n"
BODIES = [
    b"\r\n",
    b"Content-Length: 3\r\n\r\nabc",
    b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer good\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\nAuthorization: Bearer good\r\n\r\n",
    b"Authorization: Bearer good\r\nAuthorization: Bearer good\r\n\r\n",
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Connection: close\r\n\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n\r\n",
]
METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT"]
BROKEN = [
    b"\r\n",
    b"\n",
    b"\0",
    b" ",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"X: 1\r\n y\r\n",
]

bad = st.builds(lambda method, body: method + ASK + body, st.sampled_from(METHODS), st.sampled_from(BODIES))
good = st.sampled_from([b"GET", b"POST"]).map(lambda method: method + ASK + b"Authorization: Bearer good\r\n\r\n")
noise = st.one_of(st.sampled_from(BROKEN), st.binary(max_size=20))


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = b""
        self.closing = False

    def write(self, data):
        if not self.closing:
            self.written += data

    def close(self):
        self.closing = True

    def is_closing(self):
        return self.closing

    abort = write_eof = close

    def pause_reading(self):
        raise AssertionError("nobody has to wait")


async def resolve(credential, route):
    if credential.value != "good":
        raise Refused(Reason.INACTIVE)
    return Token("the.jwt", {}, frozenset(), NOW + 60.0, 1060.0)


async def forward(route, token):
    return CHANGE


class Resolver:
    resolve = staticmethod(resolve)


def answers(*pieces):
    """All that is answered to *pieces*, each read by itself; the moment left out."""

    async def play():
        clock = FakeClock()
        table = route_table([Rule("/a/**", ("GET",), Route("a"))], Route("policy"))
        gateway = Gateway(table, find_bearer(), Resolver(), (), forward, lambda *_: None, lambda: "id-1")
        listener = Listener(gateway, now=clock.now, ticks=clock.ticks, trusts=lambda peer: True)
        connection, transport = listener.protocol(), Transport()
        connection.connection_made(transport)
        for piece in pieces:
            if not transport.closing:
                connection.data_received(piece)
        return transport.written

    return asyncio.run(play())


def cut(data, places):
    """*data* in pieces."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in itertools.pairwise(ends)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(bad, good, noise), max_size=5), st.lists(st.integers(min_value=0), max_size=8))
def test_the_pieces_that_bytes_come_in_change_no_answer(parts, places):
    data = b"".join(parts)
    assert answers(data) == answers(*cut(data, places))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(bad, noise), max_size=5), st.lists(st.integers(min_value=0), max_size=8))
def test_what_shows_no_token_in_its_own_head_is_never_let_in(parts, places):
    assert b" 200 " not in answers(*cut(b"".join(parts), places))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(bad, good), max_size=6))
def test_each_request_has_the_answer_that_it_would_have_alone(parts):
    together = re.findall(rb"HTTP/1\.1 (\d+)", answers(b"".join(parts)))
    alone = [re.findall(rb"HTTP/1\.1 (\d+)", answers(part)) for part in parts]
    assert all(len(one) == 1 for one in alone)
    assert [one[0] for one in alone][: len(together)] == together
