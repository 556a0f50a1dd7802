"""Durations ("500ms", "2s", "5m", "1h") in seconds and sizes ("64KiB", "512MiB") in bytes.

Rule: a duration always has a unit, so that nobody has to guess whether 300 is seconds or milliseconds.
"""

from __future__ import annotations

import re

from phantomgate.config.kinds import Kind, found
from phantomgate.core.pattern import pattern

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATION = pattern(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)")
_SIZE = pattern(r"([0-9]{1,15})(B|KiB|MiB|GiB)")


def read_duration(text: object) -> float:
    """Seconds. Raises ValueError for anything but a number and a unit of ms, s, m or h, such as "500ms" or "5m"."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"is {found(text)}, which is not a duration{_with_unit(text)}")
    return float(match[1]) * _SECONDS[match[2]]


def _with_unit(value: object) -> str:
    """The remedy: the same number with a unit, if it is one."""
    bare = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9
    if bare or (isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value)):
        return f'; it needs a unit, such as "{value}s" (or ms, m, h)'
    return '; want a number and a unit, such as "500ms", "2s", "5m" or "1h"'


def read_size(value: object) -> int:
    """Bytes. Raises ValueError for anything but a whole number, or one with a unit of B, KiB, MiB or GiB."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'is {found(value)}, which is not a size; want bytes or a unit, such as "64KiB" or "512MiB"')
    return int(match[1]) * _BYTES[match[2]]


def duration(least: str, most: str) -> Kind[float]:
    """A duration within bounds, in seconds."""
    low, high = read_duration(least), read_duration(most)

    def read(value: object) -> float:
        seconds = read_duration(value)
        if not low <= seconds <= high:
            raise ValueError(f"is {found(value)}; want {least} to {most}")
        return seconds

    return Kind(f"duration, {least} to {most}", read, {"type": "string", "pattern": f"^{_DURATION.pattern}$"})


def size(least: str, most: str) -> Kind[int]:
    """A size within bounds, in bytes."""
    low, high = read_size(least), read_size(most)

    def read(value: object) -> int:
        count = read_size(value)
        if not low <= count <= high:
            raise ValueError(f"is {found(value)}; want {least} to {most}")
        return count

    def from_text(text: str) -> object:
        return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else text

    schema = {"anyOf": [{"type": "integer", "minimum": low, "maximum": high},
                        {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]}  # fmt: skip
    return Kind(f"size, {least} to {most}", read, schema, from_text)
