"""From settings to the files of a Traefik that asks phantomgate: ForwardAuth, by the file provider."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable

from phantomgate.cli.gateways.headers import SET_BY_GATEWAYS, dropped, look_alikes, session_header
from phantomgate.cli.gateways.kind import Kind, Places, claim_headers, csrf_header, facts, unsafe
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.settings import Settings
from phantomgate.core.errors import SettingsError

_FILES = ("traefik.yml", "dynamic/phantomgate.yml", "dynamic/api.yml")


def add(parser: argparse.ArgumentParser) -> None:
    """Where Traefik makes sure of a JWT."""
    parser.add_argument(
        "--proof",
        metavar="ADDRESS",
        default="127.0.0.1:9099",
        help="a free address on loopback, where Traefik asks itself whether there is a JWT (default: %(default)s)",
    )


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:
    """The files by name. Raises SettingsError."""
    if wrong := [*unsafe("--proof", options.proof), *unsafe("--output", str(options.output))]:
        raise SettingsError(wrong)
    said = facts(settings, places)
    session, judged = settings.session, session_header(settings)
    names = [one for one in dropped(settings) if one not in judged]
    spelled = [one for name in (*names, "Authorization", *judged, *SET_BY_GATEWAYS) for one in look_alikes(name)]
    said.values.update(
        proof=options.proof,
        clean="\n".join(f'{name}: ""' for name in (*names, *spelled)),
        claims="\n".join(f"- {name}" for name in claim_headers(settings)),
        origins=_listed(session.trusted_web_origins),
        methods=_listed(session.cors_methods),
        headers=_listed((*session.cors_headers, csrf_header(settings))),
        exposed=_listed(session.cors_expose),
        max_age=str(int(session.cors_max_age)),
    )
    return rendered(__name__, _FILES, said)


def _listed(texts: Iterable[str]) -> str:
    return json.dumps([*texts])


KIND = Kind("traefik", "forwarded", render, own=["traefik.yml", "dynamic/api.yml"], add=add, unix=False)
