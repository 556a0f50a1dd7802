"""SPOP 2.0, HAProxy's Stream Processing Offload Protocol (HAProxy's doc/SPOE.txt §3). Pure: bytes in, bytes out.

Rule: a frame is read whole or refused, every length is checked against what is there, and nothing is guessed. We take
no fragments and announce none, so that a frame is always one request or one answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from phantomgate.adapters.spop_data import (
    Malformed,
    Value,
    read_string,
    read_value,
    read_varint,
    varint,
    write_text,
    write_typed,
)

VERSION = "2.0"
HAPROXY_HELLO, HAPROXY_DISCONNECT, NOTIFY = 1, 2, 3
AGENT_HELLO, AGENT_DISCONNECT, ACK = 101, 102, 103
_FIN, _ABORT = 1, 2

NORMAL, TOO_BIG, NO_VERSION, NO_SIZE, NO_CAPABILITIES, BAD_VERSION, BAD_SIZE, FRAGMENTED, OUT_OF_ROOM = (
    0, 3, 5, 6, 7, 8, 9, 10, 13,
)  # fmt: skip
"""Status codes of a disconnect (§3.5), besides `INVALID`."""

LEAST_FRAME = 256
"""Bytes: no peer may want smaller frames (§3.2.4)."""


def read_frame(data: bytes) -> tuple[int, int, int, int]:
    """What stands before the payload of the frame *data*, its length left out: its type, whose request it is about
    (stream and frame), and where in *data* the payload begins. Raises Malformed.
    """
    if len(data) < 7:
        raise Malformed("a frame shorter than its header")
    kind = data[0]
    flags = int.from_bytes(data[1:5])
    if flags & ~(_FIN | _ABORT):
        raise Malformed("unknown flags")
    if flags != _FIN:
        raise Malformed("a fragment", FRAGMENTED)
    stream_id, at = read_varint(data, 5)
    frame_id, at = read_varint(data, at)
    return kind, stream_id, frame_id, at


def read_pairs(data: bytes, at: int = 0) -> dict[bytes, Value]:
    """The KV-list that fills the rest of *data*. Raises Malformed, also when a name comes twice."""
    pairs: dict[bytes, Value] = {}
    size = len(data)
    while at < size:
        name, at = read_string(data, at)
        if name in pairs:
            raise Malformed("a name twice")
        if data[at : at + 1] == b"\x08":  # nearly all are short strings, so `read_value` is written out for them
            short = at + 2
            end = short + (data[at + 1] if short <= size else 255)
            if end <= size and data[at + 1] < 240:
                pairs[name] = data[short:end]
                at = end
                continue
        pairs[name], at = read_value(data, at)
    return pairs


def read_message(data: bytes, at: int) -> tuple[bytes, dict[bytes, Value]]:
    """Name and arguments of the one message that fills the rest of *data* (§3.2.6). Raises Malformed."""
    name, at = read_string(data, at)
    if at >= len(data):
        raise Malformed("a message without a number of arguments")
    count = data[at]
    pairs = read_pairs(data, at + 1)
    if len(pairs) != count:
        raise Malformed(f"{len(pairs)} arguments where {count} are announced, or more than one message")
    return name, pairs


def read_fields(data: bytes) -> list[tuple[bytes, bytes]]:
    """The header fields in *data*, as `req.hdrs_bin` gives them: names and values, and two empty ones at the end."""
    fields: list[tuple[bytes, bytes]] = []
    at = 0
    try:
        while True:  # `read_string` twice, written out: this is most of what reading a request costs
            size = data[at]
            at += 1
            if size >= 240:
                size, at = read_varint(data, at - 1)
            end = at + size
            name = data[at:end]
            size = data[end]
            at = end + 1
            if size >= 240:
                size, at = read_varint(data, end)
            end = at + size
            if not name:
                break
            fields.append((name, data[at:end]))
            at = end
    except IndexError:
        raise Malformed("header fields that are cut off") from None
    if size or end != len(data):  # a string that reached beyond the end would have brought us elsewhere
        raise Malformed("header fields that don't end where they should")
    return fields


def write_frame(kind: int, stream_id: int, frame_id: int, payload: bytes) -> bytes:
    """A whole frame, with its length before it (§3.2)."""
    head = bytes((kind, 0, 0, 0, _FIN)) + varint(stream_id) + varint(frame_id)
    return (len(head) + len(payload)).to_bytes(4) + head + payload


def write_ack(ids: bytes, payload: bytes) -> bytes:
    """The answer to the request of the stream and frame *ids*, which is said in the bytes that asked."""
    return b"%b\x67\0\0\0\1%b%b" % ((5 + len(ids) + len(payload)).to_bytes(4), ids, payload)


def write_pairs(pairs: Mapping[str, str | int]) -> bytes:
    """A KV-list of strings and unsigned 32-bit integers."""
    return b"".join(write_text(name) + write_typed(value) for name, value in pairs.items())


def write_variables(variables: Iterable[tuple[str, str | int]]) -> bytes:
    """The actions that set *variables* in the scope of the transaction (§3.4). Values are Latin-1."""
    return b"".join(b"\x01\x03\x02" + write_text(name) + write_typed(value) for name, value in variables)
