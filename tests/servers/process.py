"""`phantomgate serve` as a process, for tests: started, asked, ended."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"
SECRET = "canary-gateway-secret"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self.path)
        except OSError:
            self.close()
            raise


class Serving:
    """A service that runs, or has run."""

    def __init__(self, process, log):
        self.process = process
        self.log = log

    def lines(self, event=None):
        """What was logged, or what of it is about *event*."""
        text = self.log.read_text() if self.log.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("}\n")]
        return [line for line in lines if event in (None, line["event"])]

    def until(self, true, seconds=120):
        """What *true()* is when it is something."""
        deadline = time.monotonic() + seconds
        while True:
            over = time.monotonic() > deadline or self.process.poll() is not None
            if found := true():
                return found
            if over:
                raise AssertionError(f"exit code {self.process.poll()}; {self.log.read_text()}")
            time.sleep(0.01)

    @property
    def started(self):
        return self.until(lambda: self.lines("started"))[0]

    @property
    def workers(self):
        """The process ids of the workers that live."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def connect(self, listener="listen"):
        where = self.started[listener]
        if where.startswith("unix:"):
            return UnixConnection(where[5:])
        host, _, port = where.rpartition(":")
        return http.client.HTTPConnection(host, int(port), timeout=60)

    def get(self, path, token=None, listener="listen", method="GET"):
        """(status, headers, body) of one request on a connection of its own."""
        connection = self.connect(listener)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def readiness(self):
        """(status, reason) of /readyz."""
        status, _, body = self.get("/readyz", listener="manage")
        return status, json.loads(body).get("reason")

    def until_ready(self):
        self.until(lambda: self.readiness() == (200, None))
        return self

    def metrics(self):
        """Every sample of /metrics by its name and labels."""
        _, _, body = self.get("/metrics", listener="manage")
        samples = (line.rpartition(" ") for line in body.decode().splitlines() if not line.startswith("#"))
        return {re.sub(r'(,)?reason=""', "", name).replace("{}", ""): float(value) for name, _, value in samples}

    def end(self, number=signal.SIGTERM):
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


def settings(endpoint="http://127.0.0.1:1/introspect", **serve):
    """A configuration; *serve* are settings of that section, in TOML."""
    given = {"listen": '"127.0.0.1:0"', "manage": '"127.0.0.1:0"'} | serve
    lines = "\n".join(f"{name} = {value}" for name, value in given.items())
    return f"""\
[serve]
{lines}

[introspection]
endpoint = "{endpoint}"
client_id = "gateway"
client_secret = "env:GATEWAY_SECRET"
timeout = "20s"

[policy]
scopes = ["read"]
"""


@contextmanager
def serving(folder, text, *, also=None, **popen):
    """`phantomgate serve` with the configuration *text*; killed at the end if it still runs.

    *also* are more variables of its environment.
    """
    (folder / "phantomgate.toml").write_text(text)
    log = folder / "log"
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCES),
        "GATEWAY_SECRET": SECRET,
        "PYTHONWARNINGS": "error",
        **(also or {}),
    }
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "phantomgate", "serve"],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            **{"stderr": stderr, **popen},
        )
    serving = Serving(process, log)
    try:
        yield serving
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        if process.stderr:
            process.stderr.close()
