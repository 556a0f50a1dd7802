"""What the settings of browser sessions say together.

Rule: as `checks`, and as `advice` for what works and is less safe than it could be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from phantomgate.config.network import insecure
from phantomgate.config.settings import Settings
from phantomgate.config.settings_aws import Aws
from phantomgate.core.model import plain_name


def _keys_are_there(settings: Settings) -> str:
    session = settings.session
    if session.keys or session == type(session)():
        return ""
    return 'is missing, so no session would be let in; write keys = ["file:PATH"] under [session] (phantomgate keygen \
makes one), or leave [session] out'


def _pages_are_named(settings: Settings) -> str:
    session = settings.session
    if session.trusted_web_origins or not session.keys:
        return ""
    return 'is missing, so no page could use a session; write trusted_web_origins = ["https://www.example.com"]'


def _csrf_header_is_not_forwarded(settings: Settings) -> str:
    """A claim in the header that we strip would be the claim of nobody."""
    header = plain_name(f"x-{settings.session.cookie_prefix}-csrf")
    if not settings.session.keys or all(plain_name(name) != header for name in settings.forward.claims):
        return ""
    return f"makes {header} a header of [forward] too; choose another prefix"


def _csrf_header_arrives(settings: Settings) -> str:
    """API Gateway passes `x-my_app-csrf` on; nginx, WSGI and others drop it, or take it for another."""
    if "_" not in settings.session.cookie_prefix or settings.aws != Aws():
        return ""
    return f'is "{settings.session.cookie_prefix}", and nginx drops a CSRF header with "_" in its name; choose another'


SESSION_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Settings], str]], ...] = (
    ("session.keys", (), _keys_are_there),
    ("session.trusted_web_origins", ("session.keys",), _pages_are_named),
    ("session.cookie_prefix", ("session.keys", "forward.claims"), _csrf_header_is_not_forwarded),
    ("session.cookie_prefix", ("aws",), _csrf_header_arrives),
)


def session_warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    """(setting, what will happen and what to write instead)."""
    session = settings.session
    if not session.keys:
        return
    if not session.host_prefix:
        yield (
            "session.host_prefix",
            (
                "is false: any host of the same site can set cookies of these names, and so log a user in as somebody "
                "else; write host_prefix = true when no session of the old agent is left"
            ),
        )
    if session.cookie_domain:
        yield (
            "session.cookie_domain",
            (
                f'is "{session.cookie_domain}": every host below it gets the cookies and can replace them; leave it '
                "out, and put agent and API behind one host"
            ),
        )
    for origin in session.trusted_web_origins:
        if insecure(origin):
            yield (
                "session.trusted_web_origins",
                f'has "{origin}", and whoever is on the way to it can put his own page there; write https://',
            )
    if session.allow_cross_site:
        yield (
            "session.allow_cross_site",
            "is true: what browsers themselves call cross-site passes; leave it out unless you know what needs it",
        )
