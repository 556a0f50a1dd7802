"""What `doctor` sends: a case, and the request that it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Want: TypeAlias = Literal["clean", "refused", "either", "unparsed"]
"""It reaches the API and nothing else does; it doesn't reach it; one of both; no request may grow out of it."""

IDENTITY = "identity headers"
CREDENTIAL = "credentials"
NAMING = "which request is judged"
PATHS = "paths"
FRAMING = "framing and hops"


@dataclass(frozen=True, slots=True)
class Known:
    """What `doctor` was told: the token that is let in, where it is, and where it isn't."""

    token: str = field(repr=False)
    authority: str = "gateway"
    allowed: str = "/"
    forbidden: str = ""
    identity: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One request. *lines* are its fields but Host; *mark* must not be seen upstream; *group* is for the report."""

    name: str
    group: str
    title: str
    want: Want
    remedy: str
    target: str = ""
    method: str = "GET"
    lines: tuple[str, ...] = ()
    body: bytes = b""
    version: str = "HTTP/1.1"
    host: str = ""
    """The Host; empty: the gateway's."""
    status: tuple[int, ...] = ()
    """One of these is to come back, where it was refused; empty: any from 400 on."""
    known_from: str = ""
    unwanted: str = ""
    """A field that the gateway adds where it believes what it shouldn't; the API must not get it."""
    again: int = 0
    """How many requests without a credential follow, which are part of the case."""


MARK = "doctor-made-this-up"


def request(case: Case, known: Known, nonce: str) -> bytes:
    """*case* as bytes; *nonce* is put into its query, and wherever `{nonce}` stands in it."""
    target = case.target or known.allowed
    target += ("&" if "?" in target else "?") + f"doctor={nonce}"
    lines = [f"{case.method} {target} {case.version}", f"Host: {case.host or known.authority}", *case.lines]
    if not any(line.lower().startswith("connection:") for line in case.lines):
        lines.append("Connection: close")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.replace("{nonce}", nonce).encode("latin-1") + case.body.replace(b"{nonce}", nonce.encode())
