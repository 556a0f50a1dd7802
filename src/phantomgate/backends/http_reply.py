"""Reads one HTTP/1.1 reply from bytes, in whatever pieces they come. No sockets, no clock.

Rule: a reply counts only if no two readers could disagree about where it ends; any doubt is Refused(BAD_ANSWER). Lines
end in CRLF, a body has exactly one framing, an encoding we didn't ask for is refused, and everything has a bound. No
received text is ever put into an error, since a server may echo a token.
"""

from __future__ import annotations

from collections.abc import Callable

from phantomgate.core.characters import TCHAR, only_bytes
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers
from phantomgate.core.pattern import pattern
from phantomgate.core.ports import HttpReply

MAX_SECTION = 32 * 1024
"""Bytes of a status line with its fields, or of trailers."""
MAX_FIELDS = 100
"""Header fields of one reply, those of its interim replies and trailers included."""
MAX_INTERIM = 8
"""How many 1xx replies may precede the real one (RFC 9110 §15.2 sets no bound)."""
MAX_CHUNK_LINE = 256

_NAME = TCHAR.encode()
_TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))  # RFC 9110 §5.5; no CTL
_CHUNK_LINE = pattern(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e]*)?")  # RFC 9112 §7.1.1: extensions are ignored


class ReplyReader:
    """One reply in the making. State: how far it got.

    `begun` says whether anything came at all, `reply` is there once it is whole, and `reusable` says whether the
    connection may then carry another call.
    """

    __slots__ = ("_body", "_count", "_headers", "_interim", "_left", "_max_bytes", "_minor", "_pending", "_section",
                 "_status", "_step", "begun", "reply", "reusable")  # fmt: skip

    def __init__(self, max_bytes: int) -> None:
        self.begun = False
        self.reply: HttpReply | None = None
        self.reusable = False
        self._max_bytes = max_bytes
        self._pending = bytearray()
        self._step: Callable[[ReplyReader], bool] = ReplyReader._status_line
        self._section = 0  # bytes of the present section: head, chunk line or trailers
        self._count = 0  # fields of all sections so far
        self._interim = 0
        self._minor = b"1"
        self._status = 0
        self._headers = Headers()
        self._left = 0  # bytes of the body, or of its present chunk, that are still to come
        self._body = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Read *data*; gives back what came after the reply's end. Raises Refused(BAD_ANSWER)."""
        self.begun = self.begun or bool(data)
        self._pending += data
        while self.reply is None:
            if not self._step(self):
                return b""
        surplus = bytes(self._pending)
        self._pending.clear()
        if surplus:  # nobody asked for it: whose answer would the next one be?
            self.reusable = False
        return surplus

    # Each step takes what it can use of `_pending`, and says whether that got it further.

    def _status_line(self) -> bool:
        if not b"HTTP/1.".startswith(bytes(self._pending[:7])):
            raise _bad("what came is not HTTP/1")
        line = self._line(MAX_SECTION)
        if line is None:
            return False
        # RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ], and those who leave out the last space
        minor, space, code, reason = line[7:8], line[8:9], line[9:12], line[12:]
        good = minor in (b"0", b"1") and space == b" " and len(code) == 3 and code.isdigit() and code[:1] in b"12345"
        if not good or not only_bytes(reason, _TEXT) or reason[:1].strip(b" "):
            raise _bad("malformed status line")
        self._minor, self._status = minor, int(code)
        self._step = ReplyReader._field
        return True

    def _field(self) -> bool:
        line = self._line(MAX_SECTION)
        if line is None:
            return False
        if line:
            name, value = self._name_and_value(line)
            self._headers.add(name, value)
        elif self._status < 200:
            self._skip_interim()
        else:
            self._frame()
        return True

    def _skip_interim(self) -> None:
        if self._status == 101:  # RFC 9110 §15.2.2
            raise _bad("status 101, although we asked for no upgrade")
        self._interim += 1
        if self._interim > MAX_INTERIM:
            raise _bad(f"more than {MAX_INTERIM} interim replies")
        self._headers = Headers()
        self._begin_section(ReplyReader._status_line)

    def _frame(self) -> None:
        """Where the body ends: RFC 9112 §6.3, without the cases that leave a doubt."""
        headers = self._headers
        if any(value.lower() != b"identity" for value in headers.all(b"content-encoding")):
            raise _bad("the body is encoded, although we asked for identity")
        options = b",".join(headers.all(b"connection")).lower().split(b",")
        self.reusable = self._minor == b"1" and b"close" not in [option.strip() for option in options]  # RFC 9112 §9.3
        codings, lengths = headers.all(b"transfer-encoding"), headers.all(b"content-length")
        if codings and lengths:
            raise _bad("both Transfer-Encoding and Content-Length")
        if codings and (len(codings) > 1 or codings[0].lower() != b"chunked" or self._minor == b"0"):
            raise _bad("Transfer-Encoding is not exactly chunked, or in an HTTP/1.0 reply")
        if len(lengths) > 1:
            raise _bad(f"{len(lengths)} Content-Length fields, want one")
        if lengths and not (lengths[0].isdigit() and len(lengths[0]) <= 18):
            raise _bad("Content-Length is not a number")
        self._left = int(lengths[0]) if lengths else 0
        if self._status in (204, 304):
            if codings or self._left:  # none may follow, but this server seems to think that one does
                self.reusable = False
            self._finish()
        elif codings:
            self._begin_section(ReplyReader._chunk_line)
        elif not lengths:  # up to the end of the connection: cut off, it would look whole
            raise _bad("neither Content-Length nor chunked, so nothing says where the body ends")
        elif self._left > self._max_bytes:
            raise _bad(f"a body of {self._left} bytes, want at most {self._max_bytes}")
        else:
            self._step = ReplyReader._sized_body

    def _sized_body(self) -> bool:
        if not self._take_body():
            return False
        self._finish()
        return True

    def _chunk_line(self) -> bool:
        line = self._line(MAX_CHUNK_LINE)
        if line is None:
            return False
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise _bad("malformed chunk size")
        self._left = int(found[1], 16)
        if len(self._body) + self._left > self._max_bytes:
            raise _bad(f"a chunked body of more than {self._max_bytes} bytes")
        self._begin_section(ReplyReader._chunk if self._left else ReplyReader._trailer)
        return True

    def _chunk(self) -> bool:
        if not self._take_body():
            return False
        self._step = ReplyReader._chunk_end
        return True

    def _chunk_end(self) -> bool:
        if not b"\r\n".startswith(bytes(self._pending[:2])):
            raise _bad("a chunk is longer than its size")
        if len(self._pending) < 2:
            return False
        del self._pending[:2]
        self._step = ReplyReader._chunk_line
        return True

    def _trailer(self) -> bool:
        line = self._line(MAX_SECTION)
        if line is None:
            return False
        if line:
            self._name_and_value(line)  # for its form only: nothing comes in by this door (RFC 9110 §6.5.1)
        else:
            self._finish()
        return True

    def _begin_section(self, step: Callable[[ReplyReader], bool]) -> None:
        self._section = 0
        self._step = step

    def _finish(self) -> None:
        self.reply = HttpReply(self._status, self._headers, bytes(self._body))

    def _line(self, limit: int) -> bytes | None:
        """The next line without its CRLF, once it is whole; all lines of a section share *limit* bytes."""
        end = self._pending.find(b"\n") + 1
        if self._section + (end or len(self._pending)) > limit:
            raise _bad(f"a line or header section of more than {limit} bytes")
        if not end:
            return None
        line = bytes(self._pending[:end])
        if not line.endswith(b"\r\n"):
            raise _bad("a line that ends in a bare LF, want CRLF")
        del self._pending[:end]
        self._section += end
        return line[:-2]

    def _name_and_value(self, line: bytes) -> tuple[bytes, bytes]:
        self._count += 1
        if self._count > MAX_FIELDS:
            raise _bad(f"more than {MAX_FIELDS} header fields")
        name, colon, value = line.partition(b":")  # RFC 9112 §5; no obs-fold
        if not (name and colon and only_bytes(name, _NAME) and only_bytes(value, _TEXT)):
            raise _bad("malformed header field")
        return name, value.strip(b" \t")

    def _take_body(self) -> bool:
        piece = self._pending[: self._left]
        del self._pending[: len(piece)]
        self._body += piece
        self._left -= len(piece)
        return not self._left


def _bad(detail: str) -> Refused:
    return Refused(Reason.BAD_ANSWER, detail)
