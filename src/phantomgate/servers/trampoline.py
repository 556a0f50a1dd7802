"""Continue, inside a task, a coroutine whose first step was driven outside any.

Rule: the coroutine must not be able to tell. (Python 3.11 has no eager tasks; this is what they do.)
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from phantomgate.core.model import Decision


@coroutine
def continued(deciding: Coroutine[Any, Any, Decision], future: Any) -> Generator[Any, Any, Decision]:
    """Go on with *deciding*, which was driven to its first wait outside any task and waits for *future*.

    The future is handed to the task that runs us exactly as if the coroutine had been its own from the start, and
    what comes back, a value or a cancellation, is handed in.
    """
    step: Callable[[Any], Any]
    while True:
        try:
            value = yield future
        except BaseException as error:  # noqa: BLE001 - every way to be woken belongs to the coroutine
            step, argument = deciding.throw, error
        else:
            step, argument = deciding.send, value
        try:
            future = step(argument)
        except StopIteration as done:
            decision: Decision = done.value
            return decision
