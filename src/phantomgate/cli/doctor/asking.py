"""One request to the gateway, byte by byte as `doctor` wants it, and what came back."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from phantomgate.oauth.urls import split_url

TIMEOUT = 10.0
_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where the gateway is. *trusted* vouches for it where it speaks TLS."""

    host: str
    port: int
    authority: str
    """The Host that is sent."""
    trusted: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 is a connection that ended without an answer."""

    status: int
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def has(self, name: str) -> bool:
        """Whether there is a field *name*."""
        return any(one.lower() == name.lower() for one, _ in self.fields)


def gateway_at(url: str, ca_file: str = "") -> Gateway:
    """The gateway at *url*, "http://127.0.0.1:8080". Raises ValueError, and OSError for *ca_file*."""
    split_url(url)  # nothing that can't be a Host, or that some resolver would read otherwise
    where = urlsplit(url)
    if not where.hostname or where.path not in ("", "/") or where.query:
        raise ValueError("it has more than scheme, host and port")
    trusted = ssl.create_default_context(cafile=ca_file or None) if where.scheme == "https" else None
    port = where.port or (443 if trusted else 80)
    return Gateway(where.hostname, port, where.netloc, trusted)


def ask(gateway: Gateway, request: bytes) -> Answer:
    """The first answer to *request*, on a connection of its own. Raises OSError when there is no connecting."""
    with socket.create_connection((gateway.host, gateway.port), timeout=TIMEOUT) as plain:
        if gateway.trusted is None:
            return _asked(plain, request)
        with gateway.trusted.wrap_socket(plain, server_hostname=gateway.host) as over:
            return _asked(over, request)


def _asked(connection: socket.socket, request: bytes) -> Answer:
    data = b""
    try:
        connection.sendall(request)
        while len(data) < _MOST and (more := connection.recv(65536)):
            data += more
            if _whole(data):
                break
    except OSError:
        pass  # reset while it was writing, or silence: what has come is the answer
    head, found, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if not found or len(words) < 2 or not words[1].isdecimal():
        return Answer(0)
    fields = [line.partition(":") for line in lines]
    return Answer(int(words[1]), tuple((name, value.strip(" \t")) for name, _, value in fields), body)


def _whole(data: bytes) -> bool:
    """Whether *data* is an answer to its end, as far as its Content-Length says."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return head.split(b" ", 2)[1:2] in ([b"101"], [b"204"], [b"304"])
