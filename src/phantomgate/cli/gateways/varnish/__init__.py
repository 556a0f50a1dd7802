"""From settings to the files of a Varnish that asks phantomgate: judged first, and then started again with the JWT."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator

from phantomgate.cli.gateways.headers import SET_BY_GATEWAYS, dropped, look_alikes, session_header
from phantomgate.cli.gateways.kind import Kind, Places, claim_headers, facts
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError

_NOTES = ("Asked", "JWT", "Cookie", "Origin", "Expose")


MOST_KB = 64 * 1024
"""Varnish passes the body on when it asks, and the decision listener reads this much."""


def add(parser: argparse.ArgumentParser) -> None:
    """How much of a body Varnish keeps while it asks, and whether it makes tunnels."""
    parser.add_argument(
        "--body", metavar="SIZE", default="1MB", help="the largest body of a request, kept in memory (default: 1MB)"
    )
    parser.add_argument(
        "--websocket",
        action="store_true",
        help="pass WebSockets on, by return (pipe): for an API that obeys Connection: close when it declines one; "
        "without it they are refused",
    )


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:
    """The files by name. Raises SettingsError."""
    if problems := [*_problems(options)]:
        raise SettingsError(problems)
    said = facts(settings, places)
    said.words.update(websocket=options.websocket, no_websocket=not options.websocket)
    claims, judged = claim_headers(settings), session_header(settings)
    names = [name for name in dropped(settings) if name not in judged]
    spelled = [one for name in (*names, "Authorization", *judged, *SET_BY_GATEWAYS) for one in look_alikes(name)]
    said.values.update(
        decision=_backend(said.values["listen"]),
        api_backend=_backend(places.api),
        body=options.body,
        forget=_unset(f"X-Phantomgate-{note}" for note in (*_NOTES, *claims)),
        clean=_unset((*names, *spelled)),
        read_claims="\n".join(f"set req.http.X-Phantomgate-{name} = resp.http.{name};" for name in claims),
        set_claims="\n".join(
            f"set req.http.{name} = req.http.X-Phantomgate-{name};\nunset req.http.X-Phantomgate-{name};"
            for name in claims
        ),
    )
    return rendered(__name__, ("phantomgate.vcl", "default.vcl"), said)


def _problems(options: argparse.Namespace) -> Iterator[Problem]:
    size = re.fullmatch(r"([1-9][0-9]{0,5})([KM])B", options.body)
    if not size or int(size[1]) * (1 if size[2] == "K" else 1024) > MOST_KB:
        text = f'is "{options.body}"; want a size such as 1MB, and at most {MOST_KB // 1024}MB, which phantomgate reads'
        yield Problem("--body", text, "command line")


def _unset(names: Iterable[str]) -> str:
    return "\n".join(f"unset req.http.{_named(name)};" for name in names)


def _named(header: str) -> str:
    """*header* as VCL has it; one with a dot in quotes."""
    return f'"{header}"' if "." in header else header


def _backend(text: str) -> str:
    address = read_address(text)
    return f'.path = "{address.unix}";' if address.unix else f'.host = "{address.host}";\n.port = "{address.port}";'


KIND = Kind("varnish", "forwarded", render, own=["default.vcl"], add=add)
