"""Which characters a text is made of: what an expression of one class says, for which none has to be compiled.

Rule: ASCII only. `str.isprintable`, of ASCII, is space to `~`.
"""

from __future__ import annotations

DIGITS = "0123456789"
HEX = DIGITS + "ABCDEFabcdef"
CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS = CAPITALS + CAPITALS.lower()
BASE64URL = (LETTERS + DIGITS + "-_").encode()
"""RFC 4648 §5, without padding."""
B64TOKEN = (LETTERS + DIGITS + "-._~+/").encode()
"""RFC 6750 §2.1, without what may end it."""
TCHAR = LETTERS + DIGITS + "!#$%&'*+-.^_`|~"
"""RFC 9110 §5.6.2: what a token is made of."""


def only(text: str, alphabet: str) -> bool:
    """Whether every character of *text* is in *alphabet*; so it is where there is none. For names, not for novels."""
    return not text.strip(alphabet)


def only_bytes(data: bytes, alphabet: bytes) -> bool:
    """As `only`, however much *data* there is."""
    return not data.translate(None, alphabet)


def printable(text: str, but: str = "") -> bool:
    """Whether *text* is printable ASCII, without the characters in *but*; an empty one is."""
    return text.isascii() and text.isprintable() and not any(one in text for one in but)


def is_number(text: str, most: int) -> bool:
    """Whether *text* is 1 to *most* digits, and nothing else."""
    return 0 < len(text) <= most and text.isascii() and text.isdigit()
