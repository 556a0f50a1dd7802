"""A small authorization server for tests with real processes: knows tokens that begin with "good", in a thread.

And those that begin with "held", but about them it says nothing until its test lets it.
"""

from __future__ import annotations

import base64
import threading
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
    go_on: threading.Event
    held: list[str]

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        token = form["token"][0]
        if token.startswith("held"):
            self.held.append(token)
            self.go_on.wait(120)
        shown = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[2]
        if self.secrets and shown not in self.secrets:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        good = token.startswith(("good", "held"))
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


class Endpoint(str):
    """The URL of the introspection endpoint. State: which tokens it has *held* up, and whether they may *go_on*."""

    __slots__ = ("go_on", "held")


@contextmanager
def authorization_server(port=0, *, secrets=(), **claims):
    """The `Endpoint`, while it runs; *claims* are in every JWT.

    With *secrets*, a list that may change, our client must show one of them.
    """
    of_its_own = {"claims": claims, "secrets": secrets, "go_on": threading.Event(), "held": []}
    answers = type("_", (_Introspection,), of_its_own)
    with in_a_thread(_Server(("127.0.0.1", port), answers)) as bound:
        endpoint = Endpoint(f"http://127.0.0.1:{bound}/introspect")
        endpoint.go_on, endpoint.held = answers.go_on, answers.held
        try:
            yield endpoint
        finally:
            answers.go_on.set()
