"""What the event loop and libraries have to complain about, as lines of our log.

Rule: their messages quote what they were handling, which may be a token. So only what a programmer wrote is told: the
text before values are put into it, the type of an exception, and places in the code. What the loop says again within a
second is not told again: when there are no descriptors left, it says so for every connection that waits.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from phantomgate.config.log import Level, Log, frames, kinds_of

QUIET_SECONDS = 1.0
"""How long the loop's complaint of one kind is the last that is told."""


def log_what_others_say(log: Log, loop: asyncio.AbstractEventLoop) -> None:
    """From now on, exceptions that nobody caught in *loop* and what libraries log go to *log*."""

    last: dict[str, float] = {}  # by complaint: places in the code, so there are not many

    def uncaught(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        what = str(context.get("message", "")).partition("(")[0]
        told = _told(context.get("exception"))
        kind, now = f"{what} {told}", loop.time()
        if now - last.get(kind, -QUIET_SECONDS) >= QUIET_SECONDS:
            last[kind] = now
            log.say(Level.ERROR, "bug", pid=os.getpid(), what=what, **told)

    loop.set_exception_handler(uncaught)
    logging.basicConfig(level=logging.WARNING, handlers=[_Lines(log)], force=True)


class _Lines(logging.Handler):
    """Writes what libraries log. Its state is where to."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line for *record*."""
        text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        if not record.args:  # then the values may be in the text already
            text = text.partition(":")[0]
        level = Level.ERROR if record.levelno >= logging.ERROR else Level.WARNING
        told = _told(record.exc_info[1]) if record.exc_info else {}
        self._log.say(level, "library", pid=os.getpid(), name=record.name, what=text, **told)


def _told(bug: object) -> dict[str, Any]:
    return {"cause": kinds_of(bug), "trace": frames(bug)} if isinstance(bug, BaseException) else {}
