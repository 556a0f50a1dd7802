"""Durations ("500ms", "2s", "5m", "1h") in seconds and sizes ("64KiB", "512MiB") in bytes.

Rule: a duration always has a unit, so that nobody has to guess whether 300 is seconds or milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection

from phantomgate.config.kinds import Kind, found
from phantomgate.core.characters import is_number

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "B": 1}  # as `_SECONDS`: before one that is its end
_DURATION = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)"
_SIZE = r"([0-9]{1,15})(B|KiB|MiB|GiB)"


def read_duration(text: object) -> float:
    """Seconds. Raises ValueError for anything but a number and a unit of ms, s, m or h, such as "500ms" or "5m"."""
    number, unit = _parts(text, _SECONDS) if isinstance(text, str) else ("", "")
    whole, dot, part = number.partition(".")
    if not is_number(whole, 9) or (dot and not is_number(part, 6)):
        raise ValueError(f"is {found(text)}, which is not a duration{_with_unit(text)}")
    return float(number) * _SECONDS[unit]


def _parts(text: str, units: Collection[str]) -> tuple[str, str]:
    """What stands before one of *units*, and that unit; nothing, where there is none."""
    unit = next((one for one in units if text.endswith(one)), "")
    return (text.removesuffix(unit), unit) if unit else ("", "")


def _with_unit(value: object) -> str:
    """The remedy: the same number with a unit, if it is one."""
    bare = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9
    if bare or (isinstance(value, str) and is_number(value, 9)):
        return f'; it needs a unit, such as "{value}s" (or ms, m, h)'
    return '; want a number and a unit, such as "500ms", "2s", "5m" or "1h"'


def read_size(value: object) -> int:
    """Bytes. Raises ValueError for anything but a whole number, or one with a unit of B, KiB, MiB or GiB."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    number, unit = _parts(value, _BYTES) if isinstance(value, str) else ("", "")
    if not is_number(number, 15):
        raise ValueError(f'is {found(value)}, which is not a size; want bytes or a unit, such as "64KiB" or "512MiB"')
    return int(number) * _BYTES[unit]


def duration(least: str, most: str) -> Kind[float]:
    """A duration within bounds, in seconds."""
    low, high = read_duration(least), read_duration(most)

    def read(value: object) -> float:
        seconds = read_duration(value)
        if not low <= seconds <= high:
            raise ValueError(f"is {found(value)}; want {least} to {most}")
        return seconds

    return Kind(f"duration, {least} to {most}", read, {"type": "string", "pattern": f"^{_DURATION}$"})


def size(least: str, most: str) -> Kind[int]:
    """A size within bounds, in bytes."""
    low, high = read_size(least), read_size(most)

    def read(value: object) -> int:
        count = read_size(value)
        if not low <= count <= high:
            raise ValueError(f"is {found(value)}; want {least} to {most}")
        return count

    def from_text(text: str) -> object:
        return int(text) if is_number(text, 15) else text

    schema = {"anyOf": [{"type": "integer", "minimum": low, "maximum": high},
                        {"type": "string", "pattern": f"^{_SIZE}$"}]}  # fmt: skip
    return Kind(f"size, {least} to {most}", read, schema, from_text)
