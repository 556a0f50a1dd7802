"""Protocol buffers' wire format (protobuf.dev, "Encoding"), as far as our few messages need it. Pure: bytes in, out.

Rule: a message is read whole or refused, every length is checked against what is there, and fields that we don't know
are passed over, which is how newer senders are understood.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}


class Malformed(ValueError):
    """Bytes that are no message."""


def read_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of each field that has a length: strings, bytes and messages. Raises Malformed."""
    at, size = 0, len(data)
    while at < size:
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise Malformed("a field with number 0")
        if kind == _BYTES:
            length, at = _read_varint(data, at)
            end = at + length
            if end > size:
                raise Malformed("a message that ends within a field")
            yield number, data[at:end]
            at = end
        elif kind == _VARINT:
            _, at = _read_varint(data, at)
        elif kind in _SIZES:
            at += _SIZES[kind]
            if at > size:
                raise Malformed("a message that ends within a number")
        else:
            raise Malformed(f"a field of wire type {kind}")


def read_one(data: bytes, number: int) -> bytes:
    """The field *number* of the message *data*, empty if it is not there. Raises Malformed, also when it comes twice.

    A parser may merge messages that come twice; whoever does that to us wants one of them not to be seen.
    """
    found = [value for one, value in read_fields(data) if one == number]
    if len(found) > 1:
        raise Malformed(f"field {number} twice")
    return found[0] if found else b""


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    try:
        while True:
            octet = data[at]
            at += 1
            number |= (octet & 127) << shift
            if octet < 128:
                return number, at
            shift += 7
            if shift > 63:
                raise Malformed("a number of more than 64 bits")
    except IndexError:
        raise Malformed("a message that ends within a number") from None


def varint(number: int) -> bytes:
    """*number*, not negative, in groups of seven bits."""
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def number_field(number: int, value: int) -> bytes:
    """A field with an integer, boolean or enum."""
    return varint(number << 3 | _VARINT) + varint(value)


def bytes_field(number: int, value: bytes | str) -> bytes:
    """A field with a string, bytes or a message. What is no text in UTF-8 becomes `?`."""
    data = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return varint(number << 3 | _BYTES) + varint(len(data)) + data


def write_struct(values: Mapping[str, Any]) -> bytes:
    """*values*, as JSON has them, as a google.protobuf.Struct."""
    return b"".join(
        bytes_field(1, bytes_field(1, name) + bytes_field(2, _write_value(value)))
        for name, value in sorted(values.items())  # the order is free, and so the same for the same values
    )


def _write_value(value: Any) -> bytes:
    """A google.protobuf.Value; its numbers are doubles."""
    if value is None:
        return number_field(1, 0)
    if isinstance(value, bool):
        return number_field(4, value)
    if isinstance(value, (int, float)):
        return varint(2 << 3 | _FIXED64) + struct.pack("<d", value)
    if isinstance(value, str):
        return bytes_field(3, value)
    if isinstance(value, Mapping):
        return bytes_field(5, write_struct(value))
    return bytes_field(6, b"".join(bytes_field(1, _write_value(one)) for one in value))
