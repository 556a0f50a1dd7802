"""Text of others in our log lines: escaped, so that it can't forge a line, and bounded, so that it can't fill one."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 80


def shown(value: object) -> str:
    """*value* as one short piece of ASCII without control characters; at most 80 characters and an ellipsis."""
    text = ascii(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def listed(names: Iterable[str]) -> str:
    """Our own *names* in order, as in "want one of ES256, RS256"."""
    return ", ".join(sorted(names))


def why(error: ValueError) -> str:
    """What a reader of ours said; only the kind of error when it was Python's, since json and codecs quote."""
    return str(error) if type(error) is ValueError else type(error).__name__
