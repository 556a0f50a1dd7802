"""The URLs that we call: taken apart, and whether a secret may be sent there.

Rule: nothing is escaped, repaired or guessed; what two readers could take for two places is a ValueError, whose text
never repeats the URL. (`urllib.parse` would cost a cold start 8 ms; `ipaddress` is imported only for an address.)
"""

from __future__ import annotations

from phantomgate.core.pattern import pattern
from phantomgate.core.typed import NamedTuple

_PORTS = {"http": 80, "https": 443}
_SEGMENT = r"(?:[!$&'()*+,./0-9:;=@A-Z_a-z~-]|%[0-9A-Fa-f]{2})"  # RFC 3986 §3.3, with the slash
_TARGET = pattern(rf"/{_SEGMENT}*(?:\?(?:{_SEGMENT}|\?)*)?")
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_AUTHORITY = pattern(rf"(?:\[([0-9A-Fa-f:.]{{2,45}})\]|({_LABEL}(?:\.{_LABEL})*))(?::([0-9]{{1,5}}))?")
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = pattern(rf"{_BYTE}(?:\.{_BYTE}){{3}}")
_ENDS_IN_A_NUMBER = pattern(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)")


class Origin(NamedTuple):
    """The part of a URL that a connection belongs to."""

    scheme: str
    host: str
    """ASCII, lower case, without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """As in a Host field: the port only when it isn't the scheme's own (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def split_url(url: str) -> tuple[Origin, str]:
    """The origin and the request target of *url*. Raises ValueError unless it is a plain absolute http(s) URL.

    Stricter than RFC 3986 on purpose: no user information, no fragment, nothing that would need escaping, and no
    number that some resolvers take for an address (`127.1`).
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in _PORTS:
        raise ValueError("the URL does not begin with https:// or http://")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = _AUTHORITY.fullmatch(rest[:end]), rest[end:]
    if authority is None:
        raise ValueError("the URL's host is not a plain ASCII name or address with an optional port")
    address, name, port = authority.groups()
    if name and (len(name) > 253 or (_ENDS_IN_A_NUMBER.fullmatch(name) and not _IPV4.fullmatch(name))):
        raise ValueError("the URL's host is neither a name nor a canonical IPv4 address")
    number = int(port or _PORTS[scheme])
    if not 0 < number < 65536:
        raise ValueError(f"the URL's port is {number}, want 1 to 65535")
    if not target.startswith("/"):
        target = "/" + target
    if not _TARGET.fullmatch(target):
        raise ValueError("the URL's path or query holds a character that must be percent-encoded")
    return Origin(scheme, (address or name).lower(), number), target


def is_loopback(host: str) -> bool:
    """Whether *host* can only be this machine: `localhost`, 127.0.0.0/8 or ::1."""
    if host in ("localhost", "127.0.0.1", "::1"):
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def insecure(text: str) -> bool:
    """Whether calling this URL would send secrets in the clear over a network."""
    origin, _ = split_url(text)
    return origin.scheme == "http" and not is_loopback(origin.host)


def check_issuer(issuer: str, *, allow_insecure_http: bool = False) -> None:
    """RFC 8414 §2: https, without query and fragment; http on loopback or if allowed. Raises ValueError."""
    _, target = split_url(issuer)
    if "?" in target:
        raise ValueError("has a query, which no issuer has (RFC 8414 §2)")
    if insecure(issuer) and not allow_insecure_http:
        raise ValueError("is http, so anybody on the way could give us keys of his own")
