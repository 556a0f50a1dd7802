"""Options that more than one command has, so that they are spelled and explained alike everywhere."""

from __future__ import annotations

import argparse
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
