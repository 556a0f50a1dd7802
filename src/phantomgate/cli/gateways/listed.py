"""What templates of gateways that are not run here have in common: lists of names, in the syntax of each.

Rule: these configurations were compared with the documentation, and no test has run them; so they are for bearer tokens
alone, and `init` says so.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from phantomgate.cli.gateways.headers import SET_BY_GATEWAYS, dropped, look_alikes
from phantomgate.cli.gateways.kind import Facts, Kind, Places, Render, Source, claim_headers, facts, patience
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings

WHENCE = ("X-Real-IP", "X-Forwarded-Port")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of header fields that a template has to say: what is *dropped* (without look-alikes), these with every
    look-alike, and the *claims*.
    """

    dropped: Sequence[str]
    spelled: Sequence[str]
    claims: Sequence[str]


Say = Callable[[Names], dict[str, str]]
"""The values of a template that have names in them."""


def unrun(name: str, source: Source, package: str, files: Sequence[str], say: Say) -> Kind:
    """A gateway whose configuration was not run; its templates are *files* of *package*."""
    return Kind(name, source, _render(package, files, say), advice=_advice(name), unix=False, sessions=False)


def _render(package: str, files: Sequence[str], say: Say) -> Render:
    def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:  # noqa: ARG001
        said = facts(settings, places)
        address = read_address(said.values["listen"])
        service, _, rest = address.host.partition(".")
        names = [*dropped(settings), *WHENCE]
        spelled_too = dict.fromkeys((*names, "Authorization", *SET_BY_GATEWAYS))
        spelled = [*names, *(one for name in spelled_too for one in look_alikes(name))]
        values = {
            "host": address.host,
            "port": str(address.port),
            "service": service,
            "namespace": rest.partition(".")[0] or "default",
            "seconds": str(patience(settings)),
            "milliseconds": str(patience(settings) * 1000),
        }
        values.update(say(Names(names, spelled, claim_headers(settings))))
        return rendered(package, files, Facts(said.words, {**said.values, **values}))

    return render


def _advice(name: str) -> Callable[[Settings, argparse.Namespace], Iterator[str]]:
    def advice(settings: Settings, options: argparse.Namespace) -> Iterator[str]:  # noqa: ARG001
        yield f"configuration not run: no test has seen a {name} with it; run phantomgate doctor against yours"

    return advice


def quoted(names: Sequence[str]) -> str:
    """`"A", "B"`."""
    return ", ".join(json.dumps(name) for name in names)


def plain(names: Sequence[str]) -> str:
    """`a, b`."""
    return ", ".join(name.lower() for name in names)


def lines(form: str, names: Sequence[str]) -> str:
    """*form* with each name in its place."""
    return "\n".join(form.format(name) for name in names)


def elements(form: str, names: Sequence[str]) -> str:
    """*form* with each name as a quoted attribute."""
    return "\n".join(form.format(quoteattr(name)) for name in names)
