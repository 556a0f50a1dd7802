"""The frame that HAProxy sends for nearly every request, read in one go.

Rule: what is read here, `spop.read_frame` and `spop.read_message` would read too, byte for byte, and what isn't is left
to them. So this only saves time: the words that our configuration has HAProxy send, in one order, are found at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from phantomgate.adapters.spop_data import Value, varint

ReadUsual: TypeAlias = Callable[[bytes, int, int], tuple[bytes, dict[bytes, Value]] | None]
"""(data, where the frame begins, where it ends) -> whose request it is, as an answer says it, and the arguments."""

# HAProxy's doc/SPOE.txt §3.1: a byte below 240, or one above and up to nine more, all but the last with their high bit
_SHORT = rb"[\x00-\xef]"
_NUMBER = rb"(?:" + _SHORT + rb"|[\xf0-\xff][\x80-\xff]{0,8}[\x00-\x7f])"


def read_usual(message: bytes, last: bytes) -> ReadUsual:
    """Reads a NOTIFY of *message* with a method, a path, perhaps a query, and perhaps *last*; None for any other frame.

    Each value ends where the next name begins, and that has to be what its length says. Only *last* may be long.
    """
    before_last = varint(len(last))
    match = re.compile(
        rb"(?s)\x03\x00\x00\x00\x01(" + _NUMBER * 2 + rb")" + varint(len(message)) + re.escape(message) + rb"\x04"
        rb"\x06method\x08(" + _SHORT + rb")([^\x04]*)"
        rb"\x04path\x08(" + _SHORT + rb")([^\x05]*)"
        rb"\x05query(?:\x08(" + _SHORT + rb")([^" + before_last + rb"]*)|\x00)"
        + before_last + re.escape(last) + rb"(?:[\x08\x09](" + _NUMBER + rb")(.*)|\x00)\Z"
    ).match  # fmt: skip

    def read(data: bytes, at: int, end: int) -> tuple[bytes, dict[bytes, Value]] | None:
        found = match(data, at, end)
        if found is None:
            return None
        ids, method_size, method, path_size, path, query_size, query, last_size, value = found.groups()
        if (
            method_size[0] != len(method)
            or path_size[0] != len(path)
            or (query is not None and query_size[0] != len(query))
            or (value is not None and last_size != varint(len(value)))
        ):
            return None
        return ids, {b"method": method, b"path": path, b"query": query, last: value}

    return read
