"""`phantomgate purge`: have tokens forgotten and refused, everywhere, now."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from phantomgate.backends.blocking import finish
from phantomgate.cli.options import add_config, standard_input
from phantomgate.config.kinds import found
from phantomgate.config.loading import draft, read_sources
from phantomgate.config.network import read_address
from phantomgate.config.revoking import revocation_secret
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, Refused, SettingsError
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.oauth.purge_call import HEADER, MAX_BODY, purge_signature
from phantomgate.oauth.urls import insecure, split_url

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
    """Call, say what came of it, and give the exit code. Raises SettingsError."""
    settings, problems = draft(read_sources(options.config, environ))
    secret, more = revocation_secret(settings, environ)
    if not secret and not more:
        more = [Problem("revocation.secret", 'is missing; write secret = "env:NAME"', settings.origin(""))]
    if problems or more:
        raise SettingsError(problems + more)
    said = {name: getattr(options, name) for name in _FLAGS if getattr(options, name)}
    if options.token_file:
        said["token"] = _token(options.token_file)
    if not said:
        print("purge what? --sub, --sid, --client-id, --issuer or --token-file", file=sys.stderr)
        return 2
    url = options.url or _usual(settings)
    try:
        split_url(url)
    except ValueError as no:
        raise _problem("--url", f"can't be called: {no}; want a URL such as https://gateway.example:9093") from None
    if options.url and "token" in said and insecure(url):
        raise _problem("--url", "is http, which would send the token in the clear; write https://, or run this there")
    return _call(url, json.dumps(said).encode(), secret)


def _problem(option: str, text: str) -> SettingsError:
    return SettingsError([Problem(option, text, "command line")])


def _token(place: str) -> str:
    """The token in the file *place*. Raises SettingsError, which doesn't repeat it."""
    try:
        data = standard_input(MAX_BODY + 1) if place == "-" else Path(place).read_bytes()
        token = data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise _problem("--token-file", "holds no token: it is not ASCII; write the token alone") from None
    except OSError as no:
        raise _problem("--token-file", f"is {place}, which can't be read: {no.strerror}") from None
    if not token or len(data) > MAX_BODY:
        what = f"is over {MAX_BODY} bytes" if token else "is empty"
        raise _problem("--token-file", f"holds no token: it {what}; write the token alone")
    return token


def _usual(settings: Settings) -> str:
    """Where the service listens. Raises SettingsError where nothing can be called there."""
    address = read_address(settings.revocation.listen)
    if address.unix:
        raise _problem(
            "--url", "is missing: the service listens on a unix socket; write that of what is in front of it"
        )
    if not address.port:
        raise _problem("--url", "is missing: the service listens on any port that is free; write where its log says")
    return f"http://[{address.host}]:{address.port}" if ":" in address.host else f"http://{address.host}:{address.port}"


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
    print(f"not purged: the service answered {reply.status}: {_why(reply)}", file=sys.stderr)
    return 1 if reply.status >= 500 else 2


def _why(reply: HttpReply) -> str:
    """What a refusal says, printable; whoever answers may be somebody else."""
    if reply.status == 401:
        return "wrong secret or clock"
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        said = None
    told = said.get("error_description") if isinstance(said, dict) else None
    if not isinstance(told, str):
        return "not in the words of phantomgate; is it at this address?"
    return told[:200] if told.isascii() and told.isprintable() else found(told)
