"""The path that a Python application routes on, written as `[[routes]]` are.

Rule: what is judged is what is routed. Applications route on the decoded path that their server gives them, so that is
what we read; it is then spelled in one way only, whatever the client wrote. The path as the client sent it is looked at
for what decoding hides (`%2F`, `%2E`), and must be the same path.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

UNREADABLE = ""
"""A path that the table of routes refuses; `[policy]` alone, which looks at none, does not mind."""

_PLAIN = re.compile(r"/|(?:/[A-Za-z0-9\-_~][A-Za-z0-9\-._~!$&'()*+,=:@]*)+/?").fullmatch
# RFC 3986 §3.3: what stands for itself in a segment, so that its percent-encoded form is the same path
_ITSELF = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,=:@")
_KEPT = _ITSELF | frozenset(b"/.%")
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})|([^%])", re.DOTALL)


def routed_path(path: str, raw: bytes | None, root: str, expected_root: str) -> tuple[str, str]:
    """The whole path to be judged, and a note for the log where there is something to say.

    *path* is decoded; *raw* is what the client sent, where that is known; *root* is the part of *path* that is not the
    application's own (`root_path`, SCRIPT_NAME), and must be *expected_root*: a part that whoever is in front of us may
    choose would shift what is routed against what is judged.
    """
    if root != expected_root:
        return UNREADABLE, f'the application is at {_shown(root)}, want {_shown(expected_root)}; say root_path="..."'
    if root and path != root and not path.startswith(root + "/"):
        if root in path:  # some frameworks look for it anywhere, and route on what comes after
            return UNREADABLE, f"{_shown(root)} is within the path, not at its beginning"
        path, raw = root + path, None if raw is None else root.encode() + raw  # a proxy has taken it off
    if _PLAIN(path) and (raw is None or raw == path.encode("ascii")):
        return path, ""  # nearly every one
    octets = path.encode("utf-8", "surrogateescape")
    if raw is None:
        return spelled(octets.replace(b"%", b"%25")), ""
    if unquote_to_bytes(raw) != octets:
        return UNREADABLE, "the path is not what the client sent; who rewrites one must rewrite the other"
    return spelled(raw), ""


def spelled(raw: bytes) -> str:
    """A percent-encoded path in its one spelling (RFC 3986 §6.2.2): encoded where it must be, in capitals, and only
    there. What an encoding hides (a slash, a dot, a semicolon) stays hidden, for the table of routes to refuse."""
    return _ENCODED.sub(_one_spelling, raw).decode("ascii") or "/"


def _one_spelling(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        octet = int(found[1], 16)
        return bytes((octet,)) if octet in _ITSELF else b"%%%02X" % octet
    octet = found[2][0]
    return found[2] if octet in _KEPT else b"%%%02X" % octet


def _shown(path: str) -> str:
    return ascii(path if len(path) <= 60 else path[:57] + "...")
