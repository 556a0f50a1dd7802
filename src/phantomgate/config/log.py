"""Log lines: one JSON object a line, at most 4096 bytes, written without waiting.

Rule: nothing written here can hold a line break, a control character or a secret by accident: text is escaped and cut,
and of an exception only its type and its places in the code are told, because messages and locals quote what they
found. A line that can't be written is dropped and counted; whoever logs is never stopped or slowed down by it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from enum import IntEnum
from json import dumps
from time import gmtime, strftime
from typing import Any

from phantomgate.core.nouns import dataclass

LONGEST = 4096
"""Bytes of a line, its newline included. POSIX writes that much to a pipe at once (PIPE_BUF), so lines of several
processes never mix."""
TEXT, TRACE = 512, 12
"""Bytes of one escaped value, and places in the code that are told of an exception (the innermost)."""


class Level(IntEnum):
    """How loud; the word in a line is the name in lower case."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True, slots=True)
class LogLine:
    """What happened, at Unix time *time*. A later field is cut off before an earlier one."""

    time: float
    level: Level
    event: str
    fields: Mapping[str, Any]

    def encode(self) -> bytes:
        """The line, newline included; fields at the end are left off where it would be too long."""
        seconds, milliseconds = divmod(int(self.time * 1000), 1000)  # `datetime` and `pathlib` cost a cold start 12 ms
        when = f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(seconds))}.{milliseconds:03d}Z"
        line: dict[str, Any] = {"time": when, "level": self.level.name.lower(), "event": self.event}
        line |= {name: _bounded(value) for name, value in self.fields.items()}
        while len(text := _json(line)) >= LONGEST:
            line.pop(next(name for name in reversed(line) if name != "cut"))
            line["cut"] = True
        return text.encode("ascii") + b"\n"


def _json(value: Any) -> str:
    return dumps(value, ensure_ascii=True, separators=(",", ":"))  # escapes control characters, DEL among them


def _bounded(value: Any) -> Any:
    """*value* with every text in it at most `TEXT` bytes when escaped."""
    if isinstance(value, str):
        if len(value) * 6 <= TEXT:  # an escape is six bytes at most
            return value
        cut = value[:TEXT]
        while (size := len(_json(cut)) - 2) > TEXT:
            cut = cut[: len(cut) * TEXT // size]
        return cut
    if isinstance(value, Mapping):
        return {_bounded(str(name)): _bounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bounded(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float)) else type(value).__name__


def kinds_of(cause: BaseException) -> str:
    """The type of *cause*, and of what caused that: "ClientConnectorError < ConnectionRefusedError"."""
    kinds: list[str] = []
    seen: BaseException | None = cause
    while seen is not None and len(kinds) < 4:
        kinds.append(type(seen).__name__)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return " < ".join(kinds)


def frames(cause: BaseException) -> list[str]:
    """Where *cause* was raised, outermost first: "gateway/gateway.py:47 decide". No source, values or message."""
    places: list[str] = []
    step = cause.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        name = "/".join(code.co_filename.split("/")[-2:])
        places.append(f"{name}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return places[-TRACE:]


class Log:
    """Writes lines of at least *level* to the file descriptor *fd*. Its state: how to write there, and what was lost.

    `dropped` is called once for every line that could not be written: no room in the pipe, nobody reads it, disk full.
    """

    def __init__(
        self,
        fd: int,
        *,
        now: Callable[[], float],
        level: Level = Level.INFO,
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        self._now = now
        self.level = level
        self._dropped = dropped
        self._write, self._own = _writer(fd)
        self._torn = False

    def __call__(self, line: LogLine) -> None:
        """Write *line* now or never."""
        try:
            data = line.encode()
            if self._torn:
                data = b"\n" + data  # the last line went out in part: end it first
            written = self._write(data)
        except Exception:  # noqa: BLE001 - whatever is wrong with a log, the caller goes on
            self._dropped()
            return
        self._torn = written < len(data) and (written > 0 or self._torn)
        if written < len(data):
            self._dropped()

    def close(self) -> None:
        """Give back what was opened; *fd* itself is left as it was."""
        if self._own >= 0:
            os.close(self._own)
        self._write, self._own = _nowhere, -1

    def say(self, level: Level, event: str, **fields: Any) -> None:
        """Write a line about *event* at the present time, unless it is less important than the level."""
        if level >= self.level:
            self(LogLine(self._now(), level, event, fields))


def _writer(fd: int) -> tuple[Callable[[bytes], int], int]:
    """How to write to *fd* without waiting, and the descriptor opened for that, if any.

    `O_NONBLOCK` belongs to the open file, which we share with our parent's shell or supervisor, so it is never set
    on *fd* itself.
    """
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return _nowhere, -1
    if stat.S_ISSOCK(mode):  # systemd's journal
        return (lambda data: _send(fd, data)), -1
    if stat.S_ISREG(mode):  # never waits for a reader
        return (lambda data: os.write(fd, data)), -1
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # not Linux, or a pipe that belongs to somebody else
        return (lambda data: os.write(fd, data) if _has_room(fd) else 0), -1
    return (lambda data: os.write(own, data)), own


def _send(fd: int, data: bytes) -> int:
    import socket  # late, as `select` is: a function that asks nobody has no use for it

    journal = socket.socket(fileno=fd)
    try:
        return journal.send(data, socket.MSG_DONTWAIT)
    finally:
        journal.detach()


def _has_room(fd: int) -> bool:
    """Whether a write of `LONGEST` bytes would go through at once (POSIX: room for PIPE_BUF)."""
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _nowhere(data: bytes) -> int:
    raise OSError(f"no standard error for {len(data)} bytes")
