"""The names of signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1), apart from `jwa`, which knows what each asks."""

from __future__ import annotations

ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448")
)
"""Every algorithm we can be told to allow. `EdDSA` is the older name of Ed25519 and Ed448 (RFC 9864 §2.2)."""
