"""`phantomgate init GATEWAY`: write a gateway's configuration from the settings, so that the two can't disagree.

Rule: a file that is not ours is never overwritten, and either every file is written or none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from phantomgate.cli.nginx import MARK, Nginx, render
from phantomgate.cli.options import add_config
from phantomgate.config.loading import load_settings
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError

GOOD, DIFFERENT = 0, 2

EXAMPLES = """\
examples:
  phantomgate init nginx                              into ./nginx: nginx asks for every request
  phantomgate init nginx --cached                     nginx remembers what phantomgate let in
  phantomgate init nginx --output /etc/nginx --check  does that nginx still fit the settings?
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Which gateway, where to, and the few things that settings don't say."""
    parser.epilog = EXAMPLES
    parser.add_argument("gateway", choices=["nginx"], help="the gateway to configure")
    add_config(parser)
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("nginx"), help="where to write (default: ./nginx)"
    )
    parser.add_argument("--cached", action="store_true", help="let nginx remember decisions, as long as we allow")
    parser.add_argument(
        "--hash",
        choices=["njs", "set-misc"],
        default=Nginx().hash,
        help="with --cached, the nginx module that makes the key: njs (SHA-256), or set-misc (SHA-1, for a third less "
        "CPU a request); default: %(default)s",
    )
    parser.add_argument(
        "--hot",
        metavar="N",
        type=_count,
        default=Nginx().hot,
        help="with --cached, how many remembered decisions each worker keeps open; more than the default wants "
        "worker_rlimit_nofile (default: %(default)s)",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 2 if a file isn't what we would write"
    )
    default = Nginx()
    parser.add_argument(
        "--bind", metavar="ADDRESS", default=default.bind, help="where nginx listens (default: %(default)s)"
    )
    parser.add_argument("--api", metavar="ADDRESS", default=default.api, help="your API (default: %(default)s)")
    parser.add_argument(
        "--cache",
        metavar="DIR",
        default=default.cache,
        help="with --cached, the folder of remembered decisions, on tmpfs (default: %(default)s)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f'is "{text}"; want a number from 1 to 1000000')
    return int(text)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """0 when written, or as it should be; 2 when not. Raises SettingsError."""
    settings = load_settings(options.config, environ)
    nginx = Nginx(
        cached=options.cached,
        hash=options.hash,
        hot=options.hot,
        bind=options.bind,
        api=options.api,
        cache=options.cache,
    )
    wanted = render(settings, nginx)
    folder: Path = options.output
    if options.check:
        different = [*_different(folder, wanted)]
        for line in different:
            print(line, file=sys.stderr)
        return DIFFERENT if different else GOOD
    _write(folder, wanted)
    for name in wanted:
        print(folder / name)
    advice = [*_advice(settings)]
    if nginx.cached and (kind := disk_under(nginx.cache, _mounts())):
        advice.append(
            f"{nginx.cache} is on {kind} on this machine, and JWTs don't belong on a disk; --cache DIR on a tmpfs"
        )
    for text in advice:
        print(f"note: {text}", file=sys.stderr)
    return GOOD


def _different(folder: Path, wanted: Mapping[str, str]) -> Iterator[str]:
    """What is not as we would write it. `nginx.conf` is an example and becomes the user's own."""
    for name, text in wanted.items():
        if name == "nginx.conf":
            continue
        file = folder / name
        if not file.is_file():
            yield f"{file}: missing"
        elif file.read_text("utf-8", errors="replace") != text:
            yield f"{file}: differs from what the settings ask for; write it again with phantomgate init nginx"


def _write(folder: Path, wanted: Mapping[str, str]) -> None:
    problems = [
        Problem("--output", f"{folder / name} is there and isn't ours; choose another folder", "command line")
        for name in wanted
        if (folder / name).exists() and not _ours(folder / name)
    ]
    if problems:
        raise SettingsError(problems)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as no:
        raise SettingsError([Problem("--output", f"can't be written: {no.strerror}", str(folder))]) from None


def _ours(file: Path) -> bool:
    return file.is_file() and MARK in file.read_text("utf-8", errors="replace")[:500]


def _advice(settings: Settings) -> Iterator[str]:
    """What else to write in the settings so that phantomgate and this nginx mean the same."""
    if settings.serve.source != "original":
        yield f'[serve] source is "{settings.serve.source}"; write source = "original", which is what nginx sends'
    if not settings.serve.nginx:
        yield "[serve] nginx is false; write nginx = true, so that refusals reach the client word for word"


def disk_under(folder: str, mounts: str) -> str:
    """The kind of file system that *folder* is on, by the text of /proc/mounts, unless it is in memory or unknown."""
    found = "", ""
    for line in mounts.splitlines():
        _, at, kind, *_ = line.split(" ")
        if f"{folder}/".startswith(f"{at.rstrip('/')}/") and len(at) >= len(found[0]):  # the last of equals is on top
            found = at, kind
    return "" if found[1] in ("tmpfs", "ramfs") else found[1]


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text("utf-8", errors="replace")
    except OSError:  # not Linux: nothing is known, and nothing is said
        return ""
