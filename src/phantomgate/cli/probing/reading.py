"""From the command line to what is given: checked as settings are, every problem at once.

Rule: no message repeats what was written in place of a secret.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from phantomgate.backends.secrets import read_key, read_secret
from phantomgate.cli.probing.given import MINT_KEY, Given
from phantomgate.config.loading import kinds_of
from phantomgate.config.settings import Introspection, IssuerRule
from phantomgate.config.vocabulary import SCOPES, SECRET
from phantomgate.core.errors import Problem, Refused, SettingsError
from phantomgate.oauth.bearer import read_authorization
from phantomgate.oauth.urls import check_issuer, insecure

STDIN = "-"
_ASKED = kinds_of(Introspection)
_FIELDS = {
    "client_id": _ASKED["client_id"],
    "client_secret": SECRET,
    "client_key": SECRET,
    "assertion_audience": _ASKED["assertion_audience"],
    "client_certificate": _ASKED["client_certificate_file"],
    "client_certificate_key": _ASKED["client_certificate_key_file"],
    "decryption_key": SECRET,
    "mint_key": SECRET,
    "endpoint": _ASKED["endpoint"],
    "endpoint_origin": kinds_of(IssuerRule)["endpoint_origins"],
    "keys": _ASKED["keys"],
    "ca_file": _ASKED["ca_file"],
    "timeout": _ASKED["timeout"],
}
"""Options that are read as a setting is."""
_NEEDS = {
    "client_secret": "client_id",
    "client_key": "client_id",
    "client_certificate": "client_id",
    "client_certificate_key": "client_certificate",
    "client_auth": "client_id",
    "decryption_key": "client_id",
    "grant": "client_id",
    "scope": "grant",
    "client_id": ("client_secret", "client_key", "client_certificate"),
}
"""An option, and what it is of no use without: this, or one of these."""


def read_given(options: argparse.Namespace, environ: Mapping[str, str], stdin: Callable[[], bytes]) -> Given:
    """What *options* give. Secrets are looked at, to see that they are there; *stdin* is read for a token only.

    Raises SettingsError with every problem.
    """
    said: dict[str, Any] = vars(options)
    wrong = [*_unreadable(said), *_incomplete(said)]
    if not wrong:
        wrong += [*_unsafe(said), *_not_there(said, environ)]
    token = ""
    if not wrong and said["token"]:
        try:
            token = _token(said["token"], environ, stdin)
        except ValueError as no:
            wrong.append(("token", str(no)))
    if wrong:
        raise SettingsError(
            [Problem("ISSUER" if name == "issuer" else f"--{name.replace('_', '-')}", text, "command line")
             for name, text in wrong]
        )  # fmt: skip
    return Given(
        issuer=said["issuer"],
        client_id=said["client_id"],
        client_secret=said["client_secret"],
        client_auth=said["client_auth"],
        client_key=said["client_key"],
        assertion_audience=said["assertion_audience"],
        certificate=said["client_certificate"],
        certificate_key=said["client_certificate_key"],
        decryption_key=said["decryption_key"],
        mint_key=said["mint_key"],
        endpoint=said["endpoint"],
        keys=said["keys"],
        origins=tuple(said["endpoint_origin"]),
        ca_file=said["ca_file"],
        allow_insecure_http=said["allow_insecure_http"],
        timeout=said["timeout"],
        token=token,
        grant=bool(said["grant"]),
        scope=said["scope"],
    )


def _unreadable(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    wrong: list[tuple[str, str]] = []
    for name, kind in _FIELDS.items():
        try:
            kind.read(said[name])
        except ValueError as no:
            wrong.append((name, str(no)))
    if said["keys"].startswith("file:"):
        wrong.append(("keys", "is a file; want the URL where the server publishes them"))
    try:
        SECRET.read("" if said["token"] == STDIN else said["token"])
    except ValueError:
        text = "is no reference, perhaps the token itself, which others could read on a command line; "
        wrong.append(("token", text + "write env:NAME, file:PATH, or - for stdin"))
    try:
        SCOPES.read(said["scope"].split(" ") if said["scope"] else [])
    except ValueError as no:
        wrong.append(("scope", str(no)))
    if "/.well-known/" in said["issuer"]:
        wrong.append(("issuer", "is the address of its metadata; want the issuer itself, which the metadata names"))
        return wrong
    try:
        check_issuer(said["issuer"], allow_insecure_http=said["allow_insecure_http"])
    except ValueError as no:
        wrong.append(("issuer", f"{no}; want the issuer as it names itself, such as https://as.example"))
    return wrong


def _incomplete(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    wrong: list[tuple[str, str]] = []
    for name, needed in _NEEDS.items():
        names = (needed,) if isinstance(needed, str) else needed
        if said[name] and not any(said[one] for one in names):
            words = " or ".join(f"--{one.replace('_', '-')}" for one in names)
            wrong.append((name, f"is of no use without {words}"))
    return wrong


def _unsafe(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    if said["allow_insecure_http"]:
        return []
    text = "is http, and what goes there could be read and changed on its way; write https://"
    named = [(name, said[name]) for name in ("endpoint", "keys") if said[name]]
    named += [("endpoint_origin", one) for one in said["endpoint_origin"]]
    return [(name, text) for name, url in named if insecure(url)]


def _not_there(said: Mapping[str, Any], environ: Mapping[str, str]) -> list[tuple[str, str]]:
    wrong: list[tuple[str, str]] = []
    for name, read in (
        ("client_secret", read_secret),
        ("client_key", read_key),
        ("decryption_key", read_key),
        ("mint_key", read_key),
    ):
        if said[name] and (name, said[name]) != ("mint_key", MINT_KEY):
            try:
                read(said[name], environ)
            except ValueError as no:
                wrong.append((name, str(no)))
    for name, ca_file, certificate in (
        ("ca_file", said["ca_file"], None),
        ("client_certificate", None, (said["client_certificate"], said["client_certificate_key"])),
    ):
        if ca_file or (certificate and certificate[0]):
            from phantomgate.backends.tls import client_context

            try:
                client_context(ca_file, certificate)
            except OSError as no:
                wrong.append((name, f"can't be used: {no.strerror or no}"))
    return wrong


def _token(reference: str, environ: Mapping[str, str], stdin: Callable[[], bytes]) -> str:
    """The token; ValueError that doesn't repeat it."""
    if reference == STDIN:
        try:
            text = stdin().decode("ascii").strip("\r\n")
        except UnicodeDecodeError:
            raise ValueError("from stdin is not ASCII") from None
        if not text:
            raise ValueError("from stdin is empty")
    else:
        text = read_secret(reference, environ)
    try:
        return read_authorization(b"Bearer " + text.encode("utf-8", "surrogateescape"))
    except Refused as no:
        raise ValueError(f"can't be sent as a Bearer token: {no.detail}") from None
