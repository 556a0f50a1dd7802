"""A worker that serves a protocol so small that nothing but the process model can be wrong with it.

A connection sends lines and gets "PID LINE" for each; "slow N LINE" takes N seconds, "die" and "hang" do as they say.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from phantomgate.servers.lifecycle import Served, run


class Line(asyncio.Protocol):
    def __init__(self, listener):
        self.listener = listener
        self.buffer = b""
        self.owed = 0

    def connection_made(self, transport):
        self.transport = transport
        self.listener.connections.add(self)

    def connection_lost(self, error):
        self.listener.connections.discard(self)
        if not self.listener.connections:
            self.listener.empty.set()

    def data_received(self, data):
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.owed += 1
            word, _, rest = line.partition(b" ")
            if word == b"die":
                os.kill(os.getpid(), signal.SIGKILL)
            elif word == b"hang":
                time.sleep(60)
            elif word == b"slow":
                seconds, _, rest = rest.partition(b" ")
                asyncio.get_running_loop().call_later(float(seconds), self.answer, rest)
            else:
                self.answer(line)

    def answer(self, line):
        self.listener.metrics.allowed += 1
        self.owed -= 1
        self.transport.write(b"%d %s\n" % (os.getpid(), line))
        self.close_if_idle()

    def close_if_idle(self):
        if self.listener.draining and not self.owed and not self.buffer:
            self.transport.close()


class Lines:
    def __init__(self, metrics):
        self.metrics = metrics
        self.connections = set()
        self.draining = False
        self.empty = asyncio.Event()

    def protocol(self):
        return Line(self)

    def sweep(self, seconds):
        pass

    def last_call(self):
        self.draining = True

    def begin_drain(self):
        for connection in list(self.connections):
            connection.close_if_idle()

    async def drained(self, deadline):
        try:
            async with asyncio.timeout(deadline):
                while self.connections:
                    self.empty.clear()
                    await self.empty.wait()
        except TimeoutError:
            return False
        return True


class Renews:
    """Prepares what it is told to, as it is told to."""

    print = "first"

    def __init__(self, log):
        self.log = log

    async def prepare(self, message):
        if message.get("hangs"):
            await asyncio.sleep(60)
        if message.get("fails"):
            raise RuntimeError("canary")
        return message["print"]

    def swap(self):
        self.log.say(1, "swapped")

    async def drop(self):
        pass


async def build(start, log, metrics):
    if start.get("fails"):
        raise RuntimeError("told to fail")
    if start.get("hangs"):
        time.sleep(60)  # noqa: ASYNC251 - this worker hangs on purpose

    async def close():
        pass

    return Served(Lines(metrics), close, renews=Renews(log))


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:], build))
