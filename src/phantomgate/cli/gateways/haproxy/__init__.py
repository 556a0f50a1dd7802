"""From settings to the files of an HAProxy that asks phantomgate by SPOP.

Rule: a header of ours gets there from a variable that phantomgate set, after whatever a client wrote under that name,
in any spelling, is gone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from phantomgate.cli.gateways.kind import Facts, Kind, Places, claim_headers, csrf_header, facts
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError

_OURS = frozenset(f"var(txn.pg.{name})" for name in ("status", "body", "challenge", "retry_after", "cookie", "error"))
_REFUSALS = (400, 401, 403, 500, 502, 503)
_CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
_PREFLIGHT = (*_CORS, "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age")
_EXPOSE = "Access-Control-Expose-Headers"
SAID_OF_CORS = (*_PREFLIGHT, _EXPOSE)
"""The fields by which CORS is said."""


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:  # noqa: ARG001
    """The files by name. Raises SettingsError."""
    said = said_by(settings, places, "haproxy")
    said.values.update(
        agent=said.values["listen"].replace("unix:", "unix@"),
        max_headers=str(settings.serve.max_headers),
        messages="decide" if said.words["session"] else "decide-plain decide",
    )
    said.words["bearer"] = not said.words["session"]
    return rendered(__name__, ("haproxy.cfg", "phantomgate-spoe.conf"), said)


def said_by(settings: Settings, places: Places, name: str) -> Facts:
    """What haproxy.cfg may say, for the gateway called *name*. Raises SettingsError."""
    if taken := [header for header in claim_headers(settings) if _variable(header) in _OURS]:
        text = f'has "{taken[0]}", whose variable in HAProxy would be one that says what was decided; choose another'
        raise SettingsError([Problem("forward.claims", text, settings.origin("forward.claims"))])
    said = facts(settings, places)
    cors = said.words["cors"]
    said.words.update(spoe=name == "haproxy", lua=name != "haproxy")
    said.values.update(
        name=name,
        answers="\n".join(_answers(cors)),
        owned="\n".join(deletions(settings)),
        claims="\n".join(f"http-request set-header {name} %[{_variable(name)}]" for name in claim_headers(settings)),
        cors="\n".join(_added(cors)),
    )
    return said


def deletions(settings: Settings) -> list[str]:
    """Rules that take away what a client says in our name: the claims, and what a page shows its CSRF token in."""
    names = [*claim_headers(settings), *([csrf_header(settings)] if settings.session.keys else [])]
    if not names:
        return []
    looks = "|".join("[-_.]".join(name.lower().split("-")) for name in names)
    return [f"http-request del-header '^({looks})$' -m reg"]


def _answers(cors: bool) -> Iterable[str]:
    """A rule for each status that phantomgate answers with."""
    shared = [("WWW-Authenticate", "challenge"), ("Retry-After", "retry_after")]
    said = "".join(f' hdr {name} "%[var(txn.pg.{variable})]"' for name, variable in shared)
    also = _headers((*_CORS, _EXPOSE, "Vary")) if cors else ""
    for status in _REFUSALS:
        yield (
            f'http-request return status {status} content-type application/json lf-string "%[var(txn.pg.body)]" '
            f"hdr Cache-Control no-store{said}{also} if {{ var(txn.pg.status) -m int {status} }}"
        )
    if cors:
        yield f"http-request return status 204{_headers((*_PREFLIGHT, 'Vary'))} if {{ var(txn.pg.status) -m int 204 }}"


def _headers(names: Iterable[str]) -> str:
    return "".join(f' hdr {name} "%[{_variable(name)}]"' for name in names)


def _added(cors: bool) -> Iterable[str]:
    """Rules that tell the client what phantomgate says of CORS when the API answers."""
    for name in (*_CORS, _EXPOSE) if cors else ():
        yield f"http-response set-header {name} %[{_variable(name)}] if {{ {_variable(name)} -m found }}"
    if cors:
        yield "http-response add-header Vary Origin"


def _variable(header: str) -> str:
    return f"var(txn.pg.{header.lower().replace('-', '_')})"


KIND = Kind("haproxy", "auto", render, own=("haproxy.cfg",), protocol="spop")
