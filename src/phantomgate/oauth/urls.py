"""The URLs that we call: taken apart, and whether a secret may be sent there.

Rule: nothing is escaped, repaired or guessed; what two readers could take for two places is a ValueError, whose text
never repeats the URL. (`urllib.parse` would cost a cold start 8 ms; `ipaddress` is imported only for an address.)
"""

from __future__ import annotations

from functools import lru_cache

from phantomgate.core.characters import DIGITS, HEX, LETTERS, is_number, only
from phantomgate.core.typed import NamedTuple

_PORTS = {"http": 80, "https": 443}
_TARGET = LETTERS + DIGITS + "!$&'()*+,./:;=@_~-?%"  # RFC 3986 §3.3 and §3.4: paths, and `?` which begins the query
_LABEL = LETTERS + DIGITS + "_-"


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


@lru_cache(maxsize=64)  # the same few are called over and over, and a call takes its URL apart each time
def split_url(url: str) -> tuple[Origin, str]:
    """The origin and the request target of *url*. Raises ValueError unless it is a plain absolute http(s) URL.

    Stricter than RFC 3986 on purpose: no user information, no fragment, nothing that would need escaping, and no
    number that some resolvers take for an address (`127.1`).
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in _PORTS:
        raise ValueError("the URL does not begin with https:// or http://")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    (host, port), target = _host_and_port(rest[:end]), rest[end:]
    number = int(port or _PORTS[scheme])
    if not 0 < number < 65536:
        raise ValueError(f"the URL's port is {number}, want 1 to 65535")
    if not target.startswith("/"):
        target = "/" + target
    escaped = target.split("%")[1:]
    if not only(target, _TARGET) or not all(len(one) > 1 and only(one[:2], HEX) for one in escaped):
        raise ValueError("the URL's path or query holds a character that must be percent-encoded")
    return Origin(scheme, host.lower(), number), target


def _host_and_port(authority: str) -> tuple[str, str]:
    """The host, without brackets, and the port, or "". Raises ValueError."""
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    address = host[1:-1] if host.startswith("[") and host.endswith("]") else ""
    plain = 2 <= len(address) <= 45 and only(address, HEX + ":.") if address else all(map(_is_label, host.split(".")))
    if not plain or (colon and not authority.endswith("]") and not is_number(port, 5)):
        raise ValueError("the URL's host is not a plain ASCII name or address with an optional port")
    if not address and (len(host) > 253 or (_is_numeric(host.rpartition(".")[2]) and not _is_ipv4(host))):
        raise ValueError("the URL's host is neither a name nor a canonical IPv4 address")
    return address or host, port


def _is_label(text: str) -> bool:
    return 0 < len(text) <= 63 and only(text, _LABEL) and text[0] != "-" != text[-1]


def _is_numeric(label: str) -> bool:
    """Whether some resolvers take a name that ends in *label* for an address."""
    return only(label, DIGITS) or (label[:2] in ("0x", "0X") and only(label[2:], HEX))


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(is_number(part, 3) and str(int(part)) == part and int(part) < 256 for part in parts)


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
