"""Addresses, networks and URLs: where we listen, whom we believe, whom we call.

Rule: a URL is good when the client that will call it can read it, and no message repeats one, since a URL may hold a
password. `ipaddress` is imported only when there is an address to look at.
"""

from __future__ import annotations

import re

from phantomgate.config.kinds import Kind, as_it_is, found, text_of
from phantomgate.core.nouns import dataclass
from phantomgate.core.pattern import pattern
from phantomgate.oauth.urls import insecure, is_loopback, split_url

__all__ = [
    "ADDRESS", "NETWORKS", "OPTIONAL_ADDRESS", "Address", "insecure", "is_loopback", "keys_source", "origin",
    "read_address", "url", "web_origin",
]  # fmt: skip

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
_HOST_PORT = pattern(rf"(?:\[(?P<six>[0-9A-Fa-f:.]{{2,45}})\]|(?P<host>{_NAME})):(?P<port>[0-9]{{1,5}})")
_WEB_ORIGIN = pattern(
    r"(?P<scheme>https?)://(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_OWN_PORTS = {"https": "443", "http": "80"}
_WANT_ADDRESS = 'an address such as "127.0.0.1:9090", "[::1]:9090" or "unix:/run/phantomgate.sock"'
_WANT_NETWORK = 'a network such as "10.0.0.0/8" or "10.1.2.3"'


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: *host* and *port* (0: any that is free), or the path of a unix socket in *unix*."""

    host: str = ""
    port: int = 0
    unix: str = ""

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return bool(self.unix) or is_loopback(self.host)


def read_address(text: str) -> Address:
    """The address in "HOST:PORT", "[IPV6]:PORT" or "unix:/PATH". Raises ValueError saying what to write instead."""
    if text.startswith("unix:"):
        path = text[5:]
        if not re.fullmatch(r"/[^\0]*[^\0/]", path) or len(path.encode(errors="surrogateescape")) > 107:
            raise ValueError(f'is {found(text)}; want "unix:" and an absolute path of at most 107 bytes')
        return Address(unix=path)
    match = _HOST_PORT.fullmatch(text)
    if match is None or int(match["port"]) > 65535 or not _is_host(match["six"] or match["host"], match["six"]):
        raise ValueError(f"is {found(text)}; want {_WANT_ADDRESS}")
    return Address(match["six"] or match["host"], int(match["port"]))


def _is_host(host: str, six: str | None) -> bool:
    """Whether *host* is a name or a valid IP address; all digits and dots must be IPv4."""
    if six is None and (host == "127.0.0.1" or not re.fullmatch(r"[0-9.]+", host)):  # the default spares the import
        return True
    from ipaddress import IPv4Address, IPv6Address

    try:
        return bool(IPv6Address(host) if six else IPv4Address(host))
    except ValueError:
        return False


def _address(value: object) -> str:
    text = text_of(value, _WANT_ADDRESS)
    read_address(text)
    return text


ADDRESS = Kind("address", _address, {"type": "string"}, own=as_it_is)


def _optional_address(value: object) -> str:
    return "" if value == "" else _address(value)


OPTIONAL_ADDRESS = Kind("address", _optional_address, {"type": "string"}, own=as_it_is)


def _networks(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f'is {found(value)}; want a list, such as ["10.0.0.0/8"]')
    from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

    four: list[IPv4Network] = []
    six: list[IPv6Network] = []
    for item in value:
        text = text_of(item, _WANT_NETWORK)
        try:
            network = ip_network(text)
        except ValueError:
            raise ValueError(f"has {found(text)}; want {_WANT_NETWORK}{_without_host_bits(text)}") from None
        four.append(network) if isinstance(network, IPv4Network) else six.append(network)
    mapped = IPv6Network("::ffff:0:0/96")  # every IPv4 address, as a dual-stack socket may show it
    everybody = [n for n in collapse_addresses(four) if n.prefixlen == 0]
    everybody_six = [n for n in collapse_addresses(six) if n.supernet_of(mapped)]
    if everybody or everybody_six:
        raise ValueError("covers every address, so any caller could say which request is judged; name your proxies")
    return tuple(str(network) for network in [*four, *six])


def _without_host_bits(text: str) -> str:
    """A hint for "10.1.2.3/8": which network that is in."""
    from ipaddress import ip_network

    try:
        return f' (perhaps "{ip_network(text, strict=False)}")'
    except ValueError:
        return ""


def _from_commas(text: str) -> object:
    return [item.strip() for item in text.split(",")] if text.strip() else []


NETWORKS: Kind[tuple[str, ...]] = Kind(
    "list of networks", _networks, {"type": "array", "items": {"type": "string"}}, _from_commas, tuple
)


def url(*, query: bool, want: str) -> Kind[str]:
    """An http or https URL, or empty. *query*: whether it may have one."""

    def read(value: object) -> str:
        text = text_of(value, want)
        if not text:
            return text
        if "@" in text.partition("://")[2].partition("/")[0]:
            raise ValueError(f"holds a user name or password; want {want}")
        if "#" in text or ("?" in text and not query):
            raise ValueError(f"has a {'fragment (#)' if '#' in text else 'query (?)'}; want {want}")
        try:
            split_url(text)
        except ValueError as no:
            raise ValueError(f"can't be called: {no}; want {want}") from None
        return text

    return Kind("URL", read, {"type": "string", "format": "uri"})


def origin(*, want: str) -> Kind[str]:
    """Scheme, host and port of an https or http URL, and nothing else."""
    read_url = url(query=False, want=want).read

    def read(value: object) -> str:
        text = read_url(value)
        if not text or split_url(text)[1] != "/":
            raise ValueError(f"is no origin; want {want}")
        return str(split_url(text)[0])

    return Kind("origin", read, {"type": "string", "format": "uri"})


def web_origin(*, want: str) -> Kind[str]:
    """An origin exactly as browsers write it in `Origin` (RFC 6454 §6.2): lower case, without the scheme's own port."""

    def read(value: object) -> str:
        text = text_of(value, want)
        parts = _WEB_ORIGIN.fullmatch(text)
        if "@" in text:
            raise ValueError(f"holds a user name or password, which no browser sends as Origin; want {want}")
        if not parts or int(parts["port"] or 1) > 65535 or parts["port"] == _OWN_PORTS[parts["scheme"]]:
            raise ValueError(
                f"is {found(text)}, which no browser sends as Origin; want {want}: scheme, host and port, lower case, "
                "no path, and neither :443 nor :80"
            )
        return text

    return Kind("origin", read, {"type": "string", "format": "uri"})


def keys_source(*, want: str) -> Kind[str]:
    """A URL, or "file:" and the name of a file, or empty."""
    read_url = url(query=True, want=want).read

    def read(value: object) -> str:
        text = text_of(value, want)
        if text.startswith("file:"):
            if not re.fullmatch(r"file:[^\0]+", text):
                raise ValueError(f"names no file; want {want}")
            return text
        return read_url(text)

    return Kind("URL or file", read, {"type": "string"})
