"""One connection of the decision listener: HTTP/1.1 in, decisions out. This is the hot path, so it is ours, and small.

Rule: a request is answered by what `decide` returned, or the connection is closed without an answer. A decision that
needs no waiting runs without a task: the coroutine is driven one step, here, in the parser's callback. One that
waits is handed, with the future it waits for, to a task that continues it. Answers go out in the order of requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

import httptools

from phantomgate.adapters.limits import too_large
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow, Decision, Headers
from phantomgate.core.typed import hiding
from phantomgate.servers.listening import peer_of
from phantomgate.servers.rendering import Endpoint, Rendering, closing
from phantomgate.servers.trampoline import continued

if TYPE_CHECKING:
    from phantomgate.servers.listener import Listener

MAX_WAITING = 16  # pipelined requests of one connection that wait for an earlier one
MAX_BODY_BYTES = 64 << 20  # nobody has to send us a body; a gateway that does is not made to suffer for it
LINGER_SECONDS = 2.0


@hiding("url")
class Asked(NamedTuple):
    """One request off the wire, before anything has been made of it. *goes_on*: the connection is kept for another."""

    url: bytes
    headers: Headers
    goes_on: bool
    method: bytes
    problem: Refused | None


class Connection(asyncio.Protocol):
    """One client connection: parses, asks for a decision, answers in order. Nothing is shared but the listener."""

    __slots__ = (
        "age", "asked_headers", "body_bytes", "choked", "decide", "ending", "fields", "head_bytes", "headers", "large",
        "lingering", "listener", "loop", "max_header_bytes", "parser", "peer", "queue", "reading", "task",
        "transport", "trusted", "url",
    )  # fmt: skip

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.trusted = False
        self.peer = ""
        self.age = 0.0
        self.reading = False  # between the first byte of a request and its end
        self.head_bytes = 0
        self.body_bytes = 0
        self.large = False  # something came that may hold a whole header section over the limit
        self.ending = False  # no more requests; close when what is owed is answered
        self.lingering = False  # answered, and waiting for the client to stop sending
        self.choked = False  # the client doesn't read, and answers pile up
        self.task: asyncio.Task[None] | None = None
        self.queue: deque[Asked] = deque()
        self.url = b""
        self.headers = Headers()
        self.fields: dict[bytes, bytes] = {}
        self.asked_headers: Headers | None = None  # the fields before a chunked body, once it has begun

    # -- asyncio.Protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert_transport: Any = transport
        self.transport: asyncio.Transport = assert_transport
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.peer = peer_of(transport)
        self.go_by_listener()
        self.listener.connections.add(self)

    def go_by_listener(self) -> None:
        """Take from the listener what is looked at for every request."""
        listener = self.listener
        self.decide = listener.gateway.decide
        self.max_header_bytes = listener.limits.max_header_bytes
        self.trusted = listener.trusts(self.peer)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        self.listener.gone(self)
        self.ending = True
        self.queue.clear()
        if self.task is not None:
            self.task.cancel()  # nobody is there for the answer

    def data_received(self, data: bytes) -> None:
        if self.ending:
            return
        size = len(data)
        if size > self.max_header_bytes:
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
            if self.head_bytes > self.max_header_bytes:
                self._refuse_reading("the header section is too large")

    def eof_received(self) -> bool:
        self.ending = True
        return self.task is not None  # half-closed: answer what is owed, then close

    def pause_writing(self) -> None:
        self.choked = True
        self.transport.pause_reading()  # a client that does not read is not listened to

    def resume_writing(self) -> None:
        self.choked = False
        self._listen_again()

    def _listen_again(self) -> None:
        if not self.choked and len(self.queue) < MAX_WAITING and not self.transport.is_closing():
            self.transport.resume_reading()

    # -- httptools, in the order it calls ------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        if self.reading:
            self.url += url  # it came in pieces
            return
        self.reading = True
        self.age = 0.0
        self.url = url
        self.headers = headers = Headers({}, {})
        self.fields = headers.fields

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

    def on_chunk_header(self) -> None:
        if self.asked_headers is None:
            # Fields after the body are not fields before it (RFC 9110 §6.5.1): they are read into a bin.
            self.asked_headers = self.headers
            self.headers = Headers({}, {})
            self.fields = self.headers.fields

    def on_message_complete(self) -> None:
        self.reading = False
        if self.ending:
            return
        headers = self.headers
        problem = None
        if self.body_bytes or self.head_bytes or self.asked_headers is not None:
            if self.asked_headers is not None and self.parser.get_http_version() == "1.0":
                # RFC 9112 §6.1: whoever passed it on may have seen another end of it
                problem = Refused(Reason.MALFORMED_REQUEST, "a chunked body in HTTP/1.0")
            headers = self.asked_headers or headers
            self.asked_headers = None
            self.body_bytes = self.head_bytes = 0
        listener = self.listener
        if self.large or headers.repeated or len(headers.fields) > listener.max_headers:
            limits = listener.limits
            problem = too_large(len(self.url), headers, limits.max_headers, limits.max_header_bytes) or problem
        goes_on = self.parser.should_keep_alive() and problem is None
        if self.task is not None:
            self.queue.append(Asked(self.url, headers, goes_on, self.parser.get_method(), problem))
            if len(self.queue) >= MAX_WAITING:
                self.transport.pause_reading()
        else:
            self._take(self.url, headers, goes_on, self.parser.get_method(), problem)

    # -- asking and answering -------------------------------------------------------------------------------------

    def _take(self, url: bytes, headers: Headers, goes_on: bool, method: bytes, problem: Refused | None) -> None:
        """Decide what was asked: at once if nothing has to be waited for, else in a task that holds the queue back."""
        listener = self.listener
        asked: Endpoint = "decide"
        if url == b"/decide":
            request = listener.read_decide(method, b"", headers, self.trusted, self.peer)
        elif url.startswith((b"/decide/", b"/decide?")):
            request = listener.read_decide(method, url[7:], headers, self.trusted, self.peer)
        elif listener.read_preflight is not None and (url == b"/preflight" or url.startswith(b"/preflight/")):
            asked = "preflight"
            request = listener.read_preflight(method, url[10:], headers, self.trusted, self.peer)
        elif url != b"/exchange" and not url.startswith(b"/exchange?"):
            return self._publish(url, method, goes_on)
        elif method not in (b"GET", b"POST"):
            return self._say(*listener.rendering.plain(405), method, goes_on)
        else:
            asked = "exchange"
            request = listener.read_exchange(method, b"", headers, self.trusted, self.peer)
        if problem is not None:
            request.problem = problem
        deciding = self.decide(request)
        try:
            future = deciding.send(None)
        except StopIteration as done:
            decision = done.value
            if type(decision) is Allow and goes_on and asked == "decide" and not self.ending and not listener.draining:
                self.transport.write(listener.rendering.allow(decision, headers)[0])  # nearly every request ends here
            else:
                self._answer(decision, listener.rendering, method, goes_on, asked, headers)
            return None
        except BaseException:
            self.abort()
            raise
        listener.waiting(1)
        waiting = self._wait(deciding, future, listener.rendering, method, goes_on, asked, headers)
        self.task = self.loop.create_task(waiting)
        return None

    def _publish(self, url: bytes, method: bytes, goes_on: bool) -> None:
        """What is no decision: a document that anybody may read, or a path that we don't have."""
        listener = self.listener
        document = listener.published.get(url.decode("latin-1"))
        if document is None:
            return self._say(*listener.rendering.plain(404), method, goes_on)
        if method not in (b"GET", b"HEAD"):
            return self._say(*listener.rendering.plain(405, "GET, HEAD"), method, goes_on)
        return self._say(*listener.rendering.published(document), method, goes_on)

    async def _wait(self, deciding: Coroutine[Any, Any, Decision], future: Any, *how: Any) -> None:
        """Answer what *deciding* comes to; *how* is what `_answer` needs besides."""
        try:
            decision = await continued(deciding, future)
            if not self.transport.is_closing():
                self._answer(decision, *how)
        except BaseException:
            self.abort()  # no answer is a refusal too
            raise
        finally:
            self.listener.waiting(-1)
            self.task = None
        try:
            while self.queue and self.task is None:
                self._take(*self.queue.popleft())
        except BaseException:
            self.abort()  # else whoever asks next would get an answer before those who are left
            raise
        self.age = 0.0
        self._listen_again()
        if self.ending or self.listener.draining:
            self._close_when_done()

    def _answer(
        self, decision: Decision, rendering: Rendering, method: bytes, goes_on: bool, asked: Endpoint, headers: Headers
    ) -> None:
        self._say(*rendering.answer(decision, asked, headers), method, goes_on)

    def _say(self, head: bytes, body: bytes, method: bytes, goes_on: bool) -> None:
        # A body behind the head of an answer to HEAD would be read as the next answer (RFC 9110 §9.3.2)
        self._write(head, b"" if method == b"HEAD" else body, goes_on)

    def _write(self, head: bytes, body: bytes, goes_on: bool) -> None:
        if goes_on and not self.ending and not self.listener.draining:
            self.transport.write(head + body if body else head)
        elif goes_on and self.queue:
            self.transport.write(head + body)  # more answers are owed; the last one says that it is the last
        else:
            self.transport.write(closing(head) + body)
            self.ending = True
            self.queue.clear()
            if self.lingering:
                self.transport.write_eof()
            else:
                self.transport.close()

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
        asked = Asked(b"/decide", Headers(), False, b"", Refused(Reason.MALFORMED_REQUEST, why))
        if self.task is None:
            self._take(*asked)
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
