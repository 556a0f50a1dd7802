"""The variables of the Node authorizers, as settings of ours, so that swapping the zip is all there is to do.

Rule: pure. Each family is one function, from its variables to ours with what is wrong and what to warn of. Variables of
two families, or of one beside our own words for the same thing, contradict each other, and nobody guesses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from phantomgate.config.settings_session import ORIGIN
from phantomgate.core.characters import DIGITS, HEX, LETTERS, is_number, only
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

    variables: dict[str, str] = field(default_factory=dict, repr=False)
    names: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    asks: bool = False
    """Whether settings of ours say who knows what a token means."""
    tables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What a file of ours says."""

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


def drop_in(environ: Mapping[str, str], tables: Callable[[], Mapping[str, Any]]) -> DropIn:
    """What the variables of a Node authorizer in *environ* mean; nothing, when there are none.

    *tables* gives what a file of ours says.
    """
    there = {name for name, text in environ.items() if text}
    families = [family for family in _FAMILIES if family.marks & there]
    if not families:
        return DropIn()
    found = DropIn(tables=tables())
    found.asks = bool(there.intersection(_OURS)) or _says_who(found.tables)
    ours = "PHANTOMGATE__SESSION__KEYS" in there or "keys" in _table(found.tables, "session")
    if ours:  # whose keys may be in ENCRYPTION_KEY
        families = [family for family in families if family.marks & there != {"ENCRYPTION_KEY"}]
    if found.asks and not any(len((family.marks | family.others) & there) > 1 for family in families):
        return found  # a HOST alone is anybody's
    clashing = [family for family in families if not family.says_who or family.says_who in there]
    if found.asks and clashing:
        theirs = ", ".join(sorted(clashing[0].marks & there))
        found.wrong(theirs, "and settings of our own both say who knows what a token means; keep one")
    elif len(families) > 1:
        names = [min(family.marks & there) for family in families]
        text = f"and {names[1]} are variables of two authorizers ({families[0].name}, {families[1].name}); keep one's"
        found.wrong(names[0], text)
    elif ours and families and families[0].read is _proxy:
        found.wrong(min(families[0].marks & there), "and settings of our own for [session] are both there; keep one")
    elif families:
        families[0].read(environ, found)
        found.say("AWS__BARE_TOKEN", "true", "the variables of a Node authorizer")
        _warn_of_authorities(environ, found)
    return found


def _warn_of_authorities(environ: Mapping[str, str], found: DropIn) -> None:
    """Node adds them to its own, and OpenSSL has no variable that adds; /var/runtime is AWS's, and only Node's."""
    there = environ.get("NODE_EXTRA_CA_CERTS", "")
    if there and not there.startswith("/var/runtime/") and not environ.get("SSL_CERT_FILE"):
        text = "is read by Node alone; if the authorization server's certificate needs it, write SSL_CERT_FILE"
        found.warn("NODE_EXTRA_CA_CERTS", text)


def _says_who(tables: Mapping[str, Any]) -> bool:
    asked = {"endpoint", "issuer"} & _table(tables, "introspection").keys()
    return "issuers" in tables or bool(asked) or "keys" in _table(tables, "aws")


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = tables.get(name)
    return table if isinstance(table, dict) else {}


def _phantom(environ: Mapping[str, str], found: DropIn) -> None:
    """`HOST PORT INTROSPECTION_PATH SCOPE CLIENT_ID CLIENT_SECRET`: introspection, every scope required."""
    host, port, path = (environ.get(name, "") for name in ("HOST", "PORT", "INTROSPECTION_PATH"))
    port = port.strip()
    inside = host[1:-1] if host.startswith("[") and host.endswith("]") else host if host.count(":") > 1 else ""
    name = host.removesuffix(".")  # the root of DNS, which is in no certificate
    if inside and only(inside, HEX + ":."):
        host = f"[{inside}]"  # Node takes an IPv6 address as it is
    elif name and only(name, LETTERS + DIGITS + "._-"):
        host = name
    else:
        found.wrong("HOST", "is missing or no name of a host; write one such as login.example.com, without https://")
    if not is_number(port or "443", 5):
        found.wrong("PORT", "is no number; write one such as 8443, or leave it out")
    elif port:
        port = str(int(port))  # zeros in front are no harm
    if not path.startswith("/"):
        found.wrong("INTROSPECTION_PATH", "is missing or begins without a slash; write /oauth/v2/oauth-introspect")
    names = "HOST, PORT and INTROSPECTION_PATH"
    found.say("INTROSPECTION__ENDPOINT", f"https://{host}:{port or 443}{path}", names)
    _client(environ, found)
    scopes = environ.get("SCOPE", "").split()
    if scopes:
        found.say("POLICY__SCOPES", json.dumps(scopes), "SCOPE")  # a scope may have a comma
    else:
        found.warn("SCOPE", "is empty, so every active token is let in, whatever API it was made for")
    if environ.get("RESOURCE"):
        found.wrong("RESOURCE", "is the JWT authorizer's, and has no meaning beside HOST; leave it out")


def _client(environ: Mapping[str, str], found: DropIn) -> None:
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        if not environ.get(name):
            found.wrong(name, "is missing or empty; it shows the authorization server who asks")
    found.say("INTROSPECTION__CLIENT_ID", environ.get("CLIENT_ID", ""), "CLIENT_ID")
    found.say("INTROSPECTION__CLIENT_SECRET", "env:CLIENT_SECRET", "CLIENT_SECRET")
    found.say("INTROSPECTION__CLIENT_AUTH", "basic_raw", "CLIENT_SECRET")  # as Node sent it, and the server took it


def _jwt(environ: Mapping[str, str], found: DropIn) -> None:
    """`RESOURCE JWKS_URI`: JWTs verified by a key set, and one resource allowed."""
    found.say("AWS__KEYS", environ["JWKS_URI"].strip(), "JWKS_URI")
    found.say("AWS__RESOURCE", environ.get("RESOURCE", ""), "RESOURCE")
    if not environ.get("RESOURCE"):
        found.wrong(
            "RESOURCE", "is missing; write what may be called, such as arn:aws:execute-api:eu-west-1:*:api-id/*"
        )
    for name, claim in (("PHANTOMGATE__POLICY__ISSUERS", "iss"), ("PHANTOMGATE__POLICY__AUDIENCES", "aud")):
        if not environ.get(name):
            found.warn("JWKS_URI", f"alone says nothing about {claim}: all its keys sign is let in; set {name}")


def _proxy(environ: Mapping[str, str], found: DropIn) -> None:
    """The OAuth proxy authorizer's: cookie sessions of format v1, and bearer tokens beside them.

    Who knows what a token means may also be said in words of ours, such as [aws] keys for bearer tokens.
    """
    for name, want in (("COOKIE_NAME_PREFIX", "such as example"), ("ENCRYPTION_KEY", "the OAuth agent's")):
        if not environ.get(name):
            found.wrong(name, f"is missing or empty; write {want}")
    found.say("SESSION__TRUSTED_WEB_ORIGINS", ",".join(_origins(environ, found)), "TRUSTED_WEB_ORIGINS")
    found.say("SESSION__COOKIE_PREFIX", environ.get("COOKIE_NAME_PREFIX", ""), "COOKIE_NAME_PREFIX")
    found.say("SESSION__KEYS", "env:ENCRYPTION_KEY", "ENCRYPTION_KEY")
    found.say("SESSION__HOST_PREFIX", "false", _VARIABLES_OF_PROXY)
    found.say("AWS__CONTEXT_KEY", "token", _VARIABLES_OF_PROXY)
    bearers = _switch(environ, found, "ALLOW_TOKEN", unset=True)
    found.say("AWS__BEARER_TOKENS", "true" if bearers else "false", "ALLOW_TOKEN")
    phantom = _switch(environ, found, "USE_PHANTOM_TOKEN", unset=False)
    found.say("AWS__FORWARD_SEALED", "false" if phantom else "true", "USE_PHANTOM_TOKEN")
    url = environ.get("INTROSPECTION_URL", "").strip()
    if url and (phantom or _known(environ)):
        found.say("INTROSPECTION__ENDPOINT", url, "INTROSPECTION_URL")
        _client(environ, found)
        found.asks = True
    elif phantom and not found.asks:
        found.wrong("INTROSPECTION_URL", "is missing; write https://login.example.com/oauth/v2/oauth-introspect")
    _warn_of_proxy(environ, found, phantom=phantom, bearers=bearers)


def _known(environ: Mapping[str, str]) -> bool:
    """Whether the authorization server knows us; nobody had to be, where tokens went upstream unseen."""
    return bool(environ.get("CLIENT_ID") and environ.get("CLIENT_SECRET"))


def _origins(environ: Mapping[str, str], found: DropIn) -> list[str]:
    """Those in TRUSTED_WEB_ORIGINS; without what no page ever had there, as long as some are left."""
    listed = [origin.strip() for origin in environ.get("TRUSTED_WEB_ORIGINS", "").split(",") if origin.strip()]
    if not listed:
        found.wrong("TRUSTED_WEB_ORIGINS", "is missing or empty; write your pages' origins: https://www.example.com")
    never = [origin for origin in listed if _is_no_origin(origin)]
    if len(never) == len(listed):
        return listed  # and told of by their kind
    for origin in never:
        text = f'has "{origin[:60]}", which no browser sends and so is trusted nowhere; write https://www.example.com'
        found.warn("TRUSTED_WEB_ORIGINS", text)
    return [origin for origin in listed if origin not in never]


def _is_no_origin(text: str) -> bool:
    """Whether it never worked, as `https://www.example.com/` didn't; of what did, such as `null`, `Settings` judges."""
    scheme, there, _ = text.lower().partition("://")
    if text == "null" or (there and scheme not in ("http", "https")):
        return False
    try:
        ORIGIN.read(text)
    except ValueError:
        return True
    return False


def _warn_of_proxy(environ: Mapping[str, str], found: DropIn, *, phantom: bool, bearers: bool) -> None:
    if not (environ.get("PHANTOMGATE__AWS__CACHE_TTL") or "cache_ttl" in _table(found.tables, "aws")):
        found.say("AWS__CACHE_TTL", "0s", _VARIABLES_OF_PROXY)
        text = "is for cookies, so the authorizer's caching is taken to be off: make sure that its TTL is 0, since a \
remembered answer would let forged requests pass"
        found.warn("COOKIE_NAME_PREFIX", text)
    if not environ.get("USE_PHANTOM_TOKEN"):
        text = "is missing, so tokens of sessions go upstream as they are, unverified; write true or false"
        found.warn("USE_PHANTOM_TOKEN", text)
    if bearers and not phantom and not found.asks:
        text = "lets bearer tokens in, but there is nobody to ask what one means, so each is refused; write \
INTROSPECTION_URL with CLIENT_ID and CLIENT_SECRET, or PHANTOMGATE__AWS__KEYS for JWTs, or ALLOW_TOKEN=false"
        found.warn("ALLOW_TOKEN", text)


def _switch(environ: Mapping[str, str], found: DropIn, name: str, *, unset: bool) -> bool:
    text = environ.get(name, "").strip().lower()
    if text not in ("", *_YES, *_NO):
        found.wrong(name, "is neither true nor false")
    return text in _YES or (unset and not text)


_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")
_VARIABLES_OF_PROXY = "the variables of the OAuth proxy authorizer"


@dataclass(frozen=True, slots=True)
class _Family:
    """One Node authorizer: the variables that only it has, others that it shares, and what they mean."""

    name: str
    marks: frozenset[str]
    others: frozenset[str]
    read: Callable[[Mapping[str, str], DropIn], None]
    says_who: str = ""
    """The variable by which alone it says who knows what a token means; empty: it always does."""


_CLIENT = frozenset(("CLIENT_ID", "CLIENT_SECRET"))
_FAMILIES = (
    _Family("phantom token", frozenset(("HOST", "INTROSPECTION_PATH")), _CLIENT | {"SCOPE"}, _phantom),
    _Family("JWT", frozenset(("JWKS_URI",)), frozenset(("RESOURCE",)), _jwt),
    _Family(
        "OAuth proxy",
        frozenset(("TRUSTED_WEB_ORIGINS", "COOKIE_NAME_PREFIX", "ENCRYPTION_KEY", "INTROSPECTION_URL")),
        _CLIENT | {"USE_PHANTOM_TOKEN", "ALLOW_TOKEN"},
        _proxy,
        "INTROSPECTION_URL",
    ),
)
