"""RFC 4648 §5 without padding (RFC 7515 §2), read so that one value has one spelling.

Python's decoder would ignore stray characters and unused bits, so that one signature had many spellings.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")  # "!" is in no alphabet
_TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"", b"==", b"=")
_LAST = (b"", b"", _ALPHABET[::16], _ALPHABET[::4])  # what the last character can be, by length modulo 4


def base64url(segment: bytes) -> bytes:
    """The bytes of an unpadded base64url *segment*. Raises ValueError unless it is the only spelling of them."""
    data = segment.translate(_TO_STANDARD)
    left = len(data) & 3
    if left:
        if segment[-1] not in _LAST[left]:
            raise ValueError("a base64url segment with bits left over")
        data += _PADDING[left]
    return a2b_base64(data, strict_mode=True)


def base64url_text(data: bytes) -> str:
    """The one unpadded base64url text of *data*."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=").decode("ascii")
