"""The `phantomgate` command: one table of commands, each in a module of its own that is imported when it is asked for.

The shape of a command module, `phantomgate.cli.NAME`:

    def add(parser: argparse.ArgumentParser) -> None       its options, and the text of `--help`, with an example
    def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int       what it does; the exit code

Results go to stdout and errors to stderr. A command may raise SettingsError and needn't catch it.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from phantomgate.cli.teaching import Teaching
from phantomgate.config.loading import process_environ
from phantomgate.core.errors import SettingsError

GOOD, SERVER, SETTINGS = 0, 1, 2
"""Exit codes: all is well; the authorization server is not; the settings or the command line are not."""

COMMANDS = {
    "serve": "the decision service",
    "check": "say everything that is wrong with the settings and the authorization server",
    "explain": "decide one request and show every step",
    "probe": "find out what an authorization server speaks, and write the settings for it",
    "init": "write the configuration of a gateway from the settings",
    "doctor": "send the known bypasses through a real gateway, and see what reaches the API",
    "package": "make the zip of an AWS Lambda authorizer",
    "purge": "have tokens forgotten and refused, everywhere, now",
    "keygen": "make a key",
    "demo": "the phantom token pattern at work, with a development authorization server",
}

EXTRAS = {
    "serve": ("aiohttp", "httptools", "uvloop", "prometheus_client"),
    "jwt": ("cryptography", "joserfc"),
    "redis": ("redis",),
    "aws": ("yaml",),
    "agent": ("uvicorn",),
    "grpc": ("grpc",),
    "otel": ("opentelemetry",),
}
"""Which extra of the package brings which library."""

EXAMPLES = """\
start here:
  phantomgate probe https://as.example     what does my authorization server speak, and what do I write?
  phantomgate check                        is everything right?
  phantomgate serve --config gateway.toml  run
  phantomgate explain --path /orders --header 'Authorization: Bearer ...'
                                           why is this request let in, or not?

Every command explains itself: phantomgate COMMAND --help
"""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command; the result is the exit code (0 good, 1 the authorization server, 2 settings or usage)."""
    given = list(sys.argv[1:] if arguments is None else arguments)

    def act() -> int:  # the command's module may need what isn't installed
        options = _parser(given[0] if given else "").parse_args(given or ["--help"])
        code: int = options.run(options, process_environ() if environ is None else environ)
        return code

    return exit_code(act)


def exit_code(act: Callable[[], int]) -> int:
    """What *act* gives; or, when it can't go on, the code that says why, and why on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that isn't in this locale is escaped, and stops nobody
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _code(act)
        _flush()  # while somebody can still be told that nobody reads
        return code
    except BrokenPipeError:  # such as `| head`
        _write_nowhere()
        return 141  # 128 + SIGPIPE
    except OSError as no:
        if no.errno not in _UNWRITTEN or no.filename is not None:
            raise
        _write_nowhere()
        print(f"the result can't be written: {no.strerror}", file=sys.stderr)
        return SETTINGS


_UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _code(act: Callable[[], int]) -> int:
    try:
        return act()
    except SystemExit:  # help, or a command line of no use
        _flush()
        raise
    except SettingsError as wrong:
        print(wrong, file=sys.stderr)
        return SETTINGS
    except ModuleNotFoundError as missing:
        print(_remedy(missing), file=sys.stderr)
        return SETTINGS
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells have it


def _flush() -> None:
    if sys.stdout is not None:  # None: closed by whoever started us
        sys.stdout.flush()


def _write_nowhere() -> None:
    """Lose what is still to be flushed to whoever doesn't read it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())


def _parser(wanted: str) -> argparse.ArgumentParser:
    """The command line; only the module of the *wanted* command is imported."""
    parser = argparse.ArgumentParser(
        prog="phantomgate",
        description="Turns opaque access tokens into JWTs your API can trust, behind any API gateway.",
        epilog=EXAMPLES,
        formatter_class=Teaching,
    )
    parser.add_argument("--version", action="version", version=f"phantomgate {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, formatter_class=Teaching)
        if name == wanted:
            module = import_module(f"phantomgate.cli.{name}")
            command.description = f"{summary[0].upper()}{summary[1:]}."
            module.add(command)
            command.set_defaults(run=module.run)
    return parser


def _version() -> str:
    from phantomgate import __version__

    return __version__


def _remedy(missing: ModuleNotFoundError) -> str:
    """What to install for a library that is not there. Raises *missing* again when it is a part of ours."""
    library = (missing.name or "").partition(".")[0]
    for extra, libraries in EXTRAS.items():
        if library in libraries:
            return f"this needs {library}, which is not installed; try: pip install 'phantomgate[{extra}]'"
    raise missing
