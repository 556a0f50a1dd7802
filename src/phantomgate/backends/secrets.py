"""Secrets, read from where a setting says they are: a variable, a file, or AWS.

Rule: what is read is returned and never kept, printed or repeated in an error. There is no default secret.
"""

from __future__ import annotations

from collections.abc import Mapping

UNTIL = "PHANTOMGATE_SECRETS_UNTIL"
"""The variable that says until when, in Unix time, AWS may be waited for; the Lambda function sets it for itself."""
_MOST_BYTES = 65536


def read_secret(reference: str, environ: Mapping[str, str], *, least: int = 1) -> str:
    """The secret that "env:NAME", "file:PATH", "aws-sm:NAME#key" or "aws-ssm:NAME" refers to.

    One newline at a file's end is not part of it.

    Raises ValueError, saying what to do, when it is not there, shorter than *least* characters, or can't be a secret.
    """
    secret = read_key(reference, environ)
    if not secret.isprintable():
        raise ValueError(
            f"refers to {named(reference)}, which holds a control character or a line break; write the secret alone"
        )
    if len(secret) < least:
        raise ValueError(f"refers to {named(reference)}, which is shorter than {least} characters")
    return secret


def read_key(reference: str, environ: Mapping[str, str]) -> str:
    """The text of a key that *reference* refers to, which may have several lines, as PEM does.

    Raises ValueError, saying what to do, when it is not there or empty.
    """
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        secret = _from_variable(place, environ)
    elif scheme == "file":
        secret = _from_file(place)
    elif scheme in ("aws-sm", "aws-ssm"):
        from phantomgate.backends.aws_secrets import fetch  # and with it a client for AWS

        secret = fetch(reference, environ)
    else:
        raise ValueError('is not a reference that can be read; write "env:NAME", "file:PATH" or "aws-sm:NAME#key"')
    if not secret:
        raise ValueError(f"refers to {_name(scheme, place)}, which is empty; an empty secret is no secret")
    return secret


def named(reference: str) -> str:
    """What *reference* refers to, for people."""
    scheme, _, place = reference.partition(":")
    return _name(scheme, place)


def _name(scheme: str, place: str) -> str:
    return f"the {_KINDS.get(scheme, 'file')} {place}"


_KINDS = {"env": "variable", "aws-sm": "secret", "aws-ssm": "parameter"}


def _from_variable(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ValueError(f"refers to the variable {name}, which is not set; set it, or write where the secret is")
    return environ[name]


def _from_file(path: str) -> str:
    from pathlib import Path  # a cold start with a variable does without

    try:
        with Path(path).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"refers to the file {path!r}, which is not UTF-8 text") from None
    except (OSError, ValueError) as no:
        why = no.strerror if isinstance(no, OSError) and no.strerror else "not a file's name"
        raise ValueError(f"refers to the file {path!r}, which can't be read: {why}") from None
    if len(data) > _MOST_BYTES:
        raise ValueError(f"refers to the file {path!r}, which is over {_MOST_BYTES} bytes; is it the right file?")
    return text.removesuffix("\n").removesuffix("\r")
