"""What the authorization server stands for, as whoever runs it changes it: revocations, keys, secrets, and its moods.

Rule: a change is in the file before anybody is told that it was made, and the oracle knows the moment.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

from chaos.facts import Facts, Mood, new_key
from chaos.oracle import Oracle, Presented


class Realm:
    """Its state: the facts. The next key is published long before it signs, as whoever rotates keys should."""

    def __init__(self, place: Path, oracle: Oracle) -> None:
        self.place = place
        self.oracle = oracle
        self.facts = Facts(secrets=[secrets.token_hex(16)], keys=[new_key("k1"), new_key("k2")], signs="k1")
        self.taken_back = oracle.taken_back
        self.facts.write(place)

    def set(self, mood: Mood) -> None:
        """Behave so from now on."""
        self.facts.mood = mood
        self.facts.write(self.place)

    def revoke(self, one: Presented) -> None:
        """From now on the server says it isn't active."""
        self.facts.revoked.append(one.number)
        one.revoked = time.monotonic()
        self.facts.write(self.place)
        one.revoked = time.monotonic()

    def rotate_keys(self) -> dict[str, Any]:
        """Sign with the next key, take the old one back, and publish another; the old one."""
        old, *rest = self.facts.keys
        number = int(rest[-1]["kid"][1:]) + 1
        self.facts.keys = [*rest, new_key(f"k{number}")]
        self.facts.signs = rest[0]["kid"]
        self.facts.write(self.place)
        self.oracle.taken_back[old["kid"]] = time.monotonic()
        return old

    def add_secret(self) -> str:
        """One more secret that we may show; the new one."""
        self.facts.secrets.append(secrets.token_hex(16))
        self.facts.write(self.place)
        return self.facts.secrets[-1]

    def drop_secrets(self) -> None:
        """Only the newest one is good from now on."""
        self.facts.secrets = self.facts.secrets[-1:]
        self.facts.write(self.place)
