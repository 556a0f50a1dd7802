"""The `phantomgate` command: one table of commands, each in a module of its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code (0 good, 1 the authorization server, 2 settings or usage)."""
    parser = argparse.ArgumentParser(prog="phantomgate")
    parser.parse_args(arguments)
    return 0
