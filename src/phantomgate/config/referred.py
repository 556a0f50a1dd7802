"""What settings refer to, read: keys and secrets, of those sections that say anything.

Rule: what a section would need is imported with it, so one that says nothing costs a cold start nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from phantomgate.config.asking import certificates, clients
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem

if TYPE_CHECKING:
    from phantomgate.backends.jose import SigningKey
    from phantomgate.config.session import Browsers
    from phantomgate.config.sharing import Secrets


def unmet(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    """What *settings* refer to and is not there: the secrets, the certificates, the keys."""
    problems = clients(settings, environ, now=time.time, random=os.urandom)[1]
    problems += certificates(settings) + mint_keys(settings, environ)[1]
    problems += shared_secrets(settings, environ)[1]
    if settings.revocation.secret:
        from phantomgate.config.revoking import revocation_secret

        problems += revocation_secret(settings, environ)[1]
    return problems + push_secret(settings, environ)[1] + pages_of(settings, environ)[1]


def mint_keys(settings: Settings, environ: Mapping[str, str]) -> tuple[list[SigningKey], list[Problem]]:
    """What signs the JWTs that are made here, if any are, and what is wrong with it."""
    if not settings.mint.keys:
        return [], []
    from phantomgate.config import minting

    return minting.mint_keys(settings, environ)


def push_secret(settings: Settings, environ: Mapping[str, str]) -> tuple[str, list[Problem]]:
    """What who pushes parts of split tokens must show, if there are any, and what is wrong with it."""
    if not settings.splits:
        return "", []
    from phantomgate.config import splitting

    return splitting.push_secret(settings, environ)


def pages_of(settings: Settings, environ: Mapping[str, str]) -> tuple[Browsers | None, list[Problem]]:
    """What [session] makes of a gateway, if it is there, and what is wrong with its keys."""
    if not settings.session.keys:
        return None, []
    from phantomgate.config.session import browsers, session_keys

    ring, problems = session_keys(settings, environ)
    return browsers(settings, ring) if ring else None, problems


def shared_secrets(settings: Settings, environ: Mapping[str, str]) -> tuple[Secrets | None, list[Problem]]:
    """What [redis] refers to, if it is there, and what is wrong with it."""
    if not settings.redis.nodes:
        return None, []
    from phantomgate.config import sharing

    return sharing.shared_secrets(settings, environ)
