"""RFC 8259 JSON as a security component must read it: one meaning for every reader, bounded, or nothing at all.

Python's parser takes the last of two equal keys, NaN, and a hundred thousand brackets; we take none of them.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from phantomgate.core.pattern import pattern

MAX_DEPTH = 16
_BRACKETS = pattern(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_WHITE = " \t\n\r"


def read_object(data: bytes) -> dict[str, Any]:
    """The one JSON object in *data*.

    Raises ValueError for anything that is not UTF-8, not one object, has a key twice, a number that is not finite,
    an unpaired surrogate, or more than 16 levels.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:  # which shows all that it could not read
        raise ValueError("not UTF-8") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value, end = _SCAN(text, 0)
    except StopIteration:  # how the scanner says that no value begins here
        if text[:1] not in _WHITE or not text:
            raise ValueError("not JSON") from None
        return read_object(data.lstrip(_WHITE.encode()))
    if end != len(text) and text[end:].strip(_WHITE):
        raise ValueError("something follows the JSON value")
    if not isinstance(value, dict):
        raise ValueError(f"a JSON {type(value).__name__}, want an object")
    if "\\" in text:  # "\ud800" parses, and blows up later in whoever encodes it; UTF-8 itself can't carry one
        _check_surrogates(json.dumps(value, ensure_ascii=False))
    return value


def _check_surrogates(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # as above
        raise ValueError("half a surrogate pair in JSON") from None


def _check_depth(text: str) -> None:
    # Counted before parsing: the parser recurses, and a RecursionError deep in C is a poor way to find out.
    depth = 0
    for token in _BRACKETS.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"JSON nested deeper than {MAX_DEPTH} levels")
        elif mark in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a JSON object has a key twice")
    return made


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a JSON number is too large")
    return number


def _integer(text: str) -> int:
    if len(text) > 64:
        raise ValueError("a JSON integer has more than 64 digits")
    return int(text)


# Made once: `json.loads` makes a decoder a call when it is given hooks, which costs as much as reading a small object
_SCAN = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
).scan_once  # type: ignore[attr-defined]  # what `raw_decode` calls; typeshed doesn't know it
