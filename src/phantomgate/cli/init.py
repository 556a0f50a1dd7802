"""`phantomgate init GATEWAY`: write a gateway's configuration from the settings, so that the two can't disagree.

Rule: a file that is not ours is never overwritten, and either every file is written or none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from phantomgate.cli.gateways import GATEWAYS, kind_of
from phantomgate.cli.gateways.kind import Kind, Places, advice, problems
from phantomgate.cli.options import add_config
from phantomgate.cli.teaching import Teaching
from phantomgate.config.loading import load_settings
from phantomgate.core.errors import Problem, SettingsError

GOOD, DIFFERENT = 0, 2

EXAMPLES = """\
examples:
  phantomgate init nginx                              into ./nginx: nginx asks for every request
  phantomgate init nginx --cached                     nginx remembers what phantomgate let in
  phantomgate init nginx --output /etc/nginx --check  does that nginx still fit the settings?

What a gateway has besides the options of all: phantomgate init GATEWAY --help

exit codes:
  0  written, or (--check) as it should be
  2  the settings have problems, or don't fit this gateway; a file is somebody else's; or (--check) files differ
"""

PAGES = {"kong": "kong-functions"}
"""Whose page has another name; Kong has two ways."""

OF_ONE = """\
The files fit the settings that `serve` runs on. A file that `init` has not written is never overwritten. After a change
of the settings, write them again, or have --check say in a pipeline that they no longer fit.

  phantomgate init {name} --api 127.0.0.1:8000
  phantomgate init {name} --output DIR --check

What each line is for, and how to try it: docs/how-to/{page}.md

exit codes:
  0  written, or (--check) as it should be
  2  the settings have problems, or don't fit this gateway; a file is somebody else's; or (--check) files differ
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Which gateway, where to, and the few things that settings don't say."""
    parser.epilog = EXAMPLES
    gateways = parser.add_subparsers(title="gateways", metavar="GATEWAY", dest="gateway", required=True)
    for name, means in GATEWAYS.items():
        gateway = gateways.add_parser(
            name,
            help=means,
            description=f"Writes the configuration of {name}: {means}.",
            epilog=OF_ONE.format(name=name, page=PAGES.get(name, name)),
            formatter_class=Teaching,
        )
        add_config(gateway)
        _add_places(gateway, name)
        kind_of(name).add(gateway)


def _add_places(parser: argparse.ArgumentParser, name: str) -> None:
    default = Places()
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path(name), help="where to write (default: ./%(default)s)"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 2 if a file isn't what we would write"
    )
    parser.add_argument(
        "--bind", metavar="ADDRESS", default=default.bind, help="where the gateway listens (default: %(default)s)"
    )
    parser.add_argument("--api", metavar="ADDRESS", default=default.api, help="your API (default: %(default)s)")
    parser.add_argument(
        "--decision",
        metavar="ADDRESS",
        default=default.decision,
        help="where the gateway finds phantomgate (default: where [serve] listens)",
    )


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """0 when written, or as it should be; 2 when not. Raises SettingsError."""
    settings = load_settings(options.config, environ)
    kind, places = kind_of(options.gateway), Places(options.bind, options.api, options.decision)
    if found := [*problems(kind, settings, places)]:
        raise SettingsError(found)
    wanted = kind.render(settings, places, options)
    folder: Path = options.output
    if options.check:
        different = [*_different(kind, folder, wanted)]
        for line in different:
            print(line, file=sys.stderr)
        return DIFFERENT if different else GOOD
    _write(kind, folder, wanted)
    for name in wanted:
        print(folder / name)
    for text in (*advice(kind, settings), *kind.advice(settings, options)):
        print(f"note: {text}", file=sys.stderr)
    return GOOD


def _different(kind: Kind, folder: Path, wanted: Mapping[str, str]) -> Iterator[str]:
    """What is not as we would write it, but for what is the user's own."""
    for name, text in wanted.items():
        if name in kind.own:
            continue
        file = folder / name
        try:
            there = file.read_text("utf-8", errors="replace") if file.is_file() else None
        except OSError as no:
            yield f"{file}: can't be read: {no.strerror}"
            continue
        if there is None:
            yield f"{file}: missing; write it with phantomgate init {kind.name}"
        elif there != text:
            yield f"{file}: differs from what the settings ask for; write it again with phantomgate init {kind.name}"


def _write(kind: Kind, folder: Path, wanted: Mapping[str, str]) -> None:
    try:
        theirs = [
            Problem("--output", f"{folder / name} is there and isn't ours; choose another folder", "command line")
            for name in wanted
            if (folder / name).exists() and not _ours(folder / name, kind.mark)
        ]
        if theirs:
            raise SettingsError(theirs)
        for name, text in wanted.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    except OSError as no:
        text = f"can't be written: {no.strerror}; choose another folder"
        raise SettingsError([Problem("--output", text, str(folder))]) from None


def _ours(file: Path, mark: str) -> bool:
    return file.is_file() and mark in file.read_text("utf-8", errors="replace")[:500]
