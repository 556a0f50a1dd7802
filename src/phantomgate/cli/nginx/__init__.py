"""From settings to the files of an nginx that asks phantomgate: pure, text in and text out.

Rule: the templates beside this file are nginx configuration that a person can read. `@name@` is a value; a line that
begins with `%word ` is there only when that word, and every further one, is true; and nothing else is special.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, TypeAlias

from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError

MARK = "Written by `phantomgate init nginx`"
"""In the first lines of every file we write, so that we never overwrite anybody else's."""

_FILES = ("nginx.conf", "phantomgate.conf", "phantomgate-server.conf", "phantomgate-location.conf")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, never bound
_SAFE = re.compile(r"[A-Za-z0-9._/:@\[\]-]+").fullmatch
_HEADER = re.compile(r"[A-Za-z0-9-]+").fullmatch


Hash: TypeAlias = Literal["njs", "set-misc"]


@dataclass(frozen=True, slots=True)
class Nginx:
    """What the settings don't say. Addresses are as nginx writes them."""

    cached: bool = False
    """Whether nginx remembers decisions."""
    hash: Hash = "njs"
    """What makes the key of a remembered decision: SHA-256 by njs, or SHA-1, at a tenth of the cost, by set-misc."""
    hot: int = 512
    """How many remembered decisions each worker keeps open. Each is a file of its limit (`worker_rlimit_nofile`)."""
    bind: str = "127.0.0.1:8080"
    """Where the example listens."""
    api: str = "127.0.0.1:8000"
    """The API behind it."""
    cache: str = "/run/nginx-phantomgate"
    """The folder of the remembered decisions; on tmpfs."""


def render(settings: Settings, nginx: Nginx) -> dict[str, str]:
    """The files by name. Raises SettingsError when nginx can't work with these settings."""
    if problems := [*_problems(settings, nginx)]:
        raise SettingsError(problems)
    headers = sorted(settings.forward.claims)
    csrf = f"x-{settings.session.cookie_prefix}-csrf".lower()
    words = {
        "direct": not nginx.cached,
        "cached": nginx.cached,
        "njs": nginx.cached and nginx.hash == "njs",
        "set_misc": nginx.cached and nginx.hash == "set-misc",
        "tokens": nginx.cached and not settings.routes,
        "requests": nginx.cached and bool(settings.routes),
        "session": bool(settings.session.keys),
        "cors": bool(settings.session.keys) and settings.session.cors,
        "agent": bool(settings.agent.listen),
    }
    values = {
        "listen": _reachable(settings.serve.listen),
        "agent": _reachable(settings.agent.listen) if settings.agent.listen else "",
        "bind": nginx.bind,
        "api": nginx.api,
        "cache": nginx.cache.rstrip("/"),
        "hot": str(nginx.hot),
        "files": str(nginx.hot + 4096),
        "inactive": f"{max(math.ceil(settings.cache.max_age), 1)}s",
        "timeout": f"{math.ceil(settings.introspection.timeout) + 3}s",
        "csrf": csrf,
        "sent_csrf": f"$http_{_plain(csrf)}",
        "read_claims": "\n".join(
            f"auth_request_set {_variable(name)} $upstream_http_{_plain(name)};" for name in headers
        ),
        "set_claims": "\n".join(f"proxy_set_header {name} {_variable(name)};" for name in headers),
    }
    folder = files(__name__)
    return {
        name: _filled((folder / name).read_text("utf-8"), words, values)
        for name in (*_FILES, *(["phantomgate.js"] if words["njs"] else []))
    }


def _filled(template: str, words: Mapping[str, bool], values: Mapping[str, str]) -> str:
    lines = []
    for line in template.splitlines():
        wanted, rest = True, line
        while rest.startswith("%"):
            word, _, rest = rest[1:].partition(" ")
            wanted = wanted and words[word]
        if wanted:
            filled = re.sub(r"@([a-z_]+)@", lambda found: values[found[1]], rest)
            if filled or not rest:  # a line that was nothing but an empty value is no line
                lines.append(filled)
    return "\n".join(lines) + "\n"


def _problems(settings: Settings, nginx: Nginx) -> Iterator[Problem]:
    serve = settings.serve
    if serve.source in ("forwarded", "path"):
        text = f'is "{serve.source}", and nginx says which request is judged in X-Original-*; write source = "original"'
        yield Problem("serve.source", text, settings.origin("serve.source"))
    for name, address in (("serve.listen", serve.listen), ("agent.listen", settings.agent.listen)):
        if address.endswith(":0"):
            yield Problem(name, "has port 0, any that is free; nginx needs to know it", settings.origin(name))
        if address and not _SAFE(address):
            yield Problem(name, "has characters that mean something to nginx", settings.origin(name))
    for name in settings.forward.claims:
        if not _HEADER(name):
            text = f'has "{name}", which nginx can\'t read from an answer; use letters, digits and "-"'
            yield Problem("forward.claims", text, settings.origin("forward.claims"))
    if nginx.cached and settings.session.keys:
        text = "can't be used with [session]: what cookies and origins had a say in is never remembered; leave it out"
        yield Problem("--cached", text, "command line")
    for option, value in (("--bind", nginx.bind), ("--api", nginx.api), ("--cache", nginx.cache)):
        if not _SAFE(value):
            yield Problem(option, f'is "{value}"; want letters, digits and ._/:@[]- only', "command line")


def _reachable(listen: str) -> str:
    """Where nginx, on the same machine, finds what listens on *listen*."""
    address = read_address(listen)
    if address.unix:
        return listen
    host = _EVERYWHERE.get(address.host, address.host)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


def _plain(header: str) -> str:
    return header.lower().replace("-", "_")


def _variable(header: str) -> str:
    return f"$phantomgate_claim_{_plain(header)}"
