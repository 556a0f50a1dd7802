"""What a check of a template finds: what is wrong, where, and what to change."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """How much it matters. The first two are errors."""

    UNSAFE = "unsafe"
    """Somebody may get in, or learn something, who must not."""
    BROKEN = "broken"
    """It would not work as deployed: good requests are refused, or all of them are."""
    ADVICE = "advice"
    """It works, and could be better; or it can't be known from here."""

    @property
    def is_error(self) -> bool:
        """Whether a deployment should stop."""
        return self is not Kind.ADVICE


class Finding(NamedTuple):
    """One of them. *check* is its name for programs; *place* is a logical id and the path of a property."""

    kind: Kind
    check: str
    what: str
    place: str
    change: str
    template: str = ""
