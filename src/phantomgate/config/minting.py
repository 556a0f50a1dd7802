"""From `[mint]` to what signs the JWTs that go upstream: the keys read, the rules made.

Rule: every problem with a key is said, each with its place in the list; what a key's file holds is never repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from phantomgate.backends.secrets import named, read_key
from phantomgate.config.settings import Mint, Settings
from phantomgate.core.errors import Problem
from phantomgate.core.ports import Clock, MakeJwt
from phantomgate.gateway.minting import minted
from phantomgate.oauth.minting import MintRules

if TYPE_CHECKING:
    from phantomgate.backends.jose import SigningKey  # its library is needed only where there are keys


def mint_keys(settings: Settings, environ: Mapping[str, str]) -> tuple[list[SigningKey], list[Problem]]:
    """The keys that `mint.keys` refers to, in their order, and what is wrong with them."""
    keys: list[SigningKey] = []
    wrong: list[str] = []
    for place, reference in enumerate(settings.mint.keys, 1):
        from phantomgate.backends.jose import key_set, read_signing_key, signer

        try:
            text = read_key(reference, environ)
        except ValueError as no:
            wrong.append(f"item {place} {no}")
            continue
        try:
            key = read_signing_key(text)
            if place == 1:
                signer(key)
            key_set([*keys, key])
        except ValueError as no:
            wrong.append(f"item {place} refers to {named(reference)}, which {no}")
        else:
            keys.append(key)
    return keys, [Problem("mint.keys", text, settings.origin("mint.keys")) for text in wrong]


def minting(mint: Mint, keys: Sequence[SigningKey], *, now: Clock, random: Callable[[int], bytes]) -> MakeJwt:
    """Makes JWTs that the first of *keys* signs."""
    from phantomgate.backends.jose import signer

    rules = MintRules(mint.issuer, mint.audience, mint.max_age, mint.claims, mint.subject)
    return minted(rules, signer(keys[0]), now=now, new_id=lambda: random(16).hex())
