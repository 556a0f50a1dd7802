"""The variables of the Node authorizers, as settings of ours, so that swapping the zip is all there is to do.

Rule: pure. Each family is one function, from its variables to ours with what is wrong and what to warn of. Variables of
two families, or of one beside our own words for the same thing, contradict each other, and nobody guesses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from phantomgate.core.errors import Problem
from phantomgate.core.nouns import dataclass, field

_ENVIRONMENT = "environment"
_OURS = (
    "PHANTOMGATE__INTROSPECTION__ENDPOINT",
    "PHANTOMGATE__INTROSPECTION__ISSUER",
    "PHANTOMGATE__ISSUERS",
    "PHANTOMGATE__AWS__KEYS",
)
"""Our own words for who says what a token means."""


@dataclass(slots=True)
class DropIn:
    """What a family's variables mean: ours, and by which of theirs each was said; problems, and warnings."""

    variables: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def say(self, ours: str, value: str, said_by: str) -> None:
        """*value* for our variable *ours*."""
        self.variables[f"PHANTOMGATE__{ours}"] = value
        self.names[f"PHANTOMGATE__{ours}"] = said_by

    def wrong(self, name: str, text: str) -> None:
        """What is wrong with their variable *name*, and how to mend it."""
        self.problems.append(Problem(name, text, _ENVIRONMENT))

    def warn(self, name: str, text: str) -> None:
        """What works and is less than it could be."""
        self.warnings.append(Problem(name, text, _ENVIRONMENT))


def drop_in(environ: Mapping[str, str], configured: Callable[[], bool]) -> DropIn:
    """What the variables of a Node authorizer in *environ* mean; nothing, when there are none.

    *configured* says whether a file of ours names who is asked.
    """
    there = {name for name, text in environ.items() if text}
    families = [family for family in _FAMILIES if family.marks & there]
    found = DropIn()
    if not families:
        return found
    if there.intersection(_OURS) or configured():
        if not any(len((family.marks | family.others) & there) > 1 for family in families):
            return found  # a HOST alone is anybody's
        theirs = ", ".join(sorted(families[0].marks & there))
        found.wrong(theirs, "and settings of our own both say who knows what a token means; keep one")
    elif len(families) > 1:
        names = [min(family.marks & there) for family in families]
        text = f"and {names[1]} are variables of two authorizers ({families[0].name}, {families[1].name}); keep one's"
        found.wrong(names[0], text)
    else:
        families[0].read(environ, found)
        found.say("AWS__BARE_TOKEN", "true", "the variables of a Node authorizer")
    return found


def _phantom(environ: Mapping[str, str], found: DropIn) -> None:
    """`HOST PORT INTROSPECTION_PATH SCOPE CLIENT_ID CLIENT_SECRET`: introspection, every scope required."""
    host, port, path = (environ.get(name, "") for name in ("HOST", "PORT", "INTROSPECTION_PATH"))
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", host):
        found.wrong("HOST", "is missing or no name of a host; write one such as login.example.com, without https://")
    if not re.fullmatch(r"[0-9]{1,5}", port or "443"):
        found.wrong("PORT", "is no number; write one such as 8443, or leave it out")
    if not path.startswith("/"):
        found.wrong("INTROSPECTION_PATH", "is missing or begins without a slash; write /oauth/v2/oauth-introspect")
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        if not environ.get(name):
            found.wrong(name, "is missing or empty; it shows the authorization server who asks")
    names = "HOST, PORT and INTROSPECTION_PATH"
    found.say("INTROSPECTION__ENDPOINT", f"https://{host}:{port or 443}{path}", names)
    found.say("INTROSPECTION__CLIENT_ID", environ.get("CLIENT_ID", ""), "CLIENT_ID")
    found.say("INTROSPECTION__CLIENT_SECRET", "env:CLIENT_SECRET", "CLIENT_SECRET")
    scopes = environ.get("SCOPE", "").split()
    if scopes:
        found.say("POLICY__SCOPES", ",".join(scopes), "SCOPE")
    else:
        found.warn("SCOPE", "is empty, so every active token is let in, whatever API it was made for")
    if environ.get("RESOURCE"):
        found.wrong("RESOURCE", "is the JWT authorizer's, and has no meaning beside HOST; leave it out")


def _jwt(environ: Mapping[str, str], found: DropIn) -> None:
    """`RESOURCE JWKS_URI`: JWTs verified by a key set, and one resource allowed."""
    found.say("AWS__KEYS", environ["JWKS_URI"], "JWKS_URI")
    found.say("AWS__RESOURCE", environ.get("RESOURCE", ""), "RESOURCE")
    if not environ.get("RESOURCE"):
        found.wrong(
            "RESOURCE", "is missing; write what may be called, such as arn:aws:execute-api:eu-west-1:*:api-id/*"
        )
    for name, claim in (("PHANTOMGATE__POLICY__ISSUERS", "iss"), ("PHANTOMGATE__POLICY__AUDIENCES", "aud")):
        if not environ.get(name):
            found.warn("JWKS_URI", f"alone says nothing about {claim}: all its keys sign is let in; set {name}")


def _proxy(environ: Mapping[str, str], found: DropIn) -> None:
    """The cookies of the OAuth proxy authorizer, which this release does not read."""
    name = next(name for name in sorted(_FAMILIES[-1].marks) if environ.get(name))
    found.wrong(name, "is the OAuth proxy authorizer's, whose cookies this release can't read")


@dataclass(frozen=True, slots=True)
class _Family:
    """One Node authorizer: the variables that only it has, others that it shares, and what they mean."""

    name: str
    marks: frozenset[str]
    others: frozenset[str]
    read: Callable[[Mapping[str, str], DropIn], None]


_CLIENT = frozenset(("CLIENT_ID", "CLIENT_SECRET"))
_FAMILIES = (
    _Family("phantom token", frozenset(("HOST", "INTROSPECTION_PATH")), _CLIENT | {"SCOPE"}, _phantom),
    _Family("JWT", frozenset(("JWKS_URI",)), frozenset(("RESOURCE",)), _jwt),
    _Family(
        "OAuth proxy",
        frozenset(("TRUSTED_WEB_ORIGINS", "COOKIE_NAME_PREFIX", "ENCRYPTION_KEY", "INTROSPECTION_URL")),
        _CLIENT | {"USE_PHANTOM_TOKEN", "ALLOW_TOKEN"},
        _proxy,
    ),
)
