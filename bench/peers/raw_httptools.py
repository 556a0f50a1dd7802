"""The floor under any Python server: httptools on uvloop, one dictionary, nothing else. Not a product.

    raw_httptools.py PORT TABLE

No policy, no limits, no metrics, no refusals worth the name: what is left of our cost above this is what those cost.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop

RECORDS: dict[bytes, tuple[int, bytes]] = {}


class Decision(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.data_received = httptools.HttpRequestParser(self).feed_data
        self.field = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without saying so

    def on_header(self, name: bytes, value: bytes) -> None:
        """Only Authorization matters."""
        if name == b"Authorization":
            self.field = value

    def on_message_complete(self) -> None:
        """Answer."""
        record = RECORDS.get(self.field)
        now = int(time.time())
        if record is None or record[0] <= now:
            self.transport.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            return
        left = min(record[0] - now, 300)
        times = b"X-Accel-Expires: %d\r\nCache-Control: private, max-age=%d\r\n\r\n" % (left, left)
        self.transport.write(record[1] + times)
        self.field = b""


def _load(path: Path) -> None:
    with path.open("rb") as table:
        for line in table:
            opaque, sub, expires_at, jwt = line.split()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAuthorization: Bearer %b\r\nX-User: %b\r\n" % (jwt, sub)
            RECORDS[b"Bearer " + opaque] = (int(expires_at), head)


async def main(port: int) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(Decision, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    _load(Path(sys.argv[2]))
    uvloop.run(main(int(sys.argv[1])))
