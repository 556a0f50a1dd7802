"""A stub authorization server for benchmarks: introspection that answers `application/jwt` at once.

    stub_as.py PORT EXPIRES_AT CLIENT_ID CLIENT_SECRET

It checks the client's credentials and the form, so that what asks it has to ask properly. Tokens that start like ours
are active, others are not (204). `/asked` says how often it was asked. It binds loopback only.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from typing import cast
from urllib.parse import parse_qs

import httptools
import uvloop

from tokens import PREFIX, jwt_for


class Introspection(asyncio.Protocol):
    """One connection; `expires_at` and `credentials` are the same for all."""

    expires_at = 0
    credentials = b""
    asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start parsing."""
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without saying so
        self.parser = httptools.HttpRequestParser(self)
        self.url = self.body = b""
        self.authorization = b""

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """What is wanted."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Only the client's credentials matter."""
        if name.lower() == b"authorization":
            self.authorization = value

    def on_body(self, data: bytes) -> None:
        """The form, perhaps in parts."""
        self.body += data

    def on_message_complete(self) -> None:
        """Answer."""
        if self.url == b"/asked":
            said = str(Introspection.asked).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))
            self.url = b""
            return
        Introspection.asked += 1
        opaque = parse_qs(self.body.decode()).get("token", [""])[0]
        if self.authorization != self.credentials:
            self.transport.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        elif not opaque.startswith(PREFIX):
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            jwt = jwt_for(opaque, self.expires_at).encode()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\nContent-Length: %d\r\n\r\n%b" % (len(jwt), jwt)
            )
        self.url = self.body = b""
        self.authorization = b""


async def main(port: int) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(Introspection, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    Introspection.expires_at = int(sys.argv[2])
    Introspection.credentials = b"Basic " + b64encode(f"{sys.argv[3]}:{sys.argv[4]}".encode())
    uvloop.run(main(int(sys.argv[1])))
