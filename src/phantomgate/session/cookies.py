"""Which cookies are ours, and how a request's Cookie fields are read: strictly, on bytes, in one pass.

Rule (RFC 6265bis §5.6): pairs are parted by semicolons and by nothing else, names are compared byte by byte, and
nothing is unquoted, trimmed behind or repaired: what a browser keeps apart from our `__Host-` cookies can't be read as
one. A cookie of ours that came twice is refused, since nobody can know which one is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.pattern import pattern

Kind: TypeAlias = Literal["at", "auth", "id", "csrf", "login"]
"""Access token, refresh token, ID token, CSRF token, and a login under way."""

KINDS: tuple[Kind, ...] = ("at", "auth", "id", "csrf", "login")

AGENT_PATH = "/oauth-agent"
"""Where the OAuth agent is, and all that the refresh and ID tokens travel to."""

MAX_COOKIE_BYTES = 15_000
MAX_COOKIES = 150
"""What all Cookie fields of a request may hold together; browsers keep 180 cookies a site."""
MAX_CHUNKS = 5
"""How many cookies one value may take."""
_CHUNK = 3800  # characters of a value; browsers keep 4096 bytes of name, value and attributes


@dataclass(frozen=True, slots=True)
class CookieNames:
    """The names of our cookies, made from a *prefix*, and where each is valid.

    With *host_prefix*, browsers see to it that no other site sets or replaces them: `__Host-` for cookies of this host
    and every path, `__Secure-` for those of the agent's path alone, and for all when a *domain* shares them. Without,
    the names are those of format v1.
    """

    prefix: str
    domain: str = ""
    host_prefix: bool = True
    at: str = field(init=False)
    auth: str = field(init=False)
    id: str = field(init=False)
    csrf: str = field(init=False)
    login: str = field(init=False)
    csrf_header: str = field(init=False)
    """The field, in lower case, in which the page repeats the CSRF token."""

    def __post_init__(self) -> None:
        for kind in KINDS:
            object.__setattr__(self, kind, self._protection(kind) + f"{self.prefix}-{kind}")
        object.__setattr__(self, "csrf_header", f"x-{self.prefix}-csrf".lower())

    def name(self, kind: Kind) -> str:
        """The name of a cookie."""
        name: str = getattr(self, kind)
        return name

    def path(self, kind: Kind) -> str:
        """Where the browser sends it."""
        return AGENT_PATH if kind in ("auth", "id") else "/"

    def _protection(self, kind: Kind) -> str:
        if not self.host_prefix:
            return ""
        # RFC 6265bis §4.1.3.2: __Host- wants Path=/ and no Domain
        return "__Secure-" if self.domain or self.path(kind) != "/" else "__Host-"


def chunk_name(name: str, place: int) -> str:
    """The name of the cookie with the *place*-th chunk, from 0, of what *name* holds."""
    return f"{name}.{place}" if place else name


def read_cookies(fields: Sequence[bytes], names: CookieNames) -> dict[str, str]:
    """Our cookies among the Cookie *fields* of a request (several: as HTTP/2 parts them, RFC 9113 §8.2.3), by name.

    Raises Refused(MALFORMED_REQUEST) when one of ours came twice, or all are too many or too long.
    """
    size = sum(map(len, fields))
    if size > MAX_COOKIE_BYTES:
        raise Refused(Reason.MALFORMED_REQUEST, f"{size} bytes of cookies, want at most {MAX_COOKIE_BYTES}")
    prefix = names.prefix.encode()
    ours: dict[str, str] = {}
    count = 0
    for value in fields:
        if prefix not in value:  # nothing of ours in all of it, and nothing of the others is our business
            count += value.count(b";") + 1
            continue
        for pair in value.split(b";"):
            count += 1
            if prefix in pair:
                name, there, sealed = pair.lstrip(b" \t").partition(b"=")
                if there:
                    _take(ours, name.decode("latin-1"), sealed.decode("latin-1"), names)
    if count > MAX_COOKIES:
        raise Refused(Reason.MALFORMED_REQUEST, f"{count} cookies, want at most {MAX_COOKIES}")
    return ours


def _take(into: dict[str, str], name: str, value: str, names: CookieNames) -> None:
    whole, dot, place = name.rpartition(".")
    first = whole if dot and place.isdecimal() else name
    if first not in (names.at, names.csrf, names.auth, names.id, names.login):
        return
    if name in into:
        raise Refused(Reason.MALFORMED_REQUEST, f"the cookie {name} came twice, want one")
    into[name] = value


_CHUNKED = pattern(r"([0-9]{1,9})\.(.*)", re.DOTALL)  # a dot is no base64url


def read_value(cookies: Mapping[str, str], name: str) -> str | None:
    """The sealed value of the cookie *name*, joined from its chunks; None when it is not there.

    A value in several cookies begins with their number and a dot, so what an older, longer one left behind is not
    looked at. It was sealed as a whole: chunks that were moved, or are of another value, open to nothing, and where one
    is missing there is nothing to open. Raises Refused(MALFORMED_REQUEST) for a number that can't be.
    """
    value = cookies.get(name)
    found = _CHUNKED.fullmatch(value) if value and "." in value else None
    if value is None or found is None:
        return value
    count = int(found[1])
    if not 2 <= count <= MAX_CHUNKS:
        raise Refused(Reason.MALFORMED_REQUEST, f"a value in {count} cookies, want at most {MAX_CHUNKS}")
    rest = [cookies.get(chunk_name(name, place), "") for place in range(1, count)]
    return str(found[2]) + "".join(rest) if all(rest) else ""


def without_ours(fields: Sequence[bytes], prefix: str) -> bytes:
    """The Cookie field that may go to the API: all cookies but ours of *prefix*, however they are spelled; or empty."""
    ours = _spelled_as_ours(prefix)
    kept: list[bytes] = []
    for value in fields:
        for pair in value.split(b";"):
            stripped = pair.strip(b" \t")
            if stripped and not ours(stripped.partition(b"=")[0]):
                kept.append(stripped)
    return b"; ".join(kept)


@lru_cache(maxsize=8)
def _spelled_as_ours(prefix: str) -> Callable[[bytes], object]:
    """Whether a name is one of ours, or may be read as one by a careless API: in any case, quoted, of either format."""
    name = rf"[\s\"']*(?:__(?:host|secure)-)?{re.escape(prefix)}-(?:{'|'.join(KINDS)})(?:\.[0-9]*)?[\s\"']*"
    return re.compile(name.encode(), re.IGNORECASE).fullmatch


def set_cookie(
    names: CookieNames, kind: Kind, sealed: str, *, had: Collection[str] = (), max_age: int | None = None
) -> list[str]:
    """The Set-Cookie fields that give the browser *sealed*, in chunks if it is long.

    *had* are the names that the request brought: of those, chunks of an older value that are now left over are taken
    away. Without *max_age*, in seconds, it lasts until the browser ends. Raises ValueError for a value over 5 chunks.
    """
    pieces = [sealed[start : start + _CHUNK] for start in range(0, len(sealed), _CHUNK)] or [""]
    if len(pieces) > MAX_CHUNKS:
        raise ValueError(f"a value of {len(sealed)} characters, want at most {_CHUNK * MAX_CHUNKS}")
    if len(pieces) > 1:
        pieces[0] = f"{len(pieces)}.{pieces[0]}"
    name = names.name(kind)
    age = "" if max_age is None else f"; Max-Age={max_age}"
    attributes = _attributes(names, kind)
    fields = [f"{chunk_name(name, place)}={piece}{attributes}{age}" for place, piece in enumerate(pieces)]
    return fields + _cleared(names, kind, range(len(pieces), MAX_CHUNKS), had)


def clear_cookie(names: CookieNames, kind: Kind, *, had: Collection[str] = ()) -> list[str]:
    """The Set-Cookie fields that take a cookie away, and those of its chunks that are among *had*."""
    name = names.name(kind)
    return _cleared(names, kind, range(MAX_CHUNKS), {name, *had})


def _cleared(names: CookieNames, kind: Kind, places: range, had: Collection[str]) -> list[str]:
    name = names.name(kind)
    gone = [chunk_name(name, place) for place in places if chunk_name(name, place) in had]
    return [f"{one}={_attributes(names, kind)}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT" for one in gone]


def _attributes(names: CookieNames, kind: Kind) -> str:
    """RFC 6265bis §4.1.2: what a browser needs to find the same cookie again, and how it must treat it."""
    domain = f"; Domain={names.domain}" if names.domain else ""
    return f"; Path={names.path(kind)}{domain}; Secure; HttpOnly; SameSite=Strict"
