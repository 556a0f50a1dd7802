"""How large a head may be: counted as it is in HTTP/1.1, each repetition too."""

from __future__ import annotations

import pytest

from phantomgate.adapters.limits import too_large
from phantomgate.core.model import Headers

HEAD = Headers.of([("a", "1"), ("a", "2"), ("bb", "33")])
"""Three fields, 4 * 3 + 2 + 2 + 4 bytes."""


@pytest.mark.parametrize(("line", "fields", "size"), [(0, 3, 20), (10, 3, 30), (0, 1000, 1000)])
def test_what_just_fits_is_not_too_large(line, fields, size):
    assert too_large(line, HEAD, fields, size) is None


@pytest.mark.parametrize(
    ("line", "fields", "size", "says"),
    [
        (0, 2, 1000, "3 header fields, want at most 2"),
        (0, 3, 19, "a header section of 20 bytes, want at most 19"),
        (11, 3, 30, "a header section of 31 bytes, want at most 30"),
    ],
)
def test_what_does_not_is_refused_by_a_number(line, fields, size, says):
    no = too_large(line, HEAD, fields, size)
    assert (400, says) == (no.reason.status, no.detail)
