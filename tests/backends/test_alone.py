"""One process on this machine, and the next one when it has ended."""

from __future__ import annotations

import subprocess
import sys

from phantomgate.backends.alone import hold
from processes import SOURCES

NAME = "phantomgate-test-of-being-alone"


def test_a_name_is_held_by_one_and_free_when_that_lets_go():
    first = hold(NAME)
    assert hold(NAME) is None
    other = hold(f"{NAME}-2")
    assert other is not None
    first.close()
    again = hold(NAME)

    assert again is not None
    again.close()
    other.close()


def test_a_process_that_is_killed_holds_nothing():
    code = f"from phantomgate.backends.alone import hold; x = hold({NAME!r}); print(bool(x), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": SOURCES},
        text=True,
    ) as process:
        assert "True" == process.stdout.readline().strip()
        assert hold(NAME) is None
        process.kill()
    free = hold(NAME)

    assert free is not None
    free.close()
