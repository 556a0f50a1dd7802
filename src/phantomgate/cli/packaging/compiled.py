"""Byte code for a function's folder, which is read-only: without it, every cold start compiles.

Rule: it is made by the very version that will run it, and is the same bytes every time: by hash and never checked, in a
process of its own, with the names that files have in the function.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

_SCRIPT = """
import py_compile, sys
for name in sys.stdin.read().split("\\n"):
    py_compile.compile(name, dfile=f"{sys.argv[1]}/{name}", doraise=True,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


def compiled(files: Mapping[str, bytes], root: str) -> Mapping[str, bytes]:
    """Path -> byte code for each module of *files*, whose folder in the function is *root*."""
    names = sorted(name for name in files if name.endswith(".py"))
    with TemporaryDirectory() as place:
        for name in names:
            file = Path(place, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(files[name])
        subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-S", "-s", "-P", "-W", "ignore", "-c", _SCRIPT, root],
            input="\n".join(names),
            text=True,
            check=True,
            cwd=place,
            env={"PYTHONHASHSEED": "0"},
        )
        made = Path(place).rglob("*.pyc")
        return {file.relative_to(place).as_posix(): file.read_bytes() for file in made}
