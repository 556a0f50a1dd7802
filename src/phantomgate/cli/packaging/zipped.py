"""A zip that is the same bytes for the same files: one order, one time, one mode.

Rule: nothing of the machine that made it is in it. (Another zlib may compress to other bytes of the same content.)
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_FILE, _PROGRAM = 0o100644, 0o100755
_UNIX = 3


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The zip with *files*, path -> content."""
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for name in sorted(files):
            info = ZipInfo(name, _FIRST_DAY)
            info.create_system = _UNIX
            info.external_attr = (_PROGRAM if name.endswith(".so") else _FILE) << 16
            info.compress_type = ZIP_DEFLATED
            archive.writestr(info, files[name], compresslevel=9)
    return out.getvalue()
