"""`phantomgate probe ISSUER`: find out what an authorization server speaks, and write the settings for it.

Rule: a secret comes by reference or from stdin, never as an argument, and is never printed; no file is overwritten.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from phantomgate.cli.options import add_json, standard_input
from phantomgate.cli.paint import Paint, painter
from phantomgate.cli.probing.finding import look
from phantomgate.cli.probing.given import MINT_KEY, TIMEOUT
from phantomgate.cli.probing.reading import read_given
from phantomgate.cli.probing.told import told
from phantomgate.cli.probing.trials import Connection
from phantomgate.cli.probing.words import as_text
from phantomgate.core.errors import Problem, SettingsError

GOOD, NOTHING = 0, 1

EXPLANATION = """\
Reads what the server says of itself (RFC 8414, OpenID Connect Discovery) and its keys. With a client, it asks at the
introspection endpoint about a token that nobody ever issued, once for each way to show who we are that the server
names and that was given (after three refusals it stops, lest the server lock the client out), and then in each dialect:
application/jwt, JSON (RFC 7662), signed and encrypted (RFC 9701). With a token, it asks about that too, and verifies it
if it is a JWT. Each call is announced on stderr. Nothing is changed anywhere.

What it recommends has been tried: the settings that it prints are loaded, wired and asked as `serve` would. The order:
verify JWTs (no secret); the server's own JWT (application/jwt, then a member of its JSON); JSON with a JWT that is
minted here; signed JSON with one.

examples:
  phantomgate probe https://as.example
  phantomgate probe https://as.example --client-id api-gateway \\
      --client-secret env:GATEWAY_SECRET --token file:/run/secrets/a-token \\
      --write phantomgate.toml
  get-a-token | phantomgate probe https://as.example --token -
  phantomgate probe https://as.example --client-id me \\
      --client-secret env:SECRET --grant client_credentials --scope read

exit codes:
  0  something works; its settings are on stdout below the line "----- phantomgate.toml", and in --write's file
  1  nothing does, or nobody answers
  2  the command line can't be used, or what it refers to isn't there
"""

WAYS = ("basic", "post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "bearer")
_REFERENCE = "env:NAME|file:PATH"


def add(parser: argparse.ArgumentParser) -> None:
    """The issuer, who we are, and what to try with."""
    parser.epilog = EXPLANATION
    parser.add_argument("issuer", metavar="ISSUER", help="the server, exactly as it names itself: https://as.example")
    client = parser.add_argument_group("who we are")
    client.add_argument("--client-id", metavar="NAME", default="", help="our name there")
    client.add_argument("--client-secret", metavar=_REFERENCE, default="", help="where our secret is kept")
    client.add_argument(
        "--client-auth",
        choices=WAYS,
        metavar="METHOD",
        default="",
        help=f"the only way to show it that may be tried: {', '.join(WAYS)}",
    )
    client.add_argument("--client-key", metavar=_REFERENCE, default="", help="our private key, for private_key_jwt")
    client.add_argument(
        "--assertion-audience", metavar="TEXT", default="", help="whom assertions are for, if not ISSUER"
    )
    client.add_argument("--client-certificate", metavar="FILE", default="", help="our certificate, for tls_client_auth")
    client.add_argument("--client-certificate-key", metavar="FILE", default="", help="its key, if not in that file")
    token = parser.add_argument_group("what to try with")
    token.add_argument("--token", metavar=f"{_REFERENCE}|-", default="", help="an access token; - reads it from stdin")
    token.add_argument("--grant", choices=["client_credentials"], help="without --token: ask the server for one, as us")
    token.add_argument("--scope", metavar="WORDS", default="", help="with --grant: what for")
    token.add_argument(
        "--decryption-key", metavar=_REFERENCE, default="", help="our private key, for encrypted answers"
    )
    token.add_argument(
        "--mint-key", metavar=_REFERENCE, default=MINT_KEY, help="the key to mint with (default: %(default)s)"
    )
    server = parser.add_argument_group("where the server is")
    server.add_argument("--endpoint", metavar="URL", default="", help="its introspection endpoint, if not as it says")
    server.add_argument("--keys", metavar="URL", default="", help="its key set, if not as it says")
    server.add_argument(
        "--endpoint-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="where else than at ISSUER its endpoints may be; our secret goes there",
    )
    server.add_argument("--ca-file", metavar="FILE", default="", help="who may vouch for it, in PEM")
    server.add_argument("--timeout", metavar="TIME", default=TIMEOUT, help="of each call (default: %(default)s)")
    server.add_argument("--allow-insecure-http", action="store_true", help="http beyond this machine; for tests only")
    add_json(parser)
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the settings there; never over another file")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Probe, print what was found, and give the exit code. Raises SettingsError for a command line of no use."""
    if options.write is not None:
        _look_whether_free(options.write)
    given = read_given(options, environ, lambda: standard_input(1 << 16))
    progress = _Progress(painter(sys.stderr, environ))
    finding = look(given, environ, _connect, progress.tell)
    story = told(finding)
    print(json.dumps(story, indent=2) if options.json else as_text(story, painter(sys.stdout, environ)))
    if options.write is not None:
        _write(options.write, story["settings"])
    return GOOD if finding.works else NOTHING


class _Progress:
    """Says on stderr what is done. State: where the last call went, which isn't said twice."""

    def __init__(self, paint: Paint) -> None:
        self.paint = paint
        self.last = ""

    def tell(self, text: str, what: str) -> None:
        """A call to *text* with *what* in it; without, *text* is a heading, or a call that says it all."""
        if text.startswith(("GET ", "POST ")):
            if text != self.last or not what:
                self._print(f"    {text}")
            self.last = text
            if what:
                self._print(f"        {what}")
        else:
            self._print(f"... {text}")

    def _print(self, line: str) -> None:
        print(self.paint("soft", line), file=sys.stderr, flush=True)


def _connect(ca_file: str, certificate: tuple[str, str] | None) -> Connection:
    from phantomgate.backends.blocking_http import BlockingHttp

    return BlockingHttp(ca_file=ca_file or None, certificate=certificate)


def _write(file: Path, settings: str | None) -> None:
    if settings is None:
        print(f"{file} is not written: there are no settings that work", file=sys.stderr)
        return
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(settings)
    except OSError as no:
        _refuse_to_write(file, f"can't be written: {no.strerror}")
    print(f"{file} is written", file=sys.stderr)


def _look_whether_free(file: Path) -> None:
    try:
        file.lstat()
    except FileNotFoundError:
        return
    except OSError as no:
        _refuse_to_write(file, f"can't be written: {no.strerror}")
    _refuse_to_write(file, "is there already, and nothing is written over another file")


def _refuse_to_write(file: Path, why: str) -> None:
    raise SettingsError([Problem("--write", f"{file} {why}", "command line")])
