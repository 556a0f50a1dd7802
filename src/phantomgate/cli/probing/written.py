"""Settings as a person would write them: TOML with a word about each line that needs one. Pure.

Rule: what is written here is loaded, tried and printed as it is. It names secrets and never holds one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from phantomgate.cli.probing.given import MINT_KEY, TIMEOUT, Given
from phantomgate.cli.probing.ways import RAW, Way
from phantomgate.oauth.urls import insecure

Value: TypeAlias = str | bool | Sequence[str]
Line: TypeAlias = tuple[str, Value] | str
"""A setting and its value, or a comment."""

PROBED = "probed"
"""What an issuer is called whose tokens are verified."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the server and of its tokens."""

    endpoint: str = ""
    keys: str = ""
    discovers: bool = False
    """Whether its metadata says where its keys are, and can be used as it is."""
    discovery: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    """What it signs with: access tokens for a way to verify, else its signed answers."""
    typ: str = "at+jwt"
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    own_keys: tuple[str, ...] = ()
    """What its tokens say of keys in their header."""
    tried: str = ""
    """What it was tried with, for people."""


def settings_text(way: Way, given: Given, seen: Seen) -> str:
    """The whole of phantomgate.toml for *way*."""
    parts = [f"# phantomgate, for the authorization server\n# {given.issuer}\n"]
    if seen.tried:
        parts.append(f"# Tried by `phantomgate probe` with {seen.tried}.\n")
    parts.append("# Next: phantomgate check. All there is: docs/reference/settings.md\n")
    if way.mode == "verify":
        parts.append(_table("[[issuers]]", _issuer(given, seen)))
        parts.append(_table("[policy]", [*_scopes(seen)]))
    else:
        parts.append(_table("[introspection]", _introspection(way, given, seen)))
        parts.append(_table("[policy]", [*_audiences(seen), *_scopes(seen)]))
    if way.mint:
        parts.append(_table("[mint]", _mint(way, given)))
    return "".join(parts)


_CONFIRM = (
    "Seen in the token. CONFIRM that this is what the server calls YOUR API, and",
    "nothing else: tokens for any of these are let in.",
)


def _issuer(given: Given, seen: Seen) -> list[Line]:
    lines: list[Line] = [
        ("name", PROBED),
        ("issuer", given.issuer),
        ("mode", "verify"),
        *_CONFIRM,
        ("audiences", seen.audiences),
        ("algorithms", seen.algorithms),
    ]
    if seen.typ.lower().removeprefix("application/") != "at+jwt":
        lines.append("It doesn't say at+jwt (RFC 9068), so its ID tokens may look the same.")
        lines.append(("typ", [seen.typ]))
    if seen.own_keys:
        lines.append("Its tokens carry this in their header. It is let pass, and never used.")
        lines.append(("ignored_header", seen.own_keys))
    if not seen.discovers:
        lines.append(("keys", seen.keys))
    elif seen.discovery:
        lines.append(("discovery", seen.discovery))
    if given.origins and seen.discovers:
        lines.append(("endpoint_origins", given.origins))
    return lines + _connection(given, given.issuer, seen.keys)


def _introspection(way: Way, given: Given, seen: Seen) -> list[Line]:
    lines: list[Line] = [
        ("endpoint", seen.endpoint),
        ("issuer", given.issuer),
        ("client_id", given.client_id),
    ]
    if way.client_auth == "private_key_jwt":
        lines.append(("client_key", given.client_key))
    elif way.client_auth != "tls_client_auth":
        lines.append(("client_secret", given.client_secret))
    if way.client_auth == RAW:
        lines.append("It calls the secret wrong where it is encoded as RFC 6749 section 2.3.1 has it.")
    lines.append(("client_auth", way.client_auth))
    if given.assertion_audience and way.client_auth.endswith("_jwt"):
        lines.append(("assertion_audience", given.assertion_audience))
    if given.certificate:
        lines.append(("client_certificate_file", given.certificate))
    if given.certificate and given.certificate_key:
        lines.append(("client_certificate_key_file", given.certificate_key))
    lines.append(("answer", way.answer))
    if way.verified:
        lines += ["A key of the server must have signed the JWT in its answer.", ("verify", "signature")]
    if way.answer == "signed" or way.verified:
        lines += [("keys", seen.keys), ("algorithms", seen.algorithms)]
    if way.encrypted:
        lines.append(("decryption_key", given.decryption_key))
    return lines + _connection(given, seen.endpoint, seen.keys)


def _connection(given: Given, *urls: str) -> list[Line]:
    lines: list[Line] = [("timeout", given.timeout)] if given.timeout != TIMEOUT else []
    if given.ca_file:
        lines.append(("ca_file", given.ca_file))
    if given.allow_insecure_http and any(insecure(url) for url in urls if url):
        lines.append("For a test only: anybody on the way can read and change what is sent.")
        lines.append(("allow_insecure_http", True))
    return lines


def _audiences(seen: Seen) -> list[Line]:
    if seen.audiences:
        return [
            *_CONFIRM,
            ("audiences", seen.audiences),
        ]
    return [
        "No audience was seen, so none is checked. If its tokens have one, write it:",
        'audiences = ["..."]',
    ]


def _scopes(seen: Seen) -> list[Line]:
    if not seen.scopes:
        return ["What every request needs, whatever its path:", 'scopes = ["..."]']
    return ["Seen in the token. Which of them does every request need?", f"scopes = {toml(seen.scopes)}"]


def _mint(way: Way, given: Given) -> list[Line]:
    lines: list[Line] = []
    subject: list[Line] = ["It names users by this claim alone.", ("subject", way.subject)]
    if given.mint_key == MINT_KEY:
        lines += [
            "The key that signs. The trial was lent one, if there was none. Make yours:",
            'export MINT_KEY="$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)"',
        ]
    return [
        *lines,
        ("keys", [given.mint_key]),
        "CHANGE both: a name of your own, not the server's; and that of your API.",
        ("issuer", "https://gateway.example"),
        ("audience", "my-api"),
        *(subject if way.subject != "sub" else []),
    ]


def _table(head: str, lines: Sequence[Line]) -> str:
    width = max((len(line[0]) for line in lines if not isinstance(line, str)), default=0)
    written = [f"# {line}" if isinstance(line, str) else f"{line[0]:<{width}} = {toml(line[1])}" for line in lines]
    return "\n".join(["", head, *written, ""])


def toml(value: Value) -> str:
    """*value* as TOML has it (toml.io v1.0.0), on one line, whatever is in it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_UNSAFE.sub(_escaped, value)}"'
    return f"[{', '.join(map(toml, value))}]"


_UNSAFE = re.compile(r"[^ !#-\[\]-~]")


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return f"\\{character}" if character in '"\\' else f"\\U{ord(character):08X}"
