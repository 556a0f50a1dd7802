"""The Lambda Runtime API, as AWS documents it for custom runtimes: what `awslambdaric` asks for events, and a function
under it."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

from in_a_thread import HttpServer, in_a_thread
from interop.aws.moto_server import PYTHON
from interop.processes import process


class Outcome(NamedTuple):
    """What the runtime reported for one event: whether it was an error, and the JSON as it came."""

    error: bool
    text: str

    @property
    def value(self) -> Any:
        return json.loads(self.text)


class RuntimeApi:
    """Hands out events and keeps what came of them."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.events: queue.Queue[bytes] = queue.Queue()
        self.outcomes: queue.Queue[Outcome] = queue.Queue()

    def invoke(self, event: object) -> Outcome:
        """The outcome of *event*."""
        self.events.put(json.dumps(event).encode())
        return self.outcomes.get(timeout=120)


@contextmanager
def runtime_api() -> Iterator[RuntimeApi]:
    """The API, as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):  # /2018-06-01/runtime/invocation/next
            event = api.events.get()
            deadline = str(int(time.time() * 1000) + 10_000)
            arn = "arn:aws:lambda:eu-west-1:123456789012:function:f"
            fields = {
                "Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                "Deadline-Ms": deadline,
                "Invoked-Function-Arn": arn,
            }
            self._send(200, event, {f"Lambda-Runtime-{name}": value for name, value in fields.items()})

        def do_POST(self):  # .../invocation/1/response, .../invocation/1/error, .../init/error
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            api.outcomes.put(Outcome(self.path.endswith("/error"), text))
            self._send(202, b"", {})

        def _send(self, status, body, fields):
            self.send_response(status)
            for name, value in {**fields, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Quiet."""

    http = HttpServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    with in_a_thread(http) as port:
        api = RuntimeApi(port)
        try:
            yield api
        finally:
            api.events.put(b"{}")  # whoever still waits for an event gets one


@contextmanager
def function(
    folder: Path, environ: Mapping[str, str], handler: str = "phantomgate.aws.handler"
) -> Iterator[RuntimeApi]:
    """The API that *handler* gets its events from, under the client of Lambda's own image; its log is in *folder*."""
    with runtime_api() as api:
        of_lambda = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_REGION": "eu-west-1",
            "LAMBDA_TASK_ROOT": str(folder),
        }
        command = [PYTHON, "-m", "awslambdaric", handler]
        log = folder / "function.log"
        with process(command, log, ready=lambda: True, environ={**of_lambda, **environ}, cwd=folder):
            yield api
