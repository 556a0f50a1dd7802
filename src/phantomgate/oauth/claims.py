"""Claims as they come on the wire, read with their types checked (RFC 7519 §4.1, RFC 8693 §4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from phantomgate.core.errors import Reason, Refused

MAX_TIME = 253_402_300_799  # the last second of the year 9999: beyond it nobody means a time


def read_time(claims: Mapping[str, Any], name: str) -> float:
    """The NumericDate *name*, in Unix seconds. Raises Refused(INVALID_TOKEN) when it is not a number we can mean."""
    value = claims[name]
    # bool is an int to Python, and to nobody else
    if type(value) not in (int, float) or not 0 <= value <= MAX_TIME:
        raise Refused(Reason.INVALID_TOKEN, f"{name} is not a time")
    return float(value)


def read_scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """What the token may do: `scope` or, without it, `scp`; a string of words or a list of them; missing is nothing.

    Raises Refused(INVALID_TOKEN) for any other type, rather than guess what was granted.
    """
    value = claims["scope"] if "scope" in claims else claims.get("scp", "")
    if isinstance(value, str):
        return _words(value)
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return frozenset(value) - {""}
    raise Refused(Reason.INVALID_TOKEN, "scope is neither a string nor a list of strings")


@lru_cache(maxsize=1024)  # few scopes are many tokens' scopes: one set for all of them
def _words(scope: str) -> frozenset[str]:
    return frozenset(scope.split(" ")) - {""}  # RFC 6749 §3.3: separated by SP, not by any white space


def read_audiences(claims: Mapping[str, Any]) -> frozenset[str]:
    """Whom the token is for: `aud`, a string or a list of them (RFC 7519 §4.1.3); missing is nobody.

    Raises Refused(INVALID_TOKEN) for any other type.
    """
    value = claims.get("aud", [])
    if isinstance(value, str):
        return frozenset((value,))
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return frozenset(value)
    raise Refused(Reason.INVALID_TOKEN, "aud is neither a string nor a list of strings")


def check_unbound(claims: Mapping[str, Any]) -> None:
    """A token that is bound to a key is not a bearer token (RFC 9449 §7.2, RFC 8705 §3).

    Raises Refused(BOUND_TOKEN) for any `cnf` but null, whatever it says, and any `token_type` but Bearer.
    """
    if claims.get("cnf") is not None:
        raise Refused(Reason.BOUND_TOKEN, "the token is bound to a key (cnf) and came as Bearer")
    kind = claims.get("token_type")
    if kind is not None and not (isinstance(kind, str) and kind.lower() in ("bearer", "access_token")):
        raise Refused(Reason.BOUND_TOKEN, "token_type is not Bearer")
