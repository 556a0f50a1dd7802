"""What all gateways have in common for `phantomgate init`: what each is, where things are, and what is safe to write.

Rule: everything here is pure, and whatever gets into a file of a gateway was looked at here or in that gateway's own
checks: an address, a header or a folder that means more to the gateway than its letters is a problem.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem

Source: TypeAlias = Literal["original", "forwarded", "path", "auto"]
Render: TypeAlias = Callable[[Settings, "Places", argparse.Namespace], dict[str, str]]
"""(settings, places, options) -> the files by name. Pure; raises SettingsError for what the gateway can't work with."""

_SAYS = {
    "original": "in X-Original-*",
    "forwarded": "in X-Forwarded-*",
    "path": "by the path it asks on",
}
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, never bound
_SAFE = re.compile(r"[A-Za-z0-9._/:@\[\]-]+").fullmatch
_HEADER = re.compile(r"[A-Za-z0-9-]+").fullmatch


def _nothing(parser: argparse.ArgumentParser) -> None:
    """A gateway without options of its own."""


def _no_more(settings: Settings, options: argparse.Namespace) -> Iterator[str]:  # noqa: ARG001
    return iter(())


@dataclass(frozen=True, slots=True)
class Kind:
    """A gateway: its name, by which fields it says what is judged, and how its files are made."""

    name: str
    source: Source
    """What `[serve] source` must be, or `auto`; `auto`: it plays no part, for the protocol says what is judged."""
    render: Render
    own: Collection[str] = ()
    """Files that are an example and become the user's own, so `--check` doesn't compare them."""
    add: Callable[[argparse.ArgumentParser], None] = _nothing
    """Its own options."""
    advice: Callable[[Settings, argparse.Namespace], Iterator[str]] = _no_more
    """What else to write in the settings, or to see to on this machine."""
    unix: bool = True
    """Whether it can ask by a unix socket."""
    plain: bool = True
    """Whether it wants every address as HOST:PORT; else they are as the gateway itself writes them."""
    sessions: bool = True
    """Whether it does what `[session]` needs: cookies replaced, and CORS."""
    nginx: bool = False
    """Whether it wants `[serve] nginx`."""
    protocol: str = "http"
    """What `[serve] protocol` must be."""

    @property
    def mark(self) -> str:
        """In the first lines of every file we write, so that we never overwrite anybody else's."""
        return f"Written by `phantomgate init {self.name}`"


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are, as HOST:PORT."""

    bind: str = "127.0.0.1:8080"
    """Where the example listens."""
    api: str = "127.0.0.1:8000"
    """The API behind it."""
    decision: str = ""
    """Where the gateway finds phantomgate; "" is where it listens, by the settings."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a template may say: words are true or not, values are text."""

    words: dict[str, bool] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


def facts(settings: Settings, places: Places) -> Facts:
    """What the settings say that every gateway's template may want."""
    session = bool(settings.session.keys)
    decision = places.decision or reachable(settings.serve.listen)
    return Facts(
        {"session": session, "cors": session and settings.session.cors, "routes": bool(settings.routes)},
        {
            "listen": decision,
            "bind": places.bind,
            "api": places.api,
            "timeout": f"{patience(settings)}s",
            "csrf": csrf_header(settings),
        },
    )


def patience(settings: Settings) -> int:
    """Seconds after which a phantomgate that doesn't answer hangs: it says 503 itself when others don't answer it."""
    return math.ceil(settings.introspection.timeout) + 3


def csrf_header(settings: Settings) -> str:
    """What a page shows its CSRF token in."""
    return f"x-{settings.session.cookie_prefix}-csrf".lower()


def claim_headers(settings: Settings) -> list[str]:
    """The headers of `[forward] claims`, in one order."""
    return sorted(settings.forward.claims)


def problems(kind: Kind, settings: Settings, places: Places) -> Iterator[Problem]:
    """What no file could mend."""
    serve = settings.serve
    if serve.protocol != kind.protocol:
        text = f'is "{serve.protocol}", and {kind.name} asks by another; write protocol = "{kind.protocol}"'
        yield Problem("serve.protocol", text, settings.origin("serve.protocol"))
    if kind.protocol == "http" and serve.source not in ("auto", kind.source):
        says = f"{kind.name} says which request is judged {_SAYS[kind.source]}"
        text = f'is "{serve.source}", and {says}; write source = "{kind.source}"'
        yield Problem("serve.source", text, settings.origin("serve.source"))
    if settings.session.keys and not kind.sessions:
        text = f"is there, and the configuration for {kind.name} is for bearer tokens alone; take the section out"
        yield Problem("session.keys", text, settings.origin("session.keys"))
    if not places.decision:
        yield from listening(kind, settings, "serve.listen", serve.listen)
    for name in settings.forward.claims:
        if not _HEADER(name):
            text = f'has "{name}", which {kind.name} can\'t read from an answer; use letters, digits and "-"'
            yield Problem("forward.claims", text, settings.origin("forward.claims"))
    for option, value in (("--bind", places.bind), ("--api", places.api), ("--decision", places.decision)):
        if value and (wrong := [*unsafe(option, value)]):
            yield from wrong
        elif value and kind.plain and not _is_plain(value, unix=kind.unix and option == "--decision"):
            yield Problem(option, f'is "{value}"; want an address such as 10.0.0.5:9090', "command line")


def listening(kind: Kind, settings: Settings, name: str, listen: str) -> Iterator[Problem]:
    """The problems of a gateway that is to find what listens on *listen*, the setting *name*."""
    origin = settings.origin(name)
    if listen.endswith(":0"):
        yield Problem(name, f"has port 0, any that is free; {kind.name} needs to know it", origin)
    if listen and not _SAFE(listen):
        yield Problem(name, f"has characters that mean something to {kind.name}", origin)
    if listen.startswith("unix:") and not kind.unix:
        yield Problem(name, f"is a unix socket, by which {kind.name} can't ask; use an address", origin)


def _is_plain(text: str, *, unix: bool) -> bool:
    try:
        address = read_address(text)
    except ValueError:
        return False
    return unix if address.unix else address.port > 0


def unsafe(option: str, value: str) -> Iterator[Problem]:
    """The problem with a *value* from the command line that is more than an address or a path."""
    if not _SAFE(value):
        yield Problem(option, f'is "{value}"; want letters, digits and ._/:@[]- only', "command line")


def advice(kind: Kind, settings: Settings) -> Iterator[str]:
    """What else to write in the settings so that phantomgate and this gateway mean the same."""
    serve = settings.serve
    if kind.protocol == "http" and serve.source != kind.source:
        yield f'[serve] source is "{serve.source}"; write source = "{kind.source}", which is what {kind.name} sends'
    if kind.nginx and not serve.nginx:
        yield "[serve] nginx is false; write nginx = true, so that refusals reach the client word for word"
    if settings.agent.listen and kind.name != "nginx":
        yield f"[agent] listens on {settings.agent.listen}; let {kind.name} pass /oauth-agent/ on to it, without asking"
    if serve.nginx and not kind.nginx:
        yield f"[serve] nginx is true; leave it out, {kind.name} understands a 400"


def reachable(listen: str) -> str:
    """Where a gateway on the same machine finds what listens on *listen*."""
    address = read_address(listen)
    if address.unix:
        return listen
    host = _EVERYWHERE.get(address.host, address.host)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
