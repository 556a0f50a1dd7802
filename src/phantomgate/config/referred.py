"""What settings refer to, read: keys and secrets, of those sections that say anything.

Rule: what a section would need is imported with it, so one that says nothing costs a cold start nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from phantomgate.config.asking import Client, certificates, clients
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.ports import Clock, Random

if TYPE_CHECKING:
    from phantomgate.backends.jose import SigningKey
    from phantomgate.config.session import Browsers
    from phantomgate.config.sharing import Secrets


@dataclass(frozen=True, slots=True)
class Referred:
    """What settings refer to, read; what no section refers to is empty or None."""

    clients: Mapping[str, Client] = field(repr=False)
    """What we are to each server, by its place."""
    mint_keys: Sequence[SigningKey] = field(repr=False)
    """What signs the JWTs that are made here."""
    push_secret: str = field(repr=False)
    """What who pushes parts of split tokens must show."""
    browsers: Browsers | None = field(repr=False)
    shared: Secrets | None = field(repr=False)
    """Of [redis]."""


def referred(
    settings: Settings, environ: Mapping[str, str], *, now: Clock, random: Random
) -> tuple[Referred, list[Problem]]:
    """What a gateway needs of what *settings* refer to, and what is wrong with it: secrets, certificates and keys."""
    ours, problems = clients(settings, environ, now=now, random=random)
    problems += certificates(settings)
    keys, of_keys = _mint_keys(settings, environ)
    secret, of_secret = _push_secret(settings, environ)
    browsers, of_browsers = _browsers(settings, environ)
    shared, of_shared = _shared(settings, environ)
    problems += [*of_keys, *of_secret, *of_browsers, *of_shared]
    return Referred(ours, keys, secret, browsers, shared), problems


def unmet(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    """What *settings* refer to and is not there."""
    _, problems = referred(settings, environ, now=time.time, random=os.urandom)
    if settings.revocation.secret:
        from phantomgate.config.revoking import revocation_secret

        problems += revocation_secret(settings, environ)[1]
    return problems


def _mint_keys(settings: Settings, environ: Mapping[str, str]) -> tuple[list[SigningKey], list[Problem]]:
    if not settings.mint.keys:
        return [], []
    from phantomgate.config import minting

    return minting.mint_keys(settings, environ)


def _push_secret(settings: Settings, environ: Mapping[str, str]) -> tuple[str, list[Problem]]:
    if not settings.splits:
        return "", []
    from phantomgate.config import splitting

    return splitting.push_secret(settings, environ)


def _browsers(settings: Settings, environ: Mapping[str, str]) -> tuple[Browsers | None, list[Problem]]:
    if not settings.session.keys:
        return None, []
    from phantomgate.config.session import browsers, session_keys

    ring, problems = session_keys(settings, environ)
    return browsers(settings, ring) if ring else None, problems


def _shared(settings: Settings, environ: Mapping[str, str]) -> tuple[Secrets | None, list[Problem]]:
    if not settings.redis.nodes:
        return None, []
    from phantomgate.config import sharing

    return sharing.shared_secrets(settings, environ)
