"""`phantomgate doctor URL`: sends the known bypasses through a real gateway, and says what came out behind it.

Rule: what is found was seen: at the API, which is ours for the time being, and in the gateway's answers. Nothing is
guessed from versions or configuration, and neither the token nor what became of it is ever printed.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from phantomgate.backends.secrets import read_secret
from phantomgate.cli.doctor.asking import Answer, Gateway, ask, gateway_at
from phantomgate.cli.doctor.case import Case, Known, request
from phantomgate.cli.doctor.cases import cases, first_case
from phantomgate.cli.doctor.judging import Finding, judged, plain
from phantomgate.cli.doctor.upstream import Arrived, Upstream, upstream
from phantomgate.cli.options import add_config, add_json
from phantomgate.config.kinds import found
from phantomgate.config.loading import draft, read_sources
from phantomgate.config.network import read_address
from phantomgate.config.vocabulary import SECRET
from phantomgate.core.errors import Problem, Refused, SettingsError
from phantomgate.oauth.bearer import read_authorization

GOOD, HOLES = 0, 1
SETTLE = 0.2  # seconds in which a second request may grow out of one

EXPLANATION = """\
Stop the API behind the gateway first: doctor takes its place, so that it sees what would have reached it. Then it sends
more than eighty requests through the gateway, each a known way around one (forged identity and forwarding headers,
duplicate and joined credentials, encoded paths, hop-by-hop tricks, smuggling), and says which got where they must not.

  phantomgate doctor http://127.0.0.1:8080 --api 127.0.0.1:8000 \\
      --token env:TOKEN
  phantomgate doctor https://gateway.example --api 127.0.0.1:8000 \\
      --token file:token --allowed /orders --forbidden /admin

With --forbidden, a path that this token is refused for, it tries to get there by way of --allowed.

exit codes:
  0  no holes (there may be notes)
  1  holes, or the gateway lets nothing through
  2  the command line or the settings have problems, or the gateway can't be reached
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Where the gateway and its API are, and what the token may do."""
    parser.epilog = EXPLANATION
    parser.add_argument("url", metavar="URL", help="the gateway, as clients reach it: http://127.0.0.1:8080")
    parser.add_argument(
        "--api", metavar="ADDRESS", required=True, help="where the gateway passes requests on to: 127.0.0.1:8000"
    )
    parser.add_argument(
        "--token", metavar="REF", required=True, help='an access token that is let in: "env:NAME" or "file:PATH"'
    )
    parser.add_argument("--allowed", metavar="PATH", default="/", help="where it is let in (default: %(default)s)")
    parser.add_argument("--forbidden", metavar="PATH", default="", help="where it is not")
    parser.add_argument(
        "--identity",
        metavar="HEADER",
        action="append",
        help="a header that tells the API who the caller is; again for more (default: those of [forward] claims)",
    )
    parser.add_argument("--ca-file", metavar="FILE", default="", help="who may vouch for the gateway, in PEM")
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """0 without holes, 1 with some. Raises SettingsError."""
    known, gateway = _known(options, environ), _gateway(options)
    host, port = _address(options.api)
    findings: list[Finding] = []
    try:
        with upstream(host, port) as api:
            for finding in examine(gateway, api, known):
                findings.append(finding)
                if sys.stderr.isatty():
                    print(f"\r{len(findings)} requests sent", end="", file=sys.stderr, flush=True)
    except OSError as no:
        raise _problem("--api", f"can't listen on {options.api}: {no.strerror or no}; stop the API first") from None
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    print(json.dumps(as_json(findings), indent=2) if options.json else as_text(findings))
    return HOLES if any(one.outcome == "hole" for one in findings) else GOOD


def examine(gateway: Gateway, api: Upstream, known: Known) -> Iterator[Finding]:
    """A finding for each case; only one when the good token isn't let in. Raises SettingsError without a gateway."""
    known = replace(known, authority=gateway.authority)
    case = first_case(known)
    answer, arrived = tried(gateway, api, known, case)
    first = judged(case, known, answer, arrived, None)
    yield first
    if not arrived:
        return  # nothing that is refused now would say anything
    usual = plain(arrived, known)
    for case in cases(known):
        answer, arrived = tried(gateway, api, known, case)
        yield judged(case, known, answer, arrived, usual)


def tried(gateway: Gateway, api: Upstream, known: Known, case: Case) -> tuple[Answer, list[Arrived]]:
    """What the gateway answers to *case*, and what arrives at the API. Raises SettingsError without a gateway."""
    api.take()
    bare = replace(case, method="GET", lines=(), body=b"")
    try:
        answer = ask(gateway, request(case, known, secrets.token_hex(8)))
        for _ in range(case.again):
            ask(gateway, request(bare, known, secrets.token_hex(8)))
    except OSError as no:
        where = f"{gateway.host}:{gateway.port}"
        raise _problem("URL", f"the gateway at {where} can't be reached: {no.strerror or no}") from None
    if case.want == "unparsed":
        time.sleep(SETTLE)
    return answer, api.take()


def as_text(findings: Sequence[Finding]) -> str:
    """The report for people."""
    lines: list[str] = []
    group = ""
    for one in findings:
        if one.case.group != group:
            group = one.case.group
            lines += ["", group]
        mark = {"good": "ok  ", "note": "note", "hole": "HOLE"}[one.outcome]
        lines.append(f"  {mark}  {one.case.title}: {one.why}")
        if one.outcome == "hole":
            lines.append(f"          do: {one.case.remedy}")
            if one.case.known_from:
                lines.append(f"          known from: {one.case.known_from}")
    holes = sum(one.outcome == "hole" for one in findings)
    notes = sum(one.outcome == "note" for one in findings)
    if len(findings) == 1 and holes:
        lines += ["", "The good token was not let in, so nothing else could be tried: is it fresh, and is --api right?"]
    else:
        lines += ["", f"{len(findings)} tried, {holes} holes, {notes} notes"]
    return "\n".join(lines[1:])


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The report for programs."""
    return {
        "good": not any(one.outcome == "hole" for one in findings),
        "findings": [
            {
                "case": one.case.name,
                "group": one.case.group,
                "title": one.case.title,
                "outcome": one.outcome,
                "seen": one.why,
                **({"remedy": one.case.remedy} if one.outcome == "hole" else {}),
            }
            for one in findings
        ],
    }


def _known(options: argparse.Namespace, environ: Mapping[str, str]) -> Known:
    try:
        SECRET.read(options.token)
    except ValueError:
        text = "is not a reference, perhaps the token itself, which others could read on a command line; write \
env:NAME or file:PATH"
        raise _problem("--token", text) from None
    try:
        token = read_secret(options.token, environ)
        read_authorization(b"Bearer " + token.encode("utf-8", "surrogateescape"))
    except ValueError as no:
        raise _problem("--token", str(no)) from None
    except Refused as no:
        raise _problem("--token", f"can't be sent as a Bearer token: {no.detail}") from None
    for name in ("allowed", "forbidden"):
        value: str = getattr(options, name)
        if value and not (value.startswith("/") and value.isascii() and value.isprintable() and " " not in value):
            raise _problem(f"--{name}", f'is "{value}"; want a path such as /orders')
    if options.forbidden.strip("/") == "" and options.forbidden:
        raise _problem("--forbidden", 'is "/", which all paths are below; want a path such as /admin')
    identity = options.identity
    for header in identity or ():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", header):  # RFC 9110 §5.6.2
            raise _problem("--identity", f"is {found(header)}; want the name of a header such as X-User")
    if identity is None:
        settings, problems = draft(read_sources(options.config, environ))
        identity = sorted(settings.forward.claims) if not problems or options.config is None else None
        if identity is None:
            raise SettingsError(problems)
    return Known(token, "", options.allowed, options.forbidden, tuple(identity))


def _gateway(options: argparse.Namespace) -> Gateway:
    try:
        return gateway_at(options.url, options.ca_file)
    except OSError as no:
        raise _problem("--ca-file", f"can't be read: {no.strerror or no}") from None
    except ValueError as no:
        raise _problem("URL", f"can't be called: {no}; want a URL such as http://127.0.0.1:8080") from None


def _address(text: str) -> tuple[str, int]:
    try:
        address = read_address(text)
    except ValueError:
        address = None
    if address is None or address.unix or not address.port:
        raise _problem("--api", f'is "{text}"; want an address such as 127.0.0.1:8000')
    return address.host, address.port


def _problem(setting: str, text: str) -> SettingsError:
    return SettingsError([Problem(setting, text, "command line")])
