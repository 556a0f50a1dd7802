"""SPOP's bytes: what HAProxy's own document and its encoder say, and never a guess about what was cut, long or odd."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.adapters import spop
from phantomgate.adapters.spop_data import Malformed, varint

HEAD = bytes((spop.NOTIFY, 0, 0, 0, 1))


def text(data: bytes) -> bytes:
    return varint(len(data)) + data


@pytest.mark.parametrize(
    ("number", "octets"),
    [  # the table of SPOE.txt §3.1 and its edges, worked out by the C of that section
        (0, "00"),
        (239, "ef"),
        (240, "f000"),
        (241, "f100"),
        (255, "ff00"),
        (256, "f001"),
        (2287, "ff7f"),
        (2288, "f08000"),
        (264431, "ffff7f"),
        (264432, "f0808000"),
        (33818863, "ffffff7f"),
        (2**64 - 1, "ff" + "f0fefefefefefefe0e"),
    ],
)
def test_numbers_are_written_as_haproxy_writes_them(number, octets):
    assert octets == varint(number).hex()


@given(st.integers(0, 2**64 - 1))
def test_a_number_is_read_as_it_was_written(number):
    frame = spop.write_frame(spop.ACK, number, number // 3, b"payload")
    assert len(frame) - 4 == int.from_bytes(frame[:4])
    kind, stream_id, frame_id, at = spop.read_frame(frame[4:])
    assert (spop.ACK, number, number // 3, b"payload") == (kind, stream_id, frame_id, frame[4 + at :])


@pytest.mark.parametrize("end", ["ff" * 12, "f0" + "80" * 11 + "00", "f0", "f080"])
def test_a_number_that_does_not_end_or_is_too_large_is_none(end):
    with pytest.raises(Malformed):
        spop.read_frame(HEAD + bytes.fromhex(end))


@pytest.mark.parametrize(("flags", "status"), [(0, 10), (2, 10), (3, 10), (4, 4), (1 << 31 | 1, 4)])
def test_only_whole_frames_are_taken(flags, status):
    with pytest.raises(Malformed) as no:
        spop.read_frame(bytes((spop.NOTIFY,)) + flags.to_bytes(4) + b"\x01\x01")
    assert status == no.value.status


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("00", None),
        ("01", False),
        ("11", True),
        ("0307", 7),
        ("02f000", 240),
        ("05f000", 240),
        ("067f000001", b"\x7f\0\0\1"),
        ("07" + "00" * 15 + "01", bytes(15) + b"\1"),
        ("0803616263", b"abc"),
        ("0900", b""),
    ],
)
def test_each_type_of_data_is_read(data, value):
    read = spop.read_pairs(text(b"x") + bytes.fromhex(data))
    assert {b"x": value} == read
    assert type(value) is type(read[b"x"])


@pytest.mark.parametrize("data", ["", "0a", "0f00", "08", "0805616263", "067f0000", "03", "03ff"])
def test_data_that_is_cut_or_of_no_type_is_refused(data):
    with pytest.raises(Malformed):
        spop.read_pairs(text(b"x") + bytes.fromhex(data))


def test_a_name_twice_is_refused():
    with pytest.raises(Malformed, match="twice"):
        spop.read_pairs(b"\x01x\x00\x01x\x11")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_number_of_arguments_is_what_is_announced(count):
    pairs = b"\x01a\x00\x01b\x11"
    assert (b"m", {b"a": None, b"b": True}) == spop.read_message(b"\x01m\x02" + pairs, 0)
    with pytest.raises(Malformed, match="announced"):
        spop.read_message(b"\x01m" + bytes((count,)) + pairs, 0)
    with pytest.raises(Malformed, match="number of arguments"):
        spop.read_message(b"\x01m", 0)


def test_fields_are_read_in_order_with_every_repetition():
    fields = [(b"host", b"a"), (b"cookie", b"b" * 300), (b"cookie", b"")]
    packed = b"".join(text(name) + text(value) for name, value in fields)
    assert fields == spop.read_fields(packed + b"\0\0")
    for bad in (packed, packed + b"\0", packed + b"\0\0\0", packed + b"\0\1x", packed + b"\0\0" + packed + b"\0\0"):
        with pytest.raises(Malformed):
            spop.read_fields(bad)


def test_variables_are_set_in_the_scope_of_the_transaction():
    made = spop.write_variables([("status", 401), ("body", "é")])
    assert b"\x01\x03\x02\x06status\x03" + varint(401) + b"\x01\x03\x02\x04body\x08\x01\xe9" == made


@given(st.binary(max_size=64))
@example(HEAD + b"\0\0")
def test_whatever_comes_is_read_or_refused_in_words(data):
    for read in (spop.read_frame, spop.read_pairs, spop.read_fields, lambda one: spop.read_message(one, 0)):
        with suppress(Malformed):
            read(data)
