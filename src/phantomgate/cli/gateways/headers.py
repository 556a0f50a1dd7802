"""The fields that a client may not send to the API past a gateway, as gateways have to be told them: name by name.

Rule: what phantomgate owns (`gateway/forward.py`), what says where a request came from, and every look-alike of both.
"""

from __future__ import annotations

from itertools import product

from phantomgate.cli.gateways.kind import csrf_header
from phantomgate.config.settings import Settings
from phantomgate.gateway.forward import NEVER_FROM_CLIENTS

WHENCE = (
    "Forwarded",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Method",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Forwarded-Uri",
    "X-Forwarded-User",
    "X-Original-Host",
    "X-Original-Proto",
)
"""What a client may not say about where it comes from."""
SET_BY_GATEWAYS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-IP")
"""What gateways say about it, or each has its own way with; the look-alikes are nobody's to send."""


def dropped(settings: Settings) -> list[str]:
    """What the client may not send, but for `Authorization`, which is judged; in one order."""
    names = [_capitalized(name) for name in NEVER_FROM_CLIENTS if name != "authorization"]
    return [*settings.forward.claims, *names, *WHENCE, *session_header(settings)]


def session_header(settings: Settings) -> list[str]:
    """The CSRF header, which is judged and goes no further, where there are sessions."""
    return [csrf_header(settings)] if settings.session.keys else []


def look_alikes(name: str) -> list[str]:
    """How else *name* may be spelled for a server that takes `_` and `.` for `-` (see `plain_name`)."""
    parts = name.split("-")
    seams = product("-_.", repeat=len(parts) - 1)
    spelled = ("".join(a + b for a, b in zip(parts, (*seam, ""), strict=True)) for seam in seams)
    return [one for one in spelled if one != name]


def _capitalized(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))
