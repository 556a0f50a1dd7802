"""From settings to the files of a Caddy that asks phantomgate: what `forward_auth` is, written out."""

from __future__ import annotations

import argparse

from phantomgate.cli.gateways.headers import dropped, session_header
from phantomgate.cli.gateways.kind import Kind, Places, claim_headers, facts
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings

_EVERY = ("0.0.0.0", "::", "127.0.0.1", "::1")  # noqa: S104 - written, never bound


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:  # noqa: ARG001
    """The files by name."""
    said = facts(settings, places)
    judged = session_header(settings)
    listen = said.values["listen"]
    bind = read_address(places.bind)
    said.words.update(no_cors=not said.words["cors"], exposes=bool(settings.session.cors_expose) and said.words["cors"])
    said.values.update(
        upstream=f"unix/{listen.removeprefix('unix:')}" if listen.startswith("unix:") else listen,
        host="" if bind.host in _EVERY else bind.host,
        port=str(bind.port),
        bound=bind.host,
        clean="\n".join(f"request_header -{name}" for name in dropped(settings) if name not in judged),
        set_claims="\n".join(f"request_header {name} {{rp.header.{name}}}" for name in claim_headers(settings)),
    )
    return rendered(__name__, ("Caddyfile", "phantomgate.caddy"), said)


KIND = Kind("caddy", "forwarded", render, own=["Caddyfile"])
