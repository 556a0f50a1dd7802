"""From settings to the files of an Apache that asks phantomgate: by mod_lua and LuaSocket."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable

from phantomgate.cli.gateways.headers import dropped, session_header
from phantomgate.cli.gateways.kind import Kind, Places, claim_headers, facts, patience, unsafe
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.settings import Settings
from phantomgate.core.errors import SettingsError

_TOLD = ("www-authenticate", "retry-after", "cache-control")
_CORS = tuple(f"access-control-{part}" for part in (
    "allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age",
))  # fmt: skip


def add(parser: argparse.ArgumentParser) -> None:
    """Where the script is, for Apache, and whom the example runs as."""
    parser.add_argument(
        "--script",
        metavar="FILE",
        default="phantomgate.lua",
        help="where Apache finds the script: absolute, or from the folder it is started in (default: %(default)s)",
    )
    parser.add_argument("--user", default="www-data", help="whom the example runs as (default: %(default)s)")


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:
    """The files by name. Raises SettingsError."""
    if wrong := [*unsafe("--script", options.script), *unsafe("--user", options.user)]:
        raise SettingsError(wrong)
    said = facts(settings, places)
    judged = session_header(settings)
    sessions = ["Origin", "Sec-Fetch-Site", *judged] if judged else []
    whence = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP"]
    names = [name for name in dropped(settings) if name not in judged]
    said.values.update(
        script=options.script,
        user=options.user,
        group=options.user,
        seconds=str(patience(settings)),
        judged=_listed(["Authorization", "Cookie", *sessions]),
        dropped="\n".join(f"{json.dumps(name)}," for name in (*names, *whence)),
        claims=_listed(claim_headers(settings)),
        told=_listed((*_TOLD, *(_CORS if said.words["cors"] else ()), *(["vary"] if said.words["cors"] else []))),
    )
    return rendered(__name__, ("phantomgate.conf", "phantomgate.lua", "httpd.conf"), said)


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(json.dumps(text) for text in texts)


KIND = Kind("apache", "forwarded", render, own=["httpd.conf"], add=add, unix=False)
