"""`phantomgate serve` as a process of its own, as people run it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import phantomgate as package
from interop.asking import ask
from interop.processes import listens, process, until
from ports import free_port

ENVIRON = {"GATEWAY_SECRET": "gateway-secret"}
NGINX = 'source = "original"\nnginx = true'


@dataclass
class Phantomgate:
    """A running phantomgate: where it listens, its settings, and its log."""

    listen: str
    manage: int
    settings: Path
    log: Path
    environ: Mapping[str, str]
    process: Popen[bytes] | None = None
    stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "phantomgate", "serve", "--config", str(self.settings)]
        self.process = self.stack.enter_context(
            process(command, self.log, ready=self.up, cwd=self.settings.parent, environ=self.environ)
        )

    def up(self) -> bool:
        """Whether a worker accepts connections."""
        return listens(self.manage) and self.metric("phantomgate_workers") >= 1

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        self.stack.close()

    def kill(self) -> None:
        """SIGKILL: no drain, no goodbye."""
        assert self.process
        os.kill(self.process.pid, signal.SIGKILL)
        self.stack.close()
        until(lambda: not listens(int(self.listen.rpartition(":")[2])), "the workers to notice")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's values over all that *labels* don't name."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = ask(self.manage, "/metrics", host="127.0.0.1").body.decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{")) and all(label in line for label in wanted)
        )

    def decisions(self) -> int:
        """How many requests it has decided."""
        return int(self.metric("phantomgate_decisions_total"))

    def said(self, decision: str) -> dict[str, Any]:
        """The log line of a decision, by the id that the client was told."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            lines = self.log.read_text(errors="replace").splitlines()
            found.extend(json.loads(line) for line in lines if decision in line)
            return bool(found)

        until(look, f"the log line of {decision}", self.log)
        return found[0]


@contextmanager
def phantomgate(
    folder: Path, more: str, *, listen: str = "", environ: Mapping[str, str] = ENVIRON, source: str = NGINX
) -> Iterator[Phantomgate]:
    """phantomgate while the block runs, for nginx unless *source* says so; *more* is all of the settings but
    `[serve]`.
    """
    listen = listen or f"127.0.0.1:{free_port()}"
    manage = free_port()
    settings = folder / "phantomgate.toml"
    settings.write_text(
        f"""
[serve]
listen = "{listen}"
manage = "127.0.0.1:{manage}"
{source}
{more}
"""
    )
    code = {"PYTHONPATH": str(Path(package.__file__).parents[1])}  # ours, installed or not
    running = Phantomgate(listen, manage, settings, folder / "phantomgate.log", {**environ, **code})
    running.start()
    try:
        yield running
    finally:
        running.stop()
