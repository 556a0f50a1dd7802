"""`application/x-www-form-urlencoded` (RFC 6749 appendix B): write it, and read it strictly. By hand, because
`urllib.parse` costs a cold start eight milliseconds, and repairs what it can't read.
"""

from __future__ import annotations

from collections.abc import Iterable

from phantomgate.core.pattern import pattern

MAX_PAIRS = 100
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_AS = {byte: chr(byte) if byte in _PLAIN else "+" if byte == 0x20 else f"%{byte:02X}" for byte in range(256)}


def form_value(text: str) -> str:
    """*text* as one encoded name or value. Raises ValueError for text that has no UTF-8 (an unpaired surrogate)."""
    if text.isascii() and text.isalnum():
        return text
    return "".join([_AS[byte] for byte in text.encode("utf-8")])


def form_body(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The body that carries *pairs*, in order."""
    return "&".join([f"{form_value(name)}={form_value(value)}" for name, value in pairs]).encode("ascii")


def form_pairs(text: str) -> list[tuple[str, str]]:
    """The pairs of a form or query, in order, repetitions included.

    Raises ValueError, which never quotes *text*, for more than 100 of them, a stray `%`, or what is not UTF-8.
    """
    if not text:
        return []
    parts = text.split("&")
    if len(parts) > MAX_PAIRS:
        raise ValueError(f"{len(parts)} parameters, want at most {MAX_PAIRS}")
    pairs = (part.partition("=") for part in parts)
    return [(_value(name), _value(value)) for name, _, value in pairs]


def _value(text: str) -> str:
    """One name or value, decoded. RFC 3986 §2.1: `%` is followed by two hexadecimal digits, or is an error."""
    if "%" not in text and "+" not in text:
        return text
    if len(_ESCAPE.findall(text)) != text.count("%"):
        raise ValueError("a percent sign that escapes nothing")
    try:
        return (
            _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text.replace("+", " ").encode("utf-8").decode("latin-1"))
            .encode("latin-1")
            .decode("utf-8")
        )
    except UnicodeError:
        raise ValueError("a parameter that is not UTF-8") from None


_ESCAPE = pattern("%([0-9A-Fa-f]{2})")


def names_of_query(query: str) -> set[str]:
    """The parameter names in *query*, decoded as a careless server might: `&` and `;` both part, `%xx` anywhere."""
    return {_decoded(pair.partition("=")[0]) for pair in query.replace(";", "&").split("&")}


def _decoded(name: str) -> str:
    if "%" not in name:
        return name
    head, *rest = name.split("%")
    return head + "".join(chr(int(part[:2], 16)) + part[2:] if _is_hex(part[:2]) else "%" + part for part in rest)


def _is_hex(pair: str) -> bool:
    return len(pair) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in pair)
