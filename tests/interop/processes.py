"""Real servers as child processes: started, waited for, and stopped by their own id whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 120.0  # of patience, on a machine that is busy: nobody waits for longer than it takes


@contextmanager
def process(
    command: Sequence[str | Path],
    log: Path,
    *,
    ready: Callable[[], bool],
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """*command* as long as the block runs, from when *ready* says so. All that it prints goes to the file *log*."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            [*mortal(), *map(str, command)],
            stdin=subprocess.PIPE,  # closed with us; servers of ours end by it
            stdout=out,
            stderr=out,
            cwd=cwd,
            env={**os.environ, **(environ or {})},
        )
    try:
        until(lambda: child.poll() is not None or ready(), f"{command[0]} to start", log)
        if child.poll() is not None:
            raise AssertionError(f"{command[0]} ended with {child.returncode}:\n{log.read_text(errors='replace')}")
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> int:
    """End *child* in good order, or by force if it won't; its exit code."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    if child.stdin:
        child.stdin.close()
    return child.wait()


def until(happened: Callable[[], object], what: str, log: Path | None = None) -> None:
    """Wait until *happened*, at most so long."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        late = time.monotonic() > deadline  # seen before we look: it may be us who were not given the processor
        if happened():
            return
        if late:
            said = log.read_text(errors="replace")[-4000:] if log and log.exists() else ""
            raise AssertionError(f"waited {START_SECONDS:.0f} s for {what}\n{said}")
        time.sleep(0.01)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    with socket.socket() as caller:
        caller.settimeout(5.0)
        return caller.connect_ex(("127.0.0.1", port)) == 0


def mortal() -> list[str]:
    """A prefix that ends the server when the test process dies without cleaning up."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
