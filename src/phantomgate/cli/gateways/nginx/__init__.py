"""From settings to the files of an nginx that asks phantomgate."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

from phantomgate.cli.gateways.kind import Kind, Places, claim_headers, csrf_header, facts, listening, reachable, unsafe
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError

_FILES = ("nginx.conf", "phantomgate.conf", "phantomgate-server.conf", "phantomgate-location.conf")


def add(parser: argparse.ArgumentParser) -> None:
    """Whether nginx remembers decisions, and how."""
    parser.add_argument("--cached", action="store_true", help="let nginx remember decisions, as long as we allow")
    parser.add_argument(
        "--hash",
        choices=["njs", "set-misc"],
        default="njs",
        help="with --cached, the nginx module that makes the key: njs (SHA-256), or set-misc (SHA-1, for a third less "
        "CPU a request); default: %(default)s",
    )
    parser.add_argument(
        "--hot",
        metavar="N",
        type=_count,
        default=512,
        help="with --cached, how many remembered decisions each worker keeps open; more than the default wants "
        "worker_rlimit_nofile (default: %(default)s)",
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        default="/run/nginx-phantomgate",
        help="with --cached, the folder of remembered decisions, on tmpfs (default: %(default)s)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f'is "{text}"; want a number from 1 to 1000000')
    return int(text)


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:
    """The files by name. Raises SettingsError when nginx can't work with these settings."""
    if problems := [*_problems(settings, options), *listening(KIND, settings, "agent.listen", settings.agent.listen)]:
        raise SettingsError(problems)
    headers, csrf = claim_headers(settings), csrf_header(settings)
    said = facts(settings, places)
    said.words.update(
        agent=bool(settings.agent.listen),
        direct=not options.cached,
        cached=options.cached,
        njs=options.cached and options.hash == "njs",
        set_misc=options.cached and options.hash == "set-misc",
        tokens=options.cached and not settings.routes,
        requests=options.cached and bool(settings.routes),
    )
    # One file is a remembered decision: as many may be open as are kept, and some for all else.
    said.values.update(
        agent=reachable(settings.agent.listen) if settings.agent.listen else "",
        cache=options.cache.rstrip("/"),
        hot=str(options.hot),
        files=str(options.hot + 4096),
        inactive=f"{max(math.ceil(settings.cache.max_age), 1)}s",
        sent_csrf=f"$http_{_plain(csrf)}",
        read_claims="\n".join(f"auth_request_set {_variable(name)} $upstream_http_{_plain(name)};" for name in headers),
        hide_claims="\n".join(f"proxy_hide_header {name};" for name in headers),
        set_claims="\n".join(f"proxy_set_header {name} {_variable(name)};" for name in headers),
    )
    return rendered(__name__, (*_FILES, *(["phantomgate.js"] if said.words["njs"] else [])), said)


def _problems(settings: Settings, options: argparse.Namespace) -> Iterator[Problem]:
    if options.cached and settings.session.keys:
        text = "can't be used with [session]: what cookies and origins had a say in is never remembered; leave it out"
        yield Problem("--cached", text, "command line")
    yield from unsafe("--cache", options.cache)


def _plain(header: str) -> str:
    return header.lower().replace("-", "_")


def _variable(header: str) -> str:
    return f"$phantomgate_claim_{_plain(header)}"


def advice(settings: Settings, options: argparse.Namespace) -> Iterator[str]:  # noqa: ARG001 - the shape of a Kind
    """Whether the folder of JWTs is where it should be."""
    if options.cached and (kind := disk_under(options.cache, _mounts())):
        yield f"{options.cache} is on {kind} on this machine, and JWTs don't belong on a disk; --cache DIR on a tmpfs"


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


KIND = Kind("nginx", "original", render, own=["nginx.conf"], add=add, advice=advice, plain=False, nginx=True)
