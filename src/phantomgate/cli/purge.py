"""`phantomgate purge`: have tokens forgotten and refused, everywhere, now."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from phantomgate.backends.blocking import finish
from phantomgate.cli.options import add_config
from phantomgate.config.loading import draft, read_sources
from phantomgate.config.network import read_address
from phantomgate.config.revoking import revocation_secret
from phantomgate.core.errors import Problem, Refused, SettingsError
from phantomgate.core.ports import HttpCall
from phantomgate.oauth.purge_call import HEADER, purge_signature

EXPLANATION = """\
Tells the service at [revocation] listen, or at --url, that tokens are over. It answers when every worker of that
machine knows, and with [redis] every other machine can.

  phantomgate purge --sub alice                     all of a person that were issued until now; a new login gets in
  phantomgate purge --sid 08a5019c                  a session of the authorization server
  phantomgate purge --client-id web --issuer main   all of a client, at one of [[issuers]]
  phantomgate purge --token-file -                  one token, read from standard input; never an argument
  phantomgate purge --issuer main                   all of an issuer

exit codes:
  0  done, everywhere
  1  not done, or not everywhere: do it again
  2  the settings have problems, or the service refuses the call
"""
_FLAGS = {"sub": "--sub", "sid": "--sid", "client_id": "--client-id", "issuer": "--issuer"}


def add(parser: argparse.ArgumentParser) -> None:
    """`--config`, and what is purged."""
    parser.epilog = EXPLANATION
    add_config(parser)
    for name, flag in _FLAGS.items():
        parser.add_argument(flag, dest=name, metavar="NAME", help=f"{name} of the tokens")
    parser.add_argument("--token-file", metavar="FILE", help="where the token is; - for standard input")
    parser.add_argument("--url", help="where the service is, if not at [revocation] listen on this machine")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Call, say what came of it, and give the exit code."""
    settings, problems = draft(read_sources(options.config, environ))
    secret, more = revocation_secret(settings, environ)
    if not secret and not more:
        more = [Problem("revocation.secret", 'is missing; write secret = "env:NAME"', settings.origin(""))]
    if problems or more:
        raise SettingsError(problems + more)
    said = {name: getattr(options, name) for name in _FLAGS if getattr(options, name)}
    if options.token_file:
        place = options.token_file
        said["token"] = (sys.stdin.read() if place == "-" else Path(place).read_text(encoding="ascii")).strip()
    if not said:
        print("purge what? --sub, --sid, --client-id, --issuer or --token-file", file=sys.stderr)
        return 2
    address = read_address(settings.revocation.listen)
    if address.unix and not options.url:
        print("the service listens on a unix socket: write --url of what is in front of it", file=sys.stderr)
        return 2
    host = f"[{address.host}]" if ":" in address.host else address.host
    return _call(options.url or f"http://{host}:{address.port}", json.dumps(said).encode(), secret)


def _call(url: str, body: bytes, secret: str) -> int:
    from phantomgate.backends.blocking_http import BlockingHttp

    headers = (("Content-Type", "application/json"), (HEADER, purge_signature(body, secret, time.time())))
    http = BlockingHttp(ca_file=None, certificate=None, ticks=time.monotonic)
    try:
        reply = finish(http.send(HttpCall("POST", f"{url.rstrip('/')}/purge", headers, body, timeout=5.0)))
    except Refused as no:
        print(f"not purged: {no.detail}", file=sys.stderr)
        return 1
    finally:
        finish(http.close())
    if reply.status == 200:
        print("purged")
        return 0
    told = (
        json.loads(reply.body or b"{}").get("error_description", "") if reply.status != 401 else "wrong secret or clock"
    )
    print(f"not purged: the service answered {reply.status}: {told}", file=sys.stderr)
    return 1 if reply.status >= 500 else 2
