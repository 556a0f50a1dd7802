"""What a test leaks is told at its end, and not in the middle of another one.

Rule: only what was made meanwhile is looked at. With the whole suite imported, to look at everything takes a third of a
second each time, and what a test before has leaked is none of this one's.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def leaks_told() -> Iterator[None]:
    """Whatever the block has leaked says so at its end, and pytest makes an error of it."""
    gc.freeze()  # all that is there is left alone
    try:
        yield
        gc.collect()
    finally:
        gc.unfreeze()
