"""The OAuth agent's connections: there are only so many, and nobody keeps one without asking for something."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

pytest.importorskip("uvicorn")
from phantomgate.agent.model import AgentReply
from phantomgate.config.settings import Serve, Settings
from phantomgate.servers.agent_connection import Connection
from phantomgate.servers.agent_worker import _server
from phantomgate.servers.sockets import bind_tcp

ASK = b"POST /oauth-agent/refresh HTTP/1.1\r\nHost: x\r\n"


class Hasty(Connection):
    whole_seconds = 0.1


@asynccontextmanager
async def serving(go_on):
    """The agent's server, which answers once *go_on* is set; where it listens."""
    bound = bind_tcp("127.0.0.1", 0, 1)

    async def handle(request):
        await go_on.wait()
        return AgentReply(204)

    server = _server(handle, Settings(serve=Serve(idle_timeout=1.0)))
    assert server.config.http is Connection
    server.config.http = Hasty
    running = asyncio.create_task(server.serve(sockets=bound.sockets))
    try:
        yield bound.sockets[0].getsockname()
    finally:
        server.should_exit = True
        await running
        bound.close()


@pytest.mark.parametrize(
    "sent", [b"", b"POST", ASK, ASK + b"Content-Length: 9\r\n\r\n{", ASK + b"Content-Length: 0\r\n\r\n" + ASK]
)
def test_who_sends_no_whole_request_is_sent_away(sent):
    async def story():
        go_on = asyncio.Event()
        go_on.set()
        async with serving(go_on) as where, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(*where)
            writer.write(sent)
            answer = b""
            with suppress(ConnectionResetError):
                answer = await reader.read()
            assert (b"204" in answer) == sent.endswith(b"\r\n\r\n" + ASK)
            writer.close()

    asyncio.run(story())


def test_who_waits_for_an_answer_is_not():
    async def story():
        go_on = asyncio.Event()
        async with serving(go_on) as where, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(*where)
            writer.write(ASK + b"Content-Length: 0\r\n\r\n")
            asyncio.get_running_loop().call_later(0.5, go_on.set)
            assert (await reader.readline()).startswith(b"HTTP/1.1 204 ")
            writer.close()

    asyncio.run(story())
