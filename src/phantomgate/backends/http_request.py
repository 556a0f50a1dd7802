"""An HTTP/1.1 request as both back ends send it: the URL taken apart, the header fields, the bytes.

Rule: nothing is escaped, repaired or guessed; what could be read as another request than the one that was meant is a
ValueError. Values are secret and never part of an error. (`urllib.parse` would cost a cold start 8 ms.)
"""

from __future__ import annotations

import re
from typing import NamedTuple

from phantomgate.core.ports import HttpCall

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 §5.6.2
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")  # the ASCII part of RFC 9110 §5.5
_SEGMENT = r"(?:[!$&'()*+,./0-9:;=@A-Z_a-z~-]|%[0-9A-Fa-f]{2})"  # RFC 3986 §3.3, with the slash
_TARGET = re.compile(rf"/{_SEGMENT}*(?:\?(?:{_SEGMENT}|\?)*)?")
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
_AUTHORITY = re.compile(rf"(?:\[([0-9A-Fa-f:.]{{2,45}})\]|({_LABEL}(?:\.{_LABEL})*))(?::([0-9]{{1,5}}))?")
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}")
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)")
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer",
                   "upgrade", "expect", "keep-alive", "proxy-connection"})  # fmt: skip
_FRAMED_OTHERWISE = frozenset({"HEAD", "CONNECT"})  # RFC 9112 §6.3: their replies have no body of their own


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


def request_fields(call: HttpCall, origin: Origin) -> list[tuple[str, str]]:
    """The header fields of *call*, framing included. Raises ValueError for any that could make two requests of one."""
    if not _NAME.fullmatch(call.method) or call.method in _FRAMED_OTHERWISE:
        raise ValueError("the method is not a token, or one whose reply has no body")
    fields = [("Host", origin.authority)]
    named = {"user-agent": False}
    for name, value in call.headers:
        lower = name.lower()
        if not _NAME.fullmatch(name):
            raise ValueError("a header's name is not a token")
        if lower in _OURS:
            raise ValueError(f"the header {name} is for the HTTP client to set")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of the header {name} holds a character that no header can carry")
        named[lower] = True
        fields.append((name, value))
    if not named["user-agent"]:
        fields.append(("User-Agent", "phantomgate"))
    fields += [("Accept-Encoding", "identity"), ("Connection", "keep-alive")]
    if call.body or call.method in ("POST", "PUT", "PATCH"):  # RFC 9110 §8.6
        fields.append(("Content-Length", str(len(call.body))))
    return fields


def request_bytes(call: HttpCall, origin: Origin, target: str) -> bytes:
    """*call* as it goes over the wire (RFC 9112 §3 and §5)."""
    lines = [f"{call.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request_fields(call, origin)]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + call.body
