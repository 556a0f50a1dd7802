"""From the settings of one server to what opens its signed answers (RFC 9701): its keys, our name, our decryption key.

Rule: imported only where answers are signed, for it brings the verifier.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from phantomgate.backends.secrets import named, read_key
from phantomgate.config.settings import Introspection
from phantomgate.core.ports import Http
from phantomgate.oauth.jwks import KeySet
from phantomgate.oauth.signed_introspection import statement_rules
from phantomgate.resolvers.held import Fetched
from phantomgate.resolvers.keys import Keys, keys_at, keys_in
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


def answer_keys(asked: Introspection, http: Http, timeout: float) -> Callable[[], Awaitable[Fetched[KeySet]]]:
    """Fetches the keys that the server signs its answers with; *timeout* in seconds."""
    source = asked.keys
    if source.startswith("file:"):
        from pathlib import Path

        name = source.removeprefix("file:")
        return keys_in(Path(name).read_bytes, name, asked.algorithms)

    async def where() -> str:
        return source

    return keys_at(http, where, asked.algorithms, timeout=timeout)


def statements(asked: Introspection, keys: Keys, decrypt: Decrypt | None, clock_skew: float) -> Statements:
    """What opens the answers of the server that is asked so; *clock_skew* in seconds."""
    return Statements(keys, statement_rules(asked.issuer, asked.client_id, clock_skew), decrypt=decrypt)
