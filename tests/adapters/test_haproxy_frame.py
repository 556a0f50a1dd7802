"""The usual frame of HAProxy, read in one go: as the reader of all frames reads it, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.adapters import haproxy, spop
from phantomgate.adapters.haproxy_frame import read_usual
from phantomgate.adapters.spop_data import Malformed, varint

KINDS = {haproxy.PLAIN: b"authorization", haproxy.WHOLE: b"headers"}
READ = {name: read_usual(name, last) for name, last in KINDS.items()}


def text(data: bytes) -> bytes:
    return varint(len(data)) + data


def typed(value: bytes | None, kind: int = 8) -> bytes:
    return b"\0" if value is None else bytes((kind,)) + text(value)


def frame(name=haproxy.PLAIN, *, method=b"GET", path=b"/a", query=None, last=b"Bearer t", stream=7, kind=8):
    said = [
        (b"method", typed(method)),
        (b"path", typed(path)),
        (b"query", typed(query)),
        (KINDS[name], typed(last, kind)),
    ]
    pairs = b"".join(text(key) + value for key, value in said)
    return spop.write_frame(spop.NOTIFY, stream, 1, text(name) + b"\x04" + pairs)[4:]


def slowly(data: bytes):
    """What the reader of all frames makes of *data*; None for what it refuses."""
    try:
        kind, _, _, at = spop.read_frame(data)
        name, arguments = spop.read_message(data, at)
    except Malformed:
        return None
    return kind, data[5:at], name, arguments


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("stream", [0, 239, 240, 2287, 2288, 2**40, 2**64 - 1])
@pytest.mark.parametrize("last", [None, b"", b"Bearer t", b"x" * 239, b"x" * 240, b"x" * 2288, bytes(range(256)) * 300])
@pytest.mark.parametrize("query", [None, b"", b"a=b", b"x" * 239])
def test_what_haproxy_sends_is_read_in_one_go(name, stream, last, query):
    data = frame(name, last=last, query=query, stream=stream, kind=9)
    arguments = {b"method": b"GET", b"path": b"/a", b"query": query, KINDS[name]: last}
    assert (varint(stream) + b"\x01", arguments) == READ[name](b"....." + data + b"...", 5, 5 + len(data))


@pytest.mark.parametrize(
    "data",
    [
        frame(path=b"/" * 240),  # a length of two bytes
        frame(path=b"/\x05query"),
        frame()[:-1],
        frame() + b"x",
        frame().replace(b"\x02/a", b"\x01/a"),
        frame().replace(b"\x02/a", b"\xf0/a"),
        frame(method=b"GETS").replace(b"\x04GETS", b"\x03GETS"),
        frame(query=b"ab").replace(b"\x02ab", b"\x01ab"),
        frame(last=b"x" * 240).replace(varint(240), varint(239)),
        frame(path=b"/" * 239 + b"\xf0", query=b"").replace(varint(240), b"\xf0", 1),
        frame().replace(b"\x04\x06method", b"\x05\x06method"),
        frame().replace(b"\x0cdecide-plain", b"\x06decide-plain"),
        b"\x65" + frame()[1:],
        frame()[:4] + b"\x03" + frame()[5:],
        frame(haproxy.WHOLE),
    ],
)
def test_what_is_not_quite_so_is_left_to_the_reader_of_all_frames(data):
    assert READ[haproxy.PLAIN](data, 0, len(data)) is None


@given(
    name=st.sampled_from([*KINDS]),
    words=st.lists(st.binary(max_size=4), min_size=3, max_size=3),
    last=st.none() | st.binary(max_size=300),
    stream=st.integers(0, 2**64 - 1),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255), st.sampled_from([0, 1, 2])), max_size=2),
)
def test_whatever_is_read_in_one_go_is_read_so_word_by_word(name, words, last, stream, changes):
    method, path, query = words
    data = bytearray(frame(name, method=method, path=path, query=query, last=last, stream=stream))
    for at, octet, how in changes:
        at %= len(data)
        data[at : at + (how != 0)] = bytes((octet,)) if how < 2 else b""
    found = READ[name](bytes(data), 0, len(data))
    if found is not None:
        ids, arguments = found
        assert (spop.NOTIFY, ids, name, arguments) == slowly(bytes(data))


def test_an_answer_names_the_request_in_its_own_bytes():
    ids = varint(300) + varint(2)
    assert spop.write_frame(spop.ACK, 300, 2, b"payload") == spop.write_ack(ids, b"payload")
