"""The blocking driver: coroutines that never suspend, finished by one `send(None)`.

A blocking `async def` is a small lie, told in this folder only. It spares Lambda and WSGI an event loop, and spares us
a second copy of the decision path.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of *coroutine*, which must never suspend. Raises RuntimeError if it does."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a part of this gateway needs an event loop; give it blocking back ends")
