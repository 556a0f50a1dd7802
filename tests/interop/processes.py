"""Real servers as child processes: started, waited for, and stopped by their own id whatever happens."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_RESERVED: list[socket.socket] = []
START_SECONDS = 120.0
"""For whatever is waited for: a slow machine is not a failure."""


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
    """Wait until *happened*, at most START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-4000:] if log and log.exists() else ""
            raise AssertionError(f"waited {START_SECONDS:.0f} s for {what}\n{said}")
        time.sleep(0.01)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    with socket.socket() as caller:
        caller.settimeout(1.0)
        return caller.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that was free a moment ago, for servers that can't choose one and tell.

    It is none that the system gives away by itself (on Linux from 32768), or whatever else starts on this machine could
    have it before the server does, and answer in its place. Nor is it one that any test got whose process still lives.
    """
    while not reserve(port := random.randrange(10_000, 32_768)):
        pass
    return port


def reserve(port: int) -> bool:
    """Whether *port* was free, and is for us alone from now on: among tests, also of other processes."""
    name = socket.socket(socket.AF_UNIX)
    with socket.socket() as one, suppress(OSError):
        one.bind(("127.0.0.1", port))
        name.bind(f"\0phantomgate test port {port}")  # in no file system, and gone with this process
        _RESERVED.append(name)
        return True
    name.close()
    return False


def mortal() -> list[str]:
    """A prefix that ends the server when the test process dies without cleaning up."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
