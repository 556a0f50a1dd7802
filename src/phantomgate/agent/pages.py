"""What a page may say: which extra parameters, where to return to, and which claims it is told.

Rule: allow-lists. Whatever isn't named in the settings is refused (a parameter), left out (a claim), or replaced by
nothing (a place to return to), so that no page becomes an open redirector (RFC 9700 §4.11).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from phantomgate.agent.model import AgentError, Code
from phantomgate.oauth.quoting import shown

MOST_EXTRA = 10
LONGEST_EXTRA = 1024
LONGEST_RETURN = 1024
# One slash, then neither a slash nor a backslash, which browsers read as one; no control character, space or non-ASCII,
# which they drop or turn into something else; no empty or dot segment, in any spelling, before query and fragment
_PATH = re.compile(r"/(?:[!-\[\]-~])*").fullmatch
_AMBIGUOUS = re.compile(r"//|%(?:2e|2f|5c|25|0|1)|/\.{1,2}(?:/|$)", re.IGNORECASE).search


def read_extra(said: Mapping[str, Any], allowed: Collection[str]) -> tuple[tuple[str, str], ...]:
    """`extraParams` of a login, `[{"key": ..., "value": ...}]`, each of them *allowed*. Raises AgentError."""
    given = said.get("extraParams")
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > MOST_EXTRA:
        raise AgentError(Code.INVALID_REQUEST, f"extraParams is not a list of at most {MOST_EXTRA}")
    pairs: dict[str, str] = {}
    for one in given:
        key, value = (one.get("key"), one.get("value")) if isinstance(one, dict) else (None, None)
        if not isinstance(key, str) or not isinstance(value, str) or len(value) > LONGEST_EXTRA:
            raise AgentError(Code.INVALID_REQUEST, "an extra parameter is not a key and a value")
        if key not in allowed:
            raise AgentError(Code.INVALID_REQUEST, f"the extra parameter {shown(key)} is not in agent.extra_params")
        if key in pairs:
            raise AgentError(Code.INVALID_REQUEST, f"the extra parameter {shown(key)} is there twice")
        pairs[key] = value
    return tuple(pairs.items())


def read_return_to(said: Mapping[str, Any], allowed: Collection[str]) -> str:
    """`returnTo` of a login if it is one of *allowed*, else empty.

    *allowed* are whole URLs, and paths: `/account/` stands for itself and whatever is below, `/account` for itself.
    """
    wanted = said.get("returnTo")
    if not isinstance(wanted, str) or not 0 < len(wanted) <= LONGEST_RETURN:
        return ""
    if wanted in allowed and "://" in wanted:
        return wanted
    path = re.split("[?#]", wanted, maxsplit=1)[0]
    if not _PATH(wanted) or _AMBIGUOUS(path):
        return ""
    for one in allowed:
        if path == one or (one.endswith("/") and path.startswith(one)):
            return wanted
    return ""


def told(claims: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Those of *claims* that a page is told."""
    return {name: value for name, value in claims.items() if name in names}
