"""How large the head of a request may be, the same for every way of asking.

Rule: what is over a limit is refused before anything in it is looked at, and told by a number, never by what it said.
"""

from __future__ import annotations

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Headers


def too_large(line: int, headers: Headers, most_fields: int, most_bytes: int) -> Refused | None:
    """The refusal of a head with more than *most_fields* fields or *most_bytes* bytes, or None.

    *line* is how many bytes the request line took. A field takes what it does in HTTP/1.1.
    """
    fields = size = 0
    for name, value in headers:
        fields += 1
        size += len(name) + len(value) + 4
    if fields > most_fields:
        return Refused(Reason.MALFORMED_REQUEST, f"{fields} header fields, want at most {most_fields}")
    if line + size > most_bytes:
        return Refused(Reason.MALFORMED_REQUEST, f"a header section of {line + size} bytes, want at most {most_bytes}")
    return None
