"""A Python of its own for what can only be seen from outside: what was imported, exit codes, standard streams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import phantomgate

SOURCES = str(Path(phantomgate.__file__).parents[1])


def python(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs this interpreter on the same sources, in the root folder, with *environ* as its whole environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PYTHONPATH": SOURCES, **environ},
    )
