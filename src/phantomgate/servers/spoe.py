"""The SPOE agent: HAProxy asks by SPOP, on connections that it keeps, many requests at a time on each.

Rule: as for HTTP. A message is answered by what `decide` returned or not at all, and HAProxy takes silence for a
refusal. Answers may overtake each other, since each names its request. What is wrong with a frame ends the connection:
nobody knows where the next one would begin.

    connected ──HAPROXY-HELLO──▶ greeted ──NOTIFY … ACK──▶ ──DISCONNECT──▶ closed
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from phantomgate.adapters import haproxy, spop
from phantomgate.adapters.haproxy_frame import read_usual
from phantomgate.adapters.limits import too_large
from phantomgate.adapters.spop_data import Malformed, Value
from phantomgate.core.errors import Reason
from phantomgate.core.model import Answer, Decision, HeaderChange, Headers, Refuse, Request
from phantomgate.gateway.gateway import Gateway
from phantomgate.servers.listener import Limits
from phantomgate.servers.listening import Listening, peer_of
from phantomgate.servers.trampoline import continued

REMEMBERED_ANSWERS = 4096
USUAL = {
    haproxy.PLAIN: read_usual(haproxy.PLAIN, b"authorization"),
    haproxy.WHOLE: read_usual(haproxy.WHOLE, b"headers"),
}


class Agent(Listening):
    """What the connections from HAProxy share. Its state, besides theirs: what was rendered, by header change.

    *max_waiting* requests of one connection may wait at a time; HAProxy's own `max-waiting-frames` is 20 as it comes.
    With *sessions*, only the message with all header fields is taken, since cookies are among what is judged then.
    *waiting* hears of each request that begins (1) or ends (-1) to wait, *complain* of each answer that was too long.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        trusts: Callable[[str], bool],
        realm: str = "api",
        resource_metadata: str = "",
        limits: Limits | None = None,
        max_waiting: int = 1024,
        sessions: bool = False,
        waiting: Callable[[int], None] = lambda change: None,  # noqa: ARG005 - nobody counts
        complain: Callable[[Refuse], None] = lambda no: None,  # noqa: ARG005 - nobody listens
    ) -> None:
        super().__init__()
        self.gateway = gateway
        self.trusts = trusts
        self.realm = realm
        self.resource_metadata = resource_metadata
        self.limits = limits or Limits()
        # The whole header section is in one frame, and a little more
        self.max_frame = self.limits.max_header_bytes + 1024
        self.max_waiting = max_waiting
        self.readers = {haproxy.WHOLE: haproxy.read_message}
        self.usual = haproxy.WHOLE
        if not sessions:
            self.readers[haproxy.PLAIN] = haproxy.read_plain
            self.usual = haproxy.PLAIN
        self.read_usual = USUAL[self.usual]
        self.waiting = waiting
        self.complain = complain
        self._allowed: OrderedDict[HeaderChange, bytes] = OrderedDict()

    def protocol(self) -> asyncio.BaseProtocol:
        """A protocol for one more connection."""
        return Connection(self)

    def adopt(self, newer: Agent) -> None:
        """Go by what *newer* was made with; whoever is connected and no longer trusted is sent away.

        The size of frames stays as it was agreed on each connection.
        """
        self.gateway = newer.gateway
        self.trusts = newer.trusts
        self.realm, self.resource_metadata = newer.realm, newer.resource_metadata
        self.limits = newer.limits
        self.max_frame = newer.max_frame
        self.readers = newer.readers
        self.usual, self.read_usual = newer.usual, newer.read_usual
        for connection in list(self.connections):
            if isinstance(connection, Connection):
                connection.go_by_agent()

    def actions(self, decision: Decision, headers: Headers) -> bytes:
        """*decision* about the request with *headers* as the payload of an ACK."""
        if isinstance(decision, Refuse):
            return spop.write_variables(haproxy.write_refuse(decision, self.realm, self.resource_metadata))
        if isinstance(decision, Answer):
            return spop.write_variables(haproxy.write_answer(decision))
        change = decision.upstream
        made = self._allowed.get(change)
        if made is None:
            if len(self._allowed) >= REMEMBERED_ANSWERS:
                self._allowed.popitem(last=False)
            made = self._allowed[change] = spop.write_variables(haproxy.write_upstream(change))
        if change.cookies is not None:
            made += spop.write_variables(haproxy.write_for_request(decision, headers))
        return made

    def too_long(self, size: int, most: int) -> bytes:
        """The payload of the ACK for an answer of *size* bytes, which no frame of *most* bytes can hold."""
        detail = f"an answer of {size} bytes, and HAProxy takes {most}; raise its tune.bufsize"
        no = Refuse(Reason.SERVER_ERROR, self.gateway.new_id(), detail)
        self.complain(no)
        return spop.write_variables(haproxy.write_refuse(no, self.realm, self.resource_metadata))


class Connection(asyncio.Protocol):
    """One connection from HAProxy. Its state: what is left of a frame, the size that was agreed, who waits."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.peer = ""
        self.age = 0.0
        self.left = b""
        self.max_frame = 0  # nothing was agreed yet
        self.tasks: set[asyncio.Task[None]] = set()
        self.ending = False
        self.reading = False
        self.answers: list[bytes] = []  # of the frames that are being read: one write for them all

    # -- asyncio.Protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        as_transport: Any = transport
        self.transport: asyncio.Transport = as_transport
        self.loop = asyncio.get_running_loop()
        self.peer = peer_of(transport)
        self.agent.connections.add(self)
        self.go_by_agent()

    def go_by_agent(self) -> None:
        """Take from the agent what is looked at for every request."""
        self.decide = self.agent.gateway.decide
        if not self.agent.trusts(self.peer):
            self.abort()  # what it says of a request would be believed

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        self.agent.gone(self)
        self.ending = True
        for task in self.tasks:
            task.cancel()  # nobody is there for the answer

    def data_received(self, data: bytes) -> None:
        if self.ending:
            return
        self.age = 0.0
        data = self.left + data if self.left else data
        at, size = 0, len(data)
        most = self.max_frame or self.agent.max_frame
        self.reading = True
        try:
            while size - at >= 4:
                length = int.from_bytes(data[at : at + 4])
                if length > most:
                    raise Malformed(f"a frame of {length} bytes, want at most {most}", spop.TOO_BIG)
                end = at + 4 + length
                if end > size:
                    break
                usual = self.agent.read_usual(data, at + 4, end) if self.max_frame else None
                if usual is not None:
                    self._notified(usual[0], self.agent.usual, usual[1], length)
                elif not self._frame(data[at + 4 : end]):
                    return
                at = end
                most = self.max_frame
        except Malformed as no:
            self._disconnect(no.status, str(no))
            return
        except BaseException:
            self.abort()
            raise
        finally:
            self.reading = False
            self._flush()
        self.left = data[at:]

    def pause_writing(self) -> None:
        self.transport.pause_reading()  # whoever does not read is not listened to

    def resume_writing(self) -> None:
        self.transport.resume_reading()

    # -- frames ---------------------------------------------------------------------------------------------------

    def _frame(self, data: bytes) -> bool:
        """Do what a frame says; whether another may follow it."""
        kind, _, _, at = spop.read_frame(data)
        if kind == spop.NOTIFY and self.max_frame:
            # The two numbers before the payload go back as they came
            self._notified(data[5:at], *spop.read_message(data, at), len(data))
            return True
        if kind == spop.HAPROXY_HELLO and not self.max_frame:
            return self._greet(spop.read_pairs(data, at))
        if kind == spop.HAPROXY_DISCONNECT:
            self._disconnect(spop.NORMAL, "")
            return False
        raise Malformed("a frame of an unknown type, or out of turn")

    def _greet(self, said: dict[bytes, Value]) -> bool:
        """HAPROXY-HELLO (§3.2.4): what it can and wants; then AGENT-HELLO, or the reason for none."""
        versions, size, can = (said.get(name) for name in (b"supported-versions", b"max-frame-size", b"capabilities"))
        if not isinstance(versions, bytes):
            raise Malformed("no supported-versions", spop.NO_VERSION)
        if type(size) is not int:
            raise Malformed("no max-frame-size", spop.NO_SIZE)
        if not isinstance(can, bytes):
            raise Malformed("no capabilities", spop.NO_CAPABILITIES)
        if not any(version.strip().split(b".")[0] == b"2" for version in versions.split(b",")):
            raise Malformed("no version 2", spop.BAD_VERSION)
        if size < spop.LEAST_FRAME:
            raise Malformed("frames that are too small", spop.BAD_SIZE)
        agreed = min(size, self.agent.max_frame)
        hello: dict[str, str | int] = {"version": spop.VERSION, "max-frame-size": agreed, "capabilities": "pipelining"}
        self.transport.write(spop.write_frame(spop.AGENT_HELLO, 0, 0, spop.write_pairs(hello)))
        self.max_frame = agreed
        if said.get(b"healthcheck") is True:  # §3.2.4: it only wants to see that we are here
            self.ending = True
            self.transport.close()
        return not self.ending

    def _notified(self, ids: bytes, name: bytes, arguments: dict[bytes, Value], size: int) -> None:
        """NOTIFY (§3.2.6): the request in a frame of *size* bytes, which *ids* name."""
        agent = self.agent
        read = agent.readers.get(name)
        if read is None:
            raise Malformed("a message that is not ours, or has too little in it for sessions")
        request = read(arguments, self.peer)
        limits, headers = agent.limits, request.headers
        # A head is never twice as long as the frame that brings it, so few have to be measured
        if size * 2 > limits.max_header_bytes or headers.repeated or len(headers.fields) > limits.max_headers:
            line = len(request.path) + len(request.query)
            large = too_large(line, headers, limits.max_headers, limits.max_header_bytes)
            request.problem = request.problem or large
        self._take(ids, request)

    def _take(self, ids: bytes, request: Request) -> None:
        """Decide what was asked: at once if nothing has to be waited for, else in a task."""
        deciding = self.decide(request)
        try:
            future = deciding.send(None)
        except StopIteration as done:
            self._answer(ids, done.value, request.headers)
            return
        if len(self.tasks) >= self.agent.max_waiting:
            deciding.close()
            raise Malformed("too many requests that wait", spop.OUT_OF_ROOM)
        self.agent.waiting(1)
        task = self.loop.create_task(self._wait(ids, request.headers, deciding, future))
        self.tasks.add(task)
        task.add_done_callback(self._waited)

    async def _wait(self, ids: bytes, headers: Headers, deciding: Coroutine[Any, Any, Decision], future: Any) -> None:
        try:
            decision = await continued(deciding, future)
            if not self.transport.is_closing():
                self._answer(ids, decision, headers)
        except BaseException:
            self.abort()  # no answer is a refusal too
            raise

    def _waited(self, task: asyncio.Task[None]) -> None:
        self.agent.waiting(-1)
        self.tasks.discard(task)
        if self.ending or self.agent.draining:
            self.close_if_idle()

    def _answer(self, ids: bytes, decision: Decision, headers: Headers) -> None:
        frame = spop.write_ack(ids, self.agent.actions(decision, headers))
        if len(frame) - 4 > self.max_frame:
            # Silence would do, but then nobody would know why
            frame = spop.write_ack(ids, self.agent.too_long(len(frame) - 4, self.max_frame))
        if self.reading:
            self.answers.append(frame)
        else:
            self.transport.write(frame)

    def _flush(self) -> None:
        if self.answers and not self.transport.is_closing():
            self.transport.write(b"".join(self.answers))
        self.answers.clear()

    def _disconnect(self, status: int, why: str) -> None:
        """AGENT-DISCONNECT (§3.2.9), and no more."""
        self.ending = True
        self._flush()
        pairs: dict[str, str | int] = {"status-code": status, "message": why}
        self.transport.write(spop.write_frame(spop.AGENT_DISCONNECT, 0, 0, spop.write_pairs(pairs)))
        self.transport.close()

    # -- time ------------------------------------------------------------------------------------------------------

    def grow_older(self, seconds: float) -> None:
        """*seconds* went by without a byte."""
        if self.tasks:
            return  # a decision has a deadline of its own
        self.age += seconds
        limits = self.agent.limits
        waiting_for_more = self.left or not self.max_frame
        if self.age > (limits.header_timeout if waiting_for_more else limits.idle_timeout):
            self.abort()

    def close_if_idle(self) -> None:
        """Close unless a frame is being read or a request is being answered."""
        if not self.tasks and not self.left and not self.transport.is_closing():
            self._disconnect(spop.NORMAL, "")

    def abort(self) -> None:
        """Close at once, without an answer."""
        self.ending = True
        self.transport.abort()
