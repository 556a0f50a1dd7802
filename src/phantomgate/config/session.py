"""From `[session]` to the parts of a gateway that know browsers: the keys read, the rules made.

Rule: every problem with a key is said, each with its place in the list; what it holds is never repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from phantomgate.backends.secrets import named, read_secret
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem
from phantomgate.core.model import Headers
from phantomgate.core.ports import Find, Respond
from phantomgate.core.typed import NamedTuple
from phantomgate.gateway.cors import CorsRules, cors
from phantomgate.gateway.find_session import SessionRules, find_session
from phantomgate.gateway.gateway import respond_nothing
from phantomgate.gateway.remembering import remembering
from phantomgate.session.cookies import CookieNames, without_ours
from phantomgate.session.csrf import SAFE_METHODS
from phantomgate.session.keys import KeyRing, SessionKey, key_ring, read_session_key

_READING = frozenset(("GET", "HEAD"))
"""The methods without proof on AWS: API Gateway answers preflights itself, so an OPTIONS that we see is none."""


class Browsers(NamedTuple):
    """What `[session]` makes of a gateway."""

    rules: SessionRules
    respond: Respond

    def find(self, bearer: Find) -> Find:
        """Finds sessions, and else what *bearer* finds."""
        return find_session(self.rules, bearer)

    def cookies_left(self) -> Callable[[Headers], bytes]:
        """Gives the Cookie field without ours."""
        prefix = self.rules.names.prefix
        of_one: Callable[[bytes], bytes] = remembering(lambda field: without_ours([field], prefix))

        def cookies_left(headers: Headers) -> bytes:
            fields = headers.all(b"cookie")
            return of_one(fields[0]) if len(fields) == 1 else without_ours(fields, prefix)

        return cookies_left


def session_keys(settings: Settings, environ: Mapping[str, str]) -> tuple[KeyRing | None, list[Problem]]:
    """The keys that `session.keys` refers to, None when there are none, and what is wrong with them."""
    keys: list[SessionKey] = []
    wrong: list[str] = []
    for place, reference in enumerate(settings.session.keys, 1):
        try:
            text = read_secret(reference, environ)
        except ValueError as no:
            wrong.append(f"item {place} {no}")
            continue
        try:
            keys.append(read_session_key(text))
            key_ring(keys)
        except ValueError as no:
            wrong.append(f"item {place} refers to {named(reference)}, which {no}")
    problems = [Problem("session.keys", text, settings.origin("session.keys")) for text in wrong]
    return (key_ring(keys) if keys and not wrong else None), problems


def cookie_names(settings: Settings) -> CookieNames:
    """What our cookies are called."""
    session = settings.session
    return CookieNames(session.cookie_prefix, session.cookie_domain, session.host_prefix)


def sealed_for(settings: Settings) -> str:
    """Whom cookies are sealed for."""
    first = settings.issuers[0].issuer if settings.issuers else ""
    known = settings.session.issuer or settings.introspection.issuer or first or settings.agent.issuer
    return known or settings.introspection.endpoint


def browsers(settings: Settings, keys: KeyRing) -> Browsers:
    """The rules of `[session]`, with its *keys*."""
    session = settings.session
    names = cookie_names(settings)
    origins = frozenset(origin.encode("ascii") for origin in session.trusted_web_origins)
    rules = SessionRules(
        names,
        keys,
        sealed_for(settings),
        origins,
        cors=session.cors,
        legacy=session.legacy_cookies,
        allow_cross_site=session.allow_cross_site,
        safe=_READING if settings.aws.cache_ttl == 0 else SAFE_METHODS,
    )
    if not session.cors:
        return Browsers(rules, respond_nothing)
    headers = (*session.cors_headers, names.csrf_header)
    spoken = CorsRules(origins, session.cors_methods, headers, session.cors_expose, int(session.cors_max_age))
    return Browsers(rules, cors(spoken))
