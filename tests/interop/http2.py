"""HTTP/2 with prior knowledge: as curl speaks it, and frame by frame, for what no client library would send.

Rule: nothing is mended here. A field goes out as it is given, in plain literals (RFC 7541 section 6.2.2).
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable
from contextlib import suppress

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_STATUSES = (200, 204, 206, 304, 400, 404, 500)
"""RFC 7541 appendix A, 8 to 14."""


def over_2(authority: str, *fields: tuple[str, str], path: str = "/orders") -> int:
    """The status of a GET over HTTP/2 in the clear. Raises AssertionError when the answer is of another version."""
    given = [word for name, value in fields for word in ("-H", f"{name}: {value}")]
    command = ["curl", "--silent", "--http2-prior-knowledge", "--path-as-is", "--max-time", "20"]
    command += ["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}", *given]
    done = subprocess.run([*command, f"http://{authority}{path}"], capture_output=True, text=True, check=False)
    version, _, status = done.stdout.partition(" ")
    assert (done.returncode, version) == (0, "2"), done
    return int(status)


def raw_2(
    port: int, *fields: tuple[str, str], data: bytes | None = None, trailers: Iterable[tuple[str, str]] = ()
) -> int:
    """The status that comes of one request of these *fields*, pseudo-headers too; 0 when the stream or the connection
    is reset instead. Raises TimeoutError when nothing comes.
    """
    trailers = tuple(trailers)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        request = [PREFACE, frame(SETTINGS)]
        request.append(frame(HEADERS, END_HEADERS | (data is None and not trailers), 1, block(fields)))
        if data is not None:
            request.append(frame(DATA, not trailers, 1, data))
        if trailers:
            request.append(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(trailers)))
        with suppress(ConnectionError), peer.makefile("rb") as heard:
            peer.sendall(b"".join(request))
            while head := heard.read(9):
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
                payload = heard.read(int.from_bytes(head[:3]))
                if kind == HEADERS and stream == 1 and (status := _status(payload)) >= 200:
                    return status
                if kind == GOAWAY or (kind == RST_STREAM and stream == 1):
                    return 0
                if kind == SETTINGS and not flags & ACK:
                    peer.sendall(frame(SETTINGS, ACK))
        return 0


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def block(fields: Iterable[tuple[str, str]]) -> bytes:
    """*fields* as literals that nobody remembers, as they are."""
    return b"".join(b"\0" + _literal(name) + _literal(value) for name, value in fields)


def _literal(text: str) -> bytes:
    data = text.encode("latin-1")
    return _integer(len(data)) + data


def _integer(number: int) -> bytes:
    """RFC 7541 section 5.1, with a prefix of seven bits."""
    if number < 127:
        return bytes([number])
    said, rest = [127], number - 127
    while rest >= 128:
        said.append(rest % 128 + 128)
        rest //= 128
    return bytes([*said, rest])


def _status(block: bytes) -> int:
    """The `:status` that a block of header fields begins with."""
    at = 0
    while block[at] >> 5 == 1:  # the size of the table, RFC 7541 section 6.3
        at += 1
    first = block[at]
    if first & 0x80:
        return _STATUSES[(first & 0x7F) - 8]
    assert first & 0x0F in range(8, 15), block[:16].hex()  # a literal whose name is `:status`
    length, value = block[at + 1] & 0x7F, block[at + 2 :]
    if not block[at + 1] & 0x80:
        return int(value[:length])
    bits = "".join(f"{byte:08b}" for byte in value[:length])
    digits = ""
    while len(digits) < 3:  # appendix B: five bits for 0, 1, 2 and six for the others
        size = 5 if bits[:5] < "00011" else 6
        code = int(bits[:size], 2)
        digits, bits = digits + str(code if size == 5 else code - 0b011001 + 3), bits[size:]
    return int(digits)
