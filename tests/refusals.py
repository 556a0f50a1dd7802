"""What a reader says of a value that it refuses."""

from __future__ import annotations

from collections.abc import Callable


def why_not(read: Callable[..., object], value: object) -> str | None:
    """The text of the ValueError that reading *value* raises, or None; any other exception goes through."""
    try:
        read(value)
    except ValueError as no:
        return str(no)
    return None
