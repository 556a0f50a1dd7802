"""`phantomgate keygen`: a new key, in the form that settings want."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Mapping

EXPLANATION = """\
Prints 32 random bytes (256 bits) from the operating system as 64 hexadecimal characters: the key for what is sealed,
such as session cookies. Whoever has it can read and make what it seals, so keep it as you keep passwords, and never
in the settings themselves:

  phantomgate keygen > /run/secrets/session-key      then write keys = ["file:/run/secrets/session-key"] in [session]
  export SESSION_KEY=$(phantomgate keygen)           then write keys = ["env:SESSION_KEY"]

To rotate, put a new one behind the old one everywhere, and only then in front of it; the steps are in
docs/how-to/browser-sessions.md.

exit codes:
  0  printed
"""


def add(parser: argparse.ArgumentParser) -> None:
    """No options."""
    parser.epilog = EXPLANATION


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:  # noqa: ARG001 - the shape of a command
    """Print a key."""
    print(secrets.token_hex(32))
    return 0
