"""A small authorization server for tests with real processes: knows tokens that begin with "good", in a thread."""

from __future__ import annotations

import base64
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from in_a_thread import HttpServer, in_a_thread
from tokens import jwt


class _Introspection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    claims: dict[str, object] = {}  # noqa: RUF012 - each server has a class of its own
    secrets: tuple[str, ...] = ()

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        token = form["token"][0]
        if token.startswith("slow"):
            time.sleep(float(token[4:]))
        shown = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[2]
        if self.secrets and shown not in self.secrets:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        good = token.startswith(("good", "slow"))
        body = jwt(self.claims, exp=int(time.time()) + 300, iat=int(time.time())).encode() if good else b""
        self.send_response(200 if good else 204)
        if good:
            self.send_header("Content-Type", "application/jwt")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored):
        pass


class _Server(HttpServer):
    daemon_threads = True


@contextmanager
def authorization_server(port=0, *, secrets=(), **claims):
    """The introspection endpoint's URL, while it runs; *claims* are in every JWT.

    With *secrets*, a list that may change, our client must show one of them.
    """
    server = _Server(("127.0.0.1", port), type("_", (_Introspection,), {"claims": claims, "secrets": secrets}))
    with in_a_thread(server) as bound:
        yield f"http://127.0.0.1:{bound}/introspect"
