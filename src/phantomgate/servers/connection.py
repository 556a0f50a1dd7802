"""One connection of the decision listener: HTTP/1.1 in, decisions out. This is the hot path, so it is ours, and small.

Rule: a request is answered by what `decide` returned, or the connection is closed without an answer. A decision that
needs no waiting runs without a task: the coroutine is driven one step, here, in the parser's callback. One that
waits is handed, with the future it waits for, to a task that continues it. Answers go out in the order of requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

import httptools

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Decision, Headers

if TYPE_CHECKING:
    from phantomgate.servers.listener import Listener

MAX_WAITING = 16  # pipelined requests of one connection that wait for an earlier one
MAX_BODY_BYTES = 1 << 20  # nobody has to send us a body; a gateway that does is not made to suffer for it
LINGER_SECONDS = 2.0


class Asked(NamedTuple):
    """One request off the wire, before anything has been made of it."""

    method: str
    url: bytes
    headers: Headers
    keep_alive: bool
    problem: Refused | None


class Connection(asyncio.Protocol):
    """One client connection: parses, asks for a decision, answers in order. Nothing is shared but the listener."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.decide = listener.gateway.decide
        self.trusted = False
        self.peer = ""
        self.age = 0.0
        self.reading = False  # between the first byte of a request and its end
        self.head_bytes = 0
        self.body_bytes = 0
        self.large = False  # something came that may hold a whole header section over the limit
        self.ending = False  # no more requests; close when what is owed is answered
        self.lingering = False  # answered, and waiting for the client to stop sending
        self.task: asyncio.Task[None] | None = None
        self.queue: deque[Asked] = deque()
        self.url = b""
        self.headers = Headers()
        self.fields: dict[bytes, bytes] = {}

    # -- asyncio.Protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert_transport: Any = transport
        self.transport: asyncio.Transport = assert_transport
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else "unix"
        self.trusted = self.listener.trusts(self.peer)
        self.listener.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        listener = self.listener
        listener.connections.discard(self)
        if listener.draining and not listener.connections:
            listener.empty.set()
        self.ending = True
        self.queue.clear()
        if self.task is not None:
            self.task.cancel()  # nobody is there for the answer

    def data_received(self, data: bytes) -> None:
        if self.ending:
            return
        size = len(data)
        if size > self.listener.limits.max_header_bytes:
            self.large = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # What follows is not HTTP/1.1 any more; the request itself was whole and is answered.
            self.ending = True
            self._close_when_done()
        except httptools.HttpParserCallbackError:
            self.abort()  # a bug of ours: no answer is a refusal too
            raise
        except httptools.HttpParserError:
            self._refuse_reading("not a well-formed HTTP/1.1 request")
        if self.reading:
            self.head_bytes += size
            if self.head_bytes > self.listener.limits.max_header_bytes:
                self._refuse_reading("the header section is too large")

    def eof_received(self) -> bool:
        self.ending = True
        return self.task is not None  # half-closed: answer what is owed, then close

    def pause_writing(self) -> None:
        self.transport.pause_reading()  # a client that does not read is not listened to

    def resume_writing(self) -> None:
        if len(self.queue) < MAX_WAITING:
            self.transport.resume_reading()

    # -- httptools, in the order it calls ------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.reading = True
        self.age = 0.0
        self.head_bytes = 0
        self.body_bytes = 0
        self.url = b""
        self.headers = headers = Headers()
        self.fields = headers.fields

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        fields = self.fields
        if name in fields:
            self.headers.add(name, value)
        else:
            fields[name] = value

    def on_body(self, body: bytes) -> None:
        self.head_bytes = 0
        self.body_bytes += len(body)
        if self.body_bytes > MAX_BODY_BYTES:
            self._refuse_reading("the request body is too large")

    def on_message_complete(self) -> None:
        self.reading = False
        if self.ending:
            return
        parser = self.parser
        headers = self.headers
        problem = None
        if self.large or headers.repeated or len(headers.fields) > self.listener.limits.max_headers:
            problem = self._too_much(headers)
        asked = Asked(parser.get_method().decode("latin-1"), self.url, headers, parser.should_keep_alive(), problem)
        if self.task is None:
            self._take(asked)
        else:
            self.queue.append(asked)
            if len(self.queue) >= MAX_WAITING:
                self.transport.pause_reading()

    # -- asking and answering -------------------------------------------------------------------------------------

    def _take(self, asked: Asked) -> None:
        """Decide *asked*: at once if nothing has to be waited for, else in a task that holds the queue back."""
        url = asked.url
        if url == b"/decide" or url.startswith((b"/decide/", b"/decide?")):
            read, exchange = self.listener.read_decide, False
            target = url[7:].decode("latin-1")
        elif url == b"/exchange" or url.startswith(b"/exchange?"):
            if asked.method not in ("GET", "POST"):
                return self._write(*self.listener.rendering.plain(405), asked.keep_alive)
            read, exchange = self.listener.read_exchange, True
            target = ""
        else:
            return self._write(*self.listener.rendering.plain(404), asked.keep_alive)
        request = read(asked.method, target, asked.headers, self.trusted, self.peer)
        if asked.problem is not None:
            request.problem = asked.problem
        deciding = self.decide(request)
        try:
            future = deciding.send(None)
        except StopIteration as done:
            return self._answer(done.value, asked, exchange)
        except BaseException:
            self.abort()
            raise
        self.listener.waiting(1)
        self.task = self.loop.create_task(self._wait(deciding, future, asked, exchange))
        return None

    async def _wait(self, deciding: Coroutine[Any, Any, Decision], future: Any, asked: Asked, exchange: bool) -> None:
        try:
            decision = await _continued(deciding, future)
            if not self.transport.is_closing():
                self._answer(decision, asked, exchange)
        except BaseException:
            self.abort()  # no answer is a refusal too
            raise
        finally:
            self.listener.waiting(-1)
            self.task = None
        while self.queue and self.task is None:
            self._take(self.queue.popleft())
        self.age = 0.0
        if len(self.queue) < MAX_WAITING and not self.transport.is_closing():
            self.transport.resume_reading()
        if self.ending or self.listener.draining:
            self._close_when_done()

    def _answer(self, decision: Decision, asked: Asked, exchange: bool) -> None:
        rendering = self.listener.rendering
        if isinstance(decision, Allow):
            head, body = rendering.exchange(decision) if exchange else rendering.allow(decision)
        else:
            head, body = rendering.refusal(decision)
        self._write(head, body, asked.keep_alive, bodiless=asked.method == "HEAD")

    def _write(self, head: bytes, body: bytes, keep_alive: bool, bodiless: bool = False) -> None:
        if not keep_alive or ((self.listener.draining or self.ending) and not self.queue):
            head += b"Connection: close\r\n\r\n"
            self.transport.write(head if bodiless else head + body)
            self.ending = True
            self.queue.clear()
            if self.lingering:
                self.transport.write_eof()
            else:
                self.transport.close()
        elif bodiless or not body:
            self.transport.write(head + b"\r\n")
        else:
            self.transport.write(head + b"\r\n" + body)

    def _too_much(self, headers: Headers) -> Refused | None:
        """The refusal of a header section over the limits; the long way round, for the rare request that may be."""
        limits = self.listener.limits
        pairs = list(headers)
        if len(pairs) > limits.max_headers:
            return Refused(Reason.MALFORMED_REQUEST, f"{len(pairs)} header fields, want at most {limits.max_headers}")
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in pairs)
        if size > limits.max_header_bytes:
            return Refused(Reason.MALFORMED_REQUEST, "the header section is too large")
        return None

    def _refuse_reading(self, why: str) -> None:
        """The rest of the stream can't be trusted: answer what can be answered, then close.

        The client may still be sending; closing on it would make its kernel throw our answer away. So we only say
        that we are done, and read on into the void for a while.
        """
        if self.ending:
            return
        self.reading = False
        self.lingering = True
        self.age = 0.0
        asked = Asked("", b"/decide", Headers(), False, Refused(Reason.MALFORMED_REQUEST, why))
        if self.task is None:
            self._take(asked)
        else:
            self.queue.append(asked)
        self.ending = True

    def _close_when_done(self) -> None:
        if self.task is None and not self.reading and not self.queue and not self.lingering:
            self.transport.close()

    # -- time ------------------------------------------------------------------------------------------------------

    def grow_older(self, seconds: float) -> None:
        """*seconds* went by without a byte of progress worth the name."""
        if self.task is not None:
            return  # the decision has a deadline of its own
        self.age += seconds
        limits = self.listener.limits
        allowed = LINGER_SECONDS if self.lingering else limits.header_timeout if self.reading else limits.idle_timeout
        if self.age > allowed:
            self.abort()

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        self._close_when_done()

    def abort(self) -> None:
        """Close at once, without an answer."""
        self.ending = True
        self.transport.abort()


@coroutine
def _continued(deciding: Coroutine[Any, Any, Decision], future: Any) -> Generator[Any, Any, Decision]:
    """Go on with *deciding*, which was driven to its first wait outside any task and waits for *future*.

    The future is handed to the task that runs us exactly as if the coroutine had been its own from the start, and
    what comes back, a value or a cancellation, is handed in.
    """
    step: Callable[[Any], Any]
    while True:
        try:
            value = yield future
        except BaseException as error:  # noqa: BLE001 - every way to be woken belongs to the coroutine
            step, argument = deciding.throw, error
        else:
            step, argument = deciding.send, value
        try:
            future = step(argument)
        except StopIteration as done:
            decision: Decision = done.value
            return decision
