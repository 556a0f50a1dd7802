"""From the settings of one server to what verifies its answers: its keys, our name, our decryption key.

Signed answers (RFC 9701) are opened with them; with `verify = "signature"`, JWTs in other answers are checked.
Rule: imported only where answers are verified, for it brings the verifier.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from phantomgate.backends.secrets import named, read_key
from phantomgate.config.settings import Introspection
from phantomgate.core.ports import Clock, Http
from phantomgate.oauth.discovery import Metadata
from phantomgate.oauth.introspected_jwt import introspected_rules
from phantomgate.oauth.jwks import KeySet
from phantomgate.oauth.signed_introspection import statement_rules
from phantomgate.resolvers.held import Fetched, Held
from phantomgate.resolvers.keys import Keys, endpoint_in, keys_at, keys_in
from phantomgate.resolvers.signatures import Signatures
from phantomgate.resolvers.statements import Statements

Decrypt = Callable[[str], str]


def decryption(asked: Introspection, environ: Mapping[str, str]) -> tuple[Decrypt | None, list[tuple[str, str]]]:
    """What decrypts answers, if `decryption_key` is set, and what is wrong with that key: (setting, what)."""
    reference = asked.decryption_key
    if not reference:
        return None, []
    from phantomgate.backends.jose import decrypter

    try:
        text = read_key(reference, environ)
    except ValueError as no:
        return None, [("decryption_key", str(no))]
    try:
        return decrypter(text), []
    except ValueError as no:
        return None, [("decryption_key", f"refers to {named(reference)}, which {no}")]


def answer_keys(
    asked: Introspection, http: Http, metadata: Held[Metadata] | None
) -> Callable[[], Awaitable[Fetched[KeySet]]]:
    """Fetches the keys that the server signs its answers with, which *metadata* finds if the settings don't say."""
    source = asked.keys
    if source.startswith("file:"):
        from pathlib import Path

        name = source.removeprefix("file:")
        return keys_in(Path(name).read_bytes, name, asked.algorithms)

    if not source:
        found = endpoint_in(cast("Held[Metadata]", metadata), "jwks_uri")
        return keys_at(http, found, asked.algorithms, timeout=asked.timeout)

    async def where() -> str:
        return source

    return keys_at(http, where, asked.algorithms, timeout=asked.timeout)


def statements(asked: Introspection, keys: Keys, decrypt: Decrypt | None, clock_skew: float) -> Statements:
    """What opens the answers of the server that is asked so; *clock_skew* in seconds."""
    return Statements(keys, statement_rules(asked.issuer, asked.client_id, clock_skew), decrypt=decrypt)


def signatures(asked: Introspection, keys: Keys, now: Clock) -> Signatures:
    """What checks the JWTs in the answers of the server that is asked so."""
    return Signatures(keys, introspected_rules(asked.issuer), now=now)
