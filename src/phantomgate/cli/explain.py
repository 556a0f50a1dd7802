"""`phantomgate explain`: decide one request, with the real gateway and its real settings, and show every step.

Rule: what decides is the `Gateway` that `serve` runs; this only words the request and prints what the recording parts
saw. What is printed has been masked first, all of it, in `story`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

from phantomgate.adapters.forward_auth import read_decide, read_exchange
from phantomgate.adapters.preflight import read_preflight
from phantomgate.backends.blocking import finish
from phantomgate.cli.options import add_config, add_json, standard_input
from phantomgate.cli.story import Story, as_text, tell
from phantomgate.config.loading import load_settings
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import wire
from phantomgate.core.model import Headers, Request
from phantomgate.gateway.explain import recording
from phantomgate.resolvers.guarded import Calls

EXPLANATION = """\
Decides one request as `serve` would, and prints each step: the route that matched, the credential that was found,
what the authorization server said, each policy's judgement, what is forwarded, and what the gateway is answered.
Tokens and other secrets are masked.

  phantomgate explain --method POST --path /orders/7 \\
      --header 'Authorization: Bearer 3c5f...'

Others on this machine can read a command line; a request on stdin they can't. It is given as it goes over the wire:

  phantomgate explain <<'END'
  GET /orders/7 HTTP/1.1
  Authorization: Bearer 3c5f...
  END

A request for /decide or /exchange is read as the gateway's call to us, from X-Original-*, X-Forwarded-* or the path
(see serve.source), and the caller is taken for a trusted one. The authorization server is really asked, once.

exit codes:
  0  decided: let in, or refused for a reason that is shown
  2  the settings have problems, or the request can't be read
"""

_MOST_BYTES = 1 << 20


class Raw(NamedTuple):
    """A request as it was typed."""

    method: str
    path: str
    query: str
    headers: Headers


def add(parser: argparse.ArgumentParser) -> None:
    """The request's options, `--config` and `--json`."""
    parser.epilog = EXPLANATION
    parser.add_argument("--method", metavar="NAME", help="the request's method (default: GET)")
    parser.add_argument("--path", help="its path, with its query if it has one; without --path, stdin is read")
    parser.add_argument(
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        default=[],
        help="a header field; as often as there are fields",
    )
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Decide, print the story, and give the exit code. Raises SettingsError."""
    settings = load_settings(options.config, environ)
    try:
        raw = _asked(options)
    except ValueError as no:
        print(f"the request can't be read: {no}", file=sys.stderr)
        return 2
    story = explain(settings, raw, environ)
    print(json.dumps(story, indent=2) if options.json else as_text(story))
    return 0


def explain(settings: Settings, raw: Raw, environ: Mapping[str, str]) -> Story:
    """The story of one decision, masked."""
    wired = wire(settings, "blocking", environ=environ, write=lambda line: None)  # noqa: ARG005 - nothing is logged
    gateway, steps = recording(wired.gateway, wired.policy_names, wired.ticks)
    request = judged(raw, settings)
    decision = finish(gateway.decide(request))
    finish(wired.close())
    exchange = raw.path == "/exchange"
    told = tell(settings, request, steps, decision, exchange=exchange, now=wired.now(), ticks=wired.ticks())
    return told | {"calls": [f"{name}: {_how(calls)}" for name, calls in wired.metrics.servers.items() if _how(calls)]}


def _how(calls: Calls) -> str:
    """What came of the calls to one server, in words: "2 no_connection, asked once more"."""
    made = [f"{count} {how}" for how, count in calls.by_outcome.items()]
    return ", ".join([*made, "asked once more"] if calls.retries else made)


def judged(raw: Raw, settings: Settings) -> Request:
    """The request to be judged: what was typed, or what that says when it is a gateway's call to us."""
    method = raw.method.encode("ascii")
    if raw.path == "/decide" or raw.path.startswith("/decide/"):
        target = raw.path.removeprefix("/decide") + (f"?{raw.query}" if raw.query else "")
        return read_decide(settings.serve.source)(method, target.encode("latin-1"), raw.headers, True, "explain")
    if raw.path == "/exchange":
        return read_exchange(settings.serve.source)(method, b"", raw.headers, True, "explain")
    if settings.session.cors and (raw.path == "/preflight" or raw.path.startswith("/preflight/")):
        below = raw.path.removeprefix("/preflight").encode("latin-1")
        return read_preflight(settings.serve.source)(method, below, raw.headers, True, "explain")
    proxied = bool(settings.serve.upstream)
    return Request(raw.method, raw.path, raw.headers, raw.query, peer="explain", answerable=proxied)


def _asked(options: argparse.Namespace) -> Raw:
    """The request of the options, or else of stdin. Raises ValueError."""
    if options.path is not None:
        fields = [_field(line.encode("utf-8", "surrogateescape")) for line in options.header]
        target = options.path.encode("utf-8", "surrogateescape").decode("latin-1")  # as the listener reads bytes
        return _raw(options.method or "GET", target, Headers.of(fields))
    if options.method or options.header:
        raise ValueError("--method and --header need --path, such as --path /orders/7")
    if sys.stdin is None or sys.stdin.isatty():
        raise ValueError("there is none; write --path /orders/7, or give a whole request on stdin (see --help)")
    return read_raw(standard_input(_MOST_BYTES + 1))


def read_raw(data: bytes) -> Raw:
    """The head of an HTTP/1.1 request (RFC 9112 §3, §5), with lines that may end in LF alone; a body is not looked at.

    Raises ValueError, which quotes nothing of the fields, since they hold tokens.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError(f"over {_MOST_BYTES} bytes")
    head = re.split(rb"\r?\n\r?\n", data.lstrip(b"\r\n"), maxsplit=1)[0]
    first, *lines = re.split(rb"\r?\n", head.rstrip(b"\r\n"))
    found = re.fullmatch(rb"([!-~]+) ([!-~]+) HTTP/1\.[01]", first)
    if found is None:
        raise ValueError('the first line is not "METHOD /path HTTP/1.1"')
    return _raw(found[1].decode("ascii"), found[2].decode("ascii"), Headers.of(map(_field, lines)))


def _raw(method: str, target: str, headers: Headers) -> Raw:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", method):  # RFC 9110 §9.1
        raise ValueError('the method is not one word, such as "POST"')
    if not target.startswith("/"):
        raise ValueError('the path does not begin with "/"')
    path, _, query = target.partition("?")
    return Raw(method, path, query, headers)


def _field(line: bytes) -> tuple[bytes, bytes]:
    """Name and value of a header field."""
    found = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", line, re.DOTALL)
    if found is None:
        raise ValueError('a header is not "Name: value"')
    return found[1], found[2]
