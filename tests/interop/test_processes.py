"""A port that one test got is no other's: not of this process, nor of another that tests meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from interop.processes import free_port, reserve

ASK = "import sys; from interop.processes import reserve; sys.exit(reserve(int(sys.argv[1])))"


def test_a_port_is_given_away_once():
    port = free_port()
    assert not reserve(port)
    command = [sys.executable, "-c", ASK, str(port)]
    assert 0 == subprocess.run(command, cwd=Path(__file__).parents[1], timeout=120, check=False).returncode
