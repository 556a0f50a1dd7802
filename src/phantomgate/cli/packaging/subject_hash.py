"""The name that OpenSSL looks a certificate authority up by in a folder: `X509_NAME_hash` of its subject.

Rule: the canonical form of OpenSSL's `x509_name_canon`: strings as UTF-8, blanks at the ends gone and those within
single, ASCII in lower case, the outer header left off. It is a name for a file and proves nothing, hence SHA-1.
"""

from __future__ import annotations

import hashlib
import re

_SEQUENCE, _SET, _UTF8 = 0x30, 0x31, 0x0C
_STRINGS = {0x0C: "utf-8", 0x13: "latin-1", 0x14: "latin-1", 0x16: "latin-1", 0x1A: "latin-1"}
_WIDE = {0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_VERSION = 0xA0
_BLANKS = re.compile(r"[ \t\n\v\f\r]+")


def subject_hash(certificate: bytes) -> str:
    """The eight hexadecimal digits for *certificate* (DER). Raises ValueError when it is no certificate."""
    _, whole, _ = _read(certificate, 0)
    _, inner, _ = _read(whole, 0)
    at = 0
    tag, _, after = _read(inner, at)
    if tag == _VERSION:
        at = after
    for _ in ("serial number", "signature", "issuer", "validity"):  # RFC 5280 §4.1
        at = _read(inner, at)[2]
    tag, subject, _ = _read(inner, at)
    if tag != _SEQUENCE:
        raise ValueError(f"has tag {tag:#x} where its subject should be; want {_SEQUENCE:#x}")
    canonical = b"".join(_canonical_set(one) for one in _all(subject, _SET))
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _canonical_set(content: bytes) -> bytes:
    members = []
    for pair in _all(content, _SEQUENCE):
        _, _, after = _read(pair, 0)
        tag, value, _ = _read(pair, after)
        encoding = _STRINGS.get(tag) or _WIDE.get(tag)
        kept = pair[after:] if encoding is None else _write(_UTF8, _canonical_text(value.decode(encoding)))
        members.append(_write(_SEQUENCE, pair[:after] + kept))
    return _write(_SET, b"".join(sorted(members)))  # DER sorts a SET OF


def _canonical_text(text: str) -> bytes:
    return _BLANKS.sub(" ", text).strip(" ").encode().lower()  # of bytes: ASCII alone


def _all(content: bytes, wanted: int) -> list[bytes]:
    found, at = [], 0
    while at < len(content):
        tag, value, at = _read(content, at)
        if tag != wanted:
            raise ValueError(f"has tag {tag:#x} in its subject; want {wanted:#x}")
        found.append(value)
    return found


def _read(data: bytes, at: int) -> tuple[int, bytes, int]:
    """(tag, content, where the next begins) of what begins *at* a place."""
    if at + 2 > len(data):
        raise ValueError("is cut off")
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    if start + length > len(data):
        raise ValueError("is cut off")
    return tag, data[start : start + length], start + length


def _write(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
