"""The settings of browser sessions, as `settings` has those of all else, and by its rule."""

from __future__ import annotations

from phantomgate.config.durations import duration
from phantomgate.config.kinds import SWITCH, list_of, setting
from phantomgate.config.network import web_origin
from phantomgate.config.vocabulary import COOKIE_PREFIX, DOMAIN, HEADER_NAMES, ISSUER, METHODS, SECRETS
from phantomgate.core.nouns import dataclass

ORIGIN = web_origin(want='an origin such as "https://www.example.com"')
_ORIGINS = list_of(ORIGIN, want='["https://www.example.com"]')


@dataclass(frozen=True, slots=True)
class Session:
    """Sessions of single-page apps: the token is sealed in a cookie, and requests of our own pages are let in by it.
    With `keys`, such cookies are read; a request that has both a session cookie and an Authorization field is refused.
    """

    keys: tuple[str, ...] = setting(SECRETS, [])
    """What cookies are sealed with: `"file:PATH"` or `"env:NAME"`, each 64 hexadecimal characters, as
    `phantomgate keygen` prints them. The first seals, all open: to rotate, put a new one in front, and take the old one
    away when its last session has ended."""
    trusted_web_origins: tuple[str, ...] = setting(_ORIGINS, [])
    """The origins of your pages, as browsers write them: `["https://www.example.com"]`. No other page can use a
    session. Needed with `keys`."""
    cookie_prefix: str = setting(COOKIE_PREFIX, "session")
    """What the names of the cookies begin with, and the CSRF header `x-<prefix>-csrf`."""
    host_prefix: bool = setting(SWITCH, True)
    """Call the cookies `__Host-<prefix>-at` and so on, so that browsers let no other host set or replace them. False
    only for the cookies of an existing agent, whose names have no such prefix."""
    cookie_domain: str = setting(DOMAIN, "")
    """Share the cookies with all hosts of this domain: `"example.com"`. Each of them can then use and replace them;
    their names begin with `__Secure-`. Empty: cookies belong to the one host that sets them."""
    legacy_cookies: bool = setting(SWITCH, True)
    """Also read format v1, which other OAuth agents write. It can't tell one cookie from another; turn it off when no
    session of theirs is left."""
    issuer: str = setting(ISSUER, "")
    """Whom the cookies are sealed for, so that those of one environment don't open in another with the same keys. The
    same at the agent and at every gateway. Empty: the `issuer` of `[introspection]`, of the first of `[[issuers]]`, of
    `[agent]`, or the introspection `endpoint`, whichever is there first."""
    allow_cross_site: bool = setting(SWITCH, False)
    """Let requests pass that the browser calls cross-site (`Sec-Fetch-Site`), as long as their origin is trusted."""
    cors: bool = setting(SWITCH, False)
    """Your pages are of other origins than the API, and your gateway leaves CORS to us: preflights are answered, pages
    can read answers and refusals, and every request of a session must name its origin."""
    cors_methods: tuple[str, ...] = setting(METHODS, ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    """The methods that pages may use."""
    cors_headers: tuple[str, ...] = setting(HEADER_NAMES, ["Accept", "Content-Type"])
    """The headers that pages may send, besides the CSRF header."""
    cors_expose: tuple[str, ...] = setting(HEADER_NAMES, [])
    """The headers of an answer that pages may read, besides the few that they always may."""
    cors_max_age: float = setting(duration("0s", "24h"), "1h")
    """How long browsers may remember the answer to a preflight."""
