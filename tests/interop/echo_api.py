"""The API behind the gateway: it lets everybody in, tells the client what arrived, and remembers all of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from in_a_thread import HttpServer, in_a_thread

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


@dataclass
class EchoApi:
    """Every request that reached the API: (method, path, fields in order, body)."""

    port: int = 0
    says: list[tuple[str, str]] = field(default_factory=list)
    """Fields that it answers with besides."""
    requests: list[tuple[str, str, list[tuple[str, str]], bytes]] = field(default_factory=list)

    def contains(self, secret: str) -> bool:
        """Whether *secret* ever arrived in a header."""
        return any(secret in value for _, _, fields, _ in self.requests for _, value in fields)


class Server(HttpServer):
    """One that waits for no connection in the end."""

    daemon_threads = True


@contextmanager
def running() -> Iterator[EchoApi]:
    """The API, in a thread, while the block runs."""
    api = EchoApi()

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Says nothing."""

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fields = [(name.lower(), value) for name, value in self.headers.items()]
            api.requests.append((self.command, self.path, fields, body))
            if "close" in re.split(r"[\s,]+", ",".join(self.headers.get_all("Connection", ())).lower()):
                self.close_connection = True  # http.server looks for it alone; RFC 9112 §9.6: nothing is read after it
            if self.headers.get("Upgrade") == "websocket" and "/status/" not in self.path:
                self.upgrade()
                return
            status = int(self.path.rpartition("/status/")[2] or 200) if "/status/" in self.path else 200
            said = json.dumps(
                {
                    "method": self.command,
                    "path": self.path,
                    "headers": fields,
                    "body": hashlib.sha256(body).hexdigest(),
                }
            ).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            for name, value in api.says:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        def upgrade(self) -> None:
            """RFC 6455 §4.2.2, and then every byte back: frames are nobody's business here."""
            key = self.headers.get("Sec-WebSocket-Key", "")
            accept = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()  # noqa: S324
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", accept)
            self.end_headers()
            while data := self.connection.recv(4096):
                self.connection.sendall(data)
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_HEAD = do_OPTIONS = do_PATCH = do_DELETE = do_PURGE = answer  # noqa: N815
        do_TRACE = do_CONNECT = answer  # noqa: N815

    with in_a_thread(Server(("127.0.0.1", 0), Echo)) as api.port:
        yield api
