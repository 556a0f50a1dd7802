"""A part of the fleet: one program with all its processes, that can be killed, frozen, and started again.

Rule: it is known by the process ids that it was started with and those below, and by nothing else. Whatever becomes of
us, the kernel ends it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from interop.processes import mortal

START_SECONDS = 60.0


class Part:
    """One program. Its state: the process that runs it now. *ready* says whether it answers; it may block."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        ready: Callable[[], object],
        cwd: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self.ready = ready
        self.cwd = cwd
        self.environ = {} if environ is None else dict(environ)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environ: str) -> None:
        """Start it, with more variables for this life of it."""
        assert self.process is None
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*mortal(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.cwd,
                env={**os.environ, **self.environ, **environ},
            )

    async def until_ready(self) -> None:
        """Wait until it answers, a minute at most."""
        async with asyncio.timeout(START_SECONDS):
            while not await asyncio.to_thread(self._answers):
                assert self.process is None or self.process.poll() is None, f"{self.name} ended:\n{self.said()}"
                await asyncio.sleep(0.05)

    def said(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """End all of its processes at once, by force."""
        if self.process is None:
            return
        for pid in tree(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    async def stop(self) -> int:
        """End it in good order; its exit code."""
        process = self.process
        assert process is not None
        process.terminate()
        code = await asyncio.to_thread(process.wait, START_SECONDS)
        self.process = None
        return code

    def freeze(self) -> None:
        """Let none of its processes run."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them run again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        for pid in tree(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _answers(self) -> bool:
        try:
            return bool(self.ready())
        except OSError:
            return False


def tree(pid: int) -> list[int]:
    """*pid* and every process below it."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            found.extend(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()))
    return found
