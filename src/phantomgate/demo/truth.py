"""How a story that is not true ends."""

from __future__ import annotations

from phantomgate.core.errors import PhantomgateError


class Untrue(PhantomgateError):
    """Something did not happen as the story has it; says what did."""


def want(what: str, true: object, found: object) -> None:
    """Raises Untrue, which says what was *found*, unless *true*."""
    if not true:
        raise Untrue(f"wanted {what}, got {found}")
