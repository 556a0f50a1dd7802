"""An authorization server of ten lines on loopback, and settings that point at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from in_a_thread import HttpServer, in_a_thread
from tokens import jwt

SECRET = "canary-secret-8d1f27c5"
TOKEN = "canary-token-0f5b3a64-9d1e-4f3c-8a77-2b6d51c0e9aa"


def active(**claims: object) -> tuple[int, str, str]:
    """The answer of a server that knows the token."""
    return 200, "application/jwt", jwt(exp=int(time.time()) + 300, iat=int(time.time()), **claims)


INACTIVE = 204, "", ""


@dataclass
class Server:
    """Answers each question as `answer` says: (status, content type, body) for the form it was sent."""

    endpoint: str
    answer: Callable[[str], tuple[int, str, str]]
    asked: list[str] = field(default_factory=list)

    def environ(self, **more: str) -> dict[str, str]:
        """Settings that point here, as variables."""
        return {
            "PHANTOMGATE__INTROSPECTION__ENDPOINT": self.endpoint,
            "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "gateway",
            "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:CANARY",
            "PHANTOMGATE__POLICY__SCOPES": "read",
            "CANARY": SECRET,
            **more,
        }


@contextmanager
def loopback_server() -> Iterator[Server]:
    """A server that says `TOKEN` is active and every other is not, until told otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            known.asked.append(form)
            status, content_type, body = known.answer(form)
            self.send_response(status)
            if content_type:
                self.send_header("Content-Type", content_type)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            """Quiet."""

    with in_a_thread(HttpServer(("127.0.0.1", 0), Handler)) as port:
        known = Server(f"http://127.0.0.1:{port}/introspect", lambda form: active() if TOKEN in form else INACTIVE)
        yield known
