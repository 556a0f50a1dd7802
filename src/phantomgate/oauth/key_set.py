"""RFC 8414 §2 `jwks_uri`: ask an issuer for its key set, and read what comes. Pure.

The media type is not looked at: servers publish key sets under many, and nothing but a key set reads as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.oauth.jwks import KeySet, read_key_set

MAX_BYTES = 262_144
"""The largest key set that is read; a hundred keys with certificate chains fit."""


def key_set_request(url: str, timeout: float) -> HttpCall:
    """The question for the key set at *url*; *timeout* is in seconds."""
    accept = "application/jwk-set+json, application/json"  # RFC 7517 §8.5
    return HttpCall("GET", url, (("Accept", accept),), timeout=timeout, max_bytes=MAX_BYTES, held=True)


def read_key_set_reply(reply: HttpReply, algorithms: Sequence[str]) -> KeySet:
    """The keys of an issuer that may use *algorithms*.

    Raises Unavailable for 429 and 5xx, and Refused(BAD_ANSWER) when what came is not a key set.
    """
    status = reply.status
    if status == 429 or status >= 500:
        raise Unavailable(f"the authorization server answered {status}, asked for its keys")
    if status != 200:
        _bad(f"status {status}, want 200")
    return read_keys(reply.body, algorithms)


def read_keys(data: bytes, algorithms: Sequence[str]) -> KeySet:
    """As `read_key_set`, with our bound; raises Refused(BAD_ANSWER) for its ValueError."""
    try:
        return read_key_set(data, algorithms, max_bytes=MAX_BYTES)
    except ValueError as error:
        # json and codecs quote what they read; only our own texts are safe to repeat
        _bad(str(error) if type(error) is ValueError else f"not JSON ({type(error).__name__})")


def _bad(detail: str) -> NoReturn:
    raise Refused(Reason.BAD_ANSWER, f"key set: {detail}")
