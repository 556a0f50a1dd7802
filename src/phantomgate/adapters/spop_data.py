"""SPOP's numbers, strings and typed data (HAProxy's doc/SPOE.txt §3.1). Pure.

Rule: every length is checked against what is there, and nothing is guessed.
"""

from __future__ import annotations

from typing import TypeAlias

INVALID = 4
"""The status code of a disconnect for a frame that can't be read (§3.5)."""

Value: TypeAlias = bool | int | bytes | None
"""Typed data (§3.1): null, boolean, integer, and everything else as its bytes."""


class Malformed(ValueError):
    """A frame that can't be read; `status` says so to HAProxy."""

    def __init__(self, why: str, status: int = INVALID) -> None:
        super().__init__(why)
        self.status = status


def varint(number: int) -> bytes:
    """*number* in the encoding of §3.1, which has ten bytes for 64 bits."""
    if number < 240:
        return bytes((number,))
    made = [number & 15 | 240]
    number = (number - 240) >> 4
    while number >= 128:
        made.append(number & 127 | 128)
        number = (number - 128) >> 7
    made.append(number)
    return bytes(made)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at *at*, and what follows it."""
    try:
        number = data[at]
        at += 1
        if number < 240:
            return number, at
        shift = 4
        while True:
            octet = data[at]
            at += 1
            number += octet << shift
            if octet < 128:
                return number, at
            shift += 7
            if shift > 60:
                raise Malformed("a number of more than 64 bits")
    except IndexError:
        raise Malformed("a frame that ends within a number") from None


def read_string(data: bytes, at: int) -> tuple[bytes, int]:
    size = data[at] if at < len(data) else 255
    if size < 240:  # nearly all are short
        at += 1
    else:
        size, at = read_varint(data, at)
    end = at + size
    if end > len(data):
        raise Malformed("a frame that ends within a string")
    return data[at:end], end


_FIXED = {6: 4, 7: 16}  # addresses


def read_value(data: bytes, at: int) -> tuple[Value, int]:
    if at >= len(data):
        raise Malformed("a name without a value")
    kind = data[at] & 15
    if kind in (8, 9):
        return read_string(data, at + 1)
    if kind == 0:
        return None, at + 1
    if kind == 1:
        return bool(data[at] & 16), at + 1
    if kind in (2, 3, 4, 5):
        return read_varint(data, at + 1)
    size = _FIXED.get(kind)
    if size is None:
        raise Malformed(f"data of type {kind}")
    if at + 1 + size > len(data):
        raise Malformed("a frame that ends within an address")
    return data[at + 1 : at + 1 + size], at + 1 + size


def write_text(text: str) -> bytes:
    data = text.encode("latin-1")
    return varint(len(data)) + data


def write_typed(value: str | int) -> bytes:
    return b"\x03" + varint(value) if isinstance(value, int) else b"\x08" + write_text(value)
