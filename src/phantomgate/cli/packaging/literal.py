"""Secrets that somebody has written where only references belong, in files that would go into a zip.

Rule: whoever can read a function can download its code, so a secret in it is no secret; what is found is named by file
and line, and never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from phantomgate.config.dotenv import read_dotenv
from phantomgate.core.errors import Problem

_SECRET_NAME = re.compile(r"(?i)(?:secret|password|passwd|encryption_key|private_key|client_key|token)s?\Z")
_ASSIGNED = re.compile(r"""(?i)^[\s#]*([A-Za-z0-9_.-]+)\s*=\s*\[?\s*["']([^"']+)""")
_REFERENCE = re.compile(r"(?:env|file|aws-sm|aws-ssm):.+")
_ANYWHERE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\bA(?:KIA|SIA)[0-9A-Z]{16}\b|\b[0-9a-fA-F]{64}\b")
_WORDS = frozenset(("presented", "jwt"))  # exchange.subject_token
_REMEDY = 'holds a secret, which everybody who can read the function could read; keep it in Secrets Manager and write \
"aws-sm:NAME#key"'


def in_toml(text: str, name: str) -> Iterator[Problem]:
    """What is wrong with settings in TOML, comments too."""
    for number, line in enumerate(text.splitlines(), 1):
        said = _ASSIGNED.match(line)
        literal = said and _SECRET_NAME.search(said[1]) and not _REFERENCE.match(said[2]) and said[2] not in _WORDS
        if literal or _ANYWHERE.search(line):
            yield Problem(f"line {number}", _REMEDY, name)


def in_dotenv(text: str, name: str) -> Iterator[Problem]:
    """What is wrong with a `.env`, comments too."""
    for variable, value in read_dotenv(text).items():
        if value and _SECRET_NAME.search(variable) and not _REFERENCE.match(value):
            yield Problem(variable, _REMEDY, name)
    for number, line in enumerate(text.splitlines(), 1):
        key, equals, value = line.strip(" #").partition("=")
        commented = line.lstrip().startswith("#") and equals and _SECRET_NAME.search(key.strip())
        if _ANYWHERE.search(line) or (commented and value.strip() and not _REFERENCE.match(value.strip(" \"'"))):
            yield Problem(f"line {number}", _REMEDY, name)
