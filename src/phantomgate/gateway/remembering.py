"""What some text was parsed to, remembered by the text alone, so that the same text needn't be parsed again.

Rule: only for what depends on nothing but the text. Bounded in number and in length; the oldest goes first, and what
raises is not remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K", str, bytes)
T = TypeVar("T")

REMEMBERED = 4096
LONGEST = 8192
"""Bytes or characters; a longer text is parsed each time."""


def remembering(parse: Callable[[K], T]) -> Callable[[K], T]:
    """*parse*, which is called once for each text while that is remembered."""
    seen: OrderedDict[K, T] = OrderedDict()

    def remembered(text: K) -> T:
        found = seen.get(text)
        if found is None:
            found = parse(text)
            if len(text) <= LONGEST:
                if len(seen) >= REMEMBERED:
                    seen.popitem(last=False)
                seen[text] = found
        return found

    return remembered
