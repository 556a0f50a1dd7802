"""What more than one command is told by, so that it is spelled, explained and read alike everywhere."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config FILE`, as `options.config`: a Path, or None for the usual places."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="the settings, in TOML (default: $PHANTOMGATE_CONFIG, else ./phantomgate.toml if it is there); "
        "variables PHANTOMGATE__SECTION__KEY win over the file",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`, as `options.json`."""
    parser.add_argument("--json", action="store_true", help="the same, for programs: one JSON object on stdout")


def standard_input(most: int) -> bytes:
    """What comes on standard input, *most* bytes of it; nothing where whoever started us has closed it."""
    return b"" if sys.stdin is None else sys.stdin.buffer.read(most)
